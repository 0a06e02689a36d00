using System.Text.Encodings.Web;
using System.Text.Json;
using DeqDet.Coco;

namespace DeqDet.Data.Export;

/// <summary>LabelMe's annotation of an image: rectangles, and the way to the image; its pixels are not repeated.</summary>
public static class LabelMeJson
{
    private const string Version = "5.5.0"; // of the tool whose format this is

    private static readonly JsonWriterOptions options = new()
    {
        Indented = true,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    /// <summary>Writes the file.</summary>
    /// <param name="stream">Where to.</param>
    /// <param name="image">The image.</param>
    /// <param name="imagePath">From the file's folder to the image, with slashes.</param>
    /// <param name="names">Names of the classes by label.</param>
    public static void Write(Stream stream, ExportImage image, string imagePath, IReadOnlyList<string> names)
    {
        using var json = new Utf8JsonWriter(stream, options);
        json.WriteStartObject();
        json.WriteString("version", Version);
        WriteFlags(json);
        json.WriteStartArray("shapes");
        foreach (var box in image.Boxes)
        {
            json.WriteStartObject();
            json.WriteString("label", names[box.Label]);
            json.WriteStartArray("points");
            WritePoint(json, box.X, box.Y);
            WritePoint(json, box.Right, box.Bottom);
            json.WriteEndArray();
            json.WriteNull("group_id");
            json.WriteString("description", "");
            json.WriteString("shape_type", "rectangle");
            WriteFlags(json);
            json.WriteNull("mask");
            if (box.Score is { } score)
            {
                json.WriteNumber("score", score);
            }

            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteString("imagePath", imagePath);
        json.WriteNull("imageData");
        json.WriteNumber("imageHeight", image.Height);
        json.WriteNumber("imageWidth", image.Width);
        json.WriteEndObject();
    }

    private static void WriteFlags(Utf8JsonWriter json)
    {
        json.WriteStartObject("flags");
        json.WriteEndObject();
    }

    private static void WritePoint(Utf8JsonWriter json, double x, double y)
    {
        json.WriteStartArray();
        // a sum of two short numbers may have a long tail
        json.WriteNumberValue(Math.Round(x, 6));
        json.WriteNumberValue(Math.Round(y, 6));
        json.WriteEndArray();
    }
}
