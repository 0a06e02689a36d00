using System.Text.Json;
using DeqDet.Detection;

namespace DeqDet.Reports.Pages;

/// <summary>An image on a page of detections.</summary>
/// <param name="File">Its name.</param>
/// <param name="PictureFile">Name of the annotated picture beside the page.</param>
/// <param name="Width">Width, px.</param>
/// <param name="Height">Height, px.</param>
/// <param name="Found">What was found, best first.</param>
/// <param name="Steps">Applications of the refinement head; 0 for models without equilibrium.</param>
/// <param name="Settled">Queries within the tolerance.</param>
/// <param name="Queries">Queries that were measured; 0 for models without equilibrium.</param>
/// <param name="Picture">The image as WebP, scaled down.</param>
/// <param name="Refinement">Name of the page beside this one that shows how it was found; null where there is none.</param>
public sealed record FoundImage(
    string File,
    string PictureFile,
    int Width,
    int Height,
    IReadOnlyList<Finding> Found,
    int Steps,
    int Settled,
    int Queries,
    byte[] Picture,
    string? Refinement = null
);

/// <summary>What a detector found in images, as a page to be looked through by class, score and residual.</summary>
/// <param name="Model">What it was found with.</param>
/// <param name="Kept">Which detections were kept, in words.</param>
/// <param name="Tolerance">Residual at which queries are settled; null where there is none.</param>
/// <param name="Classes">The detector's classes.</param>
/// <param name="LookedAt">Images that were looked at.</param>
/// <param name="Images">Those that are shown.</param>
public sealed record FoundPage(
    string Model,
    string Kept,
    double? Tolerance,
    IReadOnlyList<ObjectClass> Classes,
    int LookedAt,
    IReadOnlyList<FoundImage> Images
)
{
    /// <summary>Images that are shown at most.</summary>
    public const int MostImages = 1000;

    /// <summary>Detections of an image that are shown at most, the surest ones.</summary>
    public const int MostDetections = 300;

    // In the order in which the browser reads them; the last one runs the others.
    private static readonly string[] scripts =
    [
        "dom.js",
        "residual.js",
        "found.js",
        "frames.js",
        "grid.js",
        "viewer.js",
        "foundfilters.js",
    ];

    /// <summary>Writes the page, one HTML file that needs no other and no network. Equal input gives equal bytes.</summary>
    /// <exception cref="InputError">The file cannot be written.</exception>
    public void Save(string path) => AtomicFile.Write(path, Write);

    /// <summary>Writes the page.</summary>
    public void Write(Stream stream) =>
        PageTemplate.Write(
            stream,
            "Detections",
            "found.html",
            ["evaluation.css", "browse.css", "found.css"],
            WriteData,
            scripts
        );

    private void WriteData(Utf8JsonWriter writer)
    {
        writer.WriteStartObject();
        writer.WriteString("model", Model);
        writer.WriteString("kept", Kept);
        writer.WriteNumber("looked_at", LookedAt);
        if (Tolerance is { } tolerance)
        {
            writer.WriteNumber("tolerance", tolerance);
        }

        writer.WriteStartArray("classes");
        for (var label = 0; label < Classes.Count; label++)
        {
            writer.WriteStartObject();
            writer.WriteString("name", Classes[label].Name);
            PageColour.Write(writer, label);
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
        writer.WriteStartArray("images");
        foreach (var image in Images)
        {
            WriteImage(writer, image);
        }

        writer.WriteEndArray();
        writer.WriteEndObject();
    }

    private static void WriteImage(Utf8JsonWriter writer, FoundImage image)
    {
        writer.WriteStartObject();
        writer.WriteString("file", image.File);
        writer.WriteString("picture_file", image.PictureFile);
        if (image.Refinement is { } refinement)
        {
            writer.WriteString("refinement", refinement);
        }

        writer.WriteNumber("width", image.Width);
        writer.WriteNumber("height", image.Height);
        writer.WriteNumber("steps", image.Steps);
        writer.WriteNumber("settled", image.Settled);
        writer.WriteNumber("queries", image.Queries);
        writer.WriteStartArray("boxes");
        foreach (var finding in image.Found.Take(MostDetections))
        {
            WriteBox(writer, finding, image.Width, image.Height);
        }

        writer.WriteEndArray();
        writer.WriteBase64String("picture", image.Picture);
        writer.WriteEndObject();
        writer.Flush();
    }

    // [x, y, width, height, class, score, residual or null, steps or null], inside the image
    private static void WriteBox(Utf8JsonWriter writer, Finding finding, int width, int height)
    {
        var box = finding.Box.Clipped(width, height);
        writer.WriteStartArray();
        foreach (var number in (ReadOnlySpan<float>)[box.X1, box.Y1, box.Width, box.Height])
        {
            writer.WriteNumberValue(Math.Round(number, 1));
        }

        writer.WriteNumberValue(finding.Label);
        writer.WriteNumberValue(Math.Round(finding.Score, 4));
        if (finding.Residual is { } residual && double.IsFinite(residual))
        {
            writer.WriteNumberValue((float)residual);
        }
        else
        {
            writer.WriteNullValue();
        }

        if (finding.Steps is { } steps)
        {
            writer.WriteNumberValue(steps);
        }
        else
        {
            writer.WriteNullValue();
        }

        writer.WriteEndArray();
    }
}
