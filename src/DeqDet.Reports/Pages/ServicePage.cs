using System.Text.Json;

namespace DeqDet.Reports.Pages;

/// <summary>The page of a service: one drops a picture on it and sees what the service finds.</summary>
/// <param name="Name">Name of the detector, its checkpoint mostly.</param>
/// <param name="Classes">Its classes, each with the score from which on its detections are taken.</param>
/// <param name="Steps">Refinement steps, at most; null for models without equilibrium.</param>
/// <param name="Tolerance">The residual at which a query has settled; null: every query takes all steps.</param>
/// <param name="MostBytes">Largest picture file that the service takes.</param>
/// <param name="MostPixels">Most pixels of a picture.</param>
public sealed record ServicePage(
    string Name,
    IReadOnlyList<(string Name, double Threshold)> Classes,
    int? Steps,
    double? Tolerance,
    long MostBytes,
    long MostPixels
)
{
    /// <summary>Writes the page, one HTML file that asks nobody but the service it comes from. Equal input gives equal bytes.</summary>
    public void Write(Stream stream) =>
        PageTemplate.Write(
            stream,
            "DeqDet",
            "service.html",
            ["evaluation.css", "browse.css", "service.css"],
            WriteData,
            ["dom.js", "drop.js", "boxes.js", "service.js"],
            "img-src blob: data:; connect-src 'self'"
        );

    private void WriteData(Utf8JsonWriter writer)
    {
        writer.WriteStartObject();
        writer.WriteString("name", Name);
        ClassesJson.Write(writer, Classes);
        WriteNumber(writer, "steps", Steps);
        WriteNumber(writer, "tolerance", Tolerance);
        writer.WriteNumber("most_bytes", MostBytes);
        writer.WriteNumber("most_pixels", MostPixels);
        writer.WriteEndObject();
    }

    private static void WriteNumber(Utf8JsonWriter writer, string name, double? number)
    {
        if (number is { } known)
        {
            writer.WriteNumber(name, known);
        }
        else
        {
            writer.WriteNull(name);
        }
    }
}
