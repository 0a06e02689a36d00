using System.Text.Json;

namespace DeqDet.Reports.Pages;

/// <summary>A detector's classes for the script that draws its boxes.</summary>
internal static class ClassesJson
{
    /// <summary>Writes <c>classes</c>: of each its name, the score from which on its detections are taken, its colour, and that of text on it.</summary>
    public static void Write(Utf8JsonWriter writer, IReadOnlyList<(string Name, double Threshold)> classes)
    {
        writer.WriteStartArray("classes");
        foreach (var ((name, threshold), label) in classes.Select((known, label) => (known, label)))
        {
            writer.WriteStartObject();
            writer.WriteString("name", name);
            writer.WriteNumber("threshold", threshold);
            PageColour.Write(writer, label);
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
    }
}
