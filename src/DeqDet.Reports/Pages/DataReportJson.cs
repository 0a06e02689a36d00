using System.Text.Encodings.Web;
using System.Text.Json;
using DeqDet.Data.Check;
using DeqDet.Settings;

namespace DeqDet.Reports.Pages;

/// <summary>A data check for machines: every number, and every place of every finding.</summary>
public static class DataReportJson
{
    private static readonly JsonWriterOptions options = new()
    {
        Indented = true,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    /// <summary>Writes the file atomically.</summary>
    /// <exception cref="InputError">It cannot be written.</exception>
    public static void Save(DataReport report, string path) =>
        AtomicFile.Write(
            path,
            stream =>
            {
                using var writer = new Utf8JsonWriter(stream, options);
                Write(report, writer);
            }
        );

    /// <summary>Writes one JSON object.</summary>
    public static void Write(DataReport report, Utf8JsonWriter writer)
    {
        writer.WriteStartObject();
        writer.WriteBoolean("spoiled", report.Spoiled);
        writer.WriteBoolean("decoded", report.Decoded);
        writer.WriteStartArray("parts");
        foreach (var part in report.Parts)
        {
            Write(part, writer);
        }

        writer.WriteEndArray();
        writer.WriteStartArray("issues");
        foreach (var (kind, part, places) in report.Issues)
        {
            writer.WriteStartObject();
            writer.WriteString("code", kind.Code);
            writer.WriteBoolean("spoils", kind.Spoils);
            writer.WriteString("part", part);
            writer.WriteString("text", kind.Text);
            writer.WriteNumber("count", places.Count);
            writer.WriteStartArray("places");
            foreach (var place in places)
            {
                writer.WriteStringValue(place);
            }

            writer.WriteEndArray();
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
        writer.WriteEndObject();
    }

    private static void Write(PartReport part, Utf8JsonWriter writer)
    {
        writer.WriteStartObject();
        writer.WriteString("name", part.Name);
        writer.WriteString("annotations", part.Files.AnnotationFile);
        writer.WriteString("image_folder", part.Files.ImageFolder);
        writer.WriteNumber("images", part.Images);
        writer.WriteNumber("images_to_train_on", part.ImagesToTrainOn);
        writer.WriteNumber("landscape", part.Landscape);
        writer.WriteNumber("boxes", part.Boxes);
        writer.WriteNumber("crowds", part.Crowds);
        Write("width", part.Width, writer);
        Write("height", part.Height, writer);
        Write("boxes_per_image", part.BoxesPerImage, writer);
        writer.WriteStartObject("areas");
        writer.WriteNumber("small", part.Sizes.Small);
        writer.WriteNumber("medium", part.Sizes.Medium);
        writer.WriteNumber("large", part.Sizes.Large);
        writer.WriteEndObject();
        writer.WriteStartArray("log2_side");
        foreach (var count in part.Sides)
        {
            writer.WriteNumberValue(count);
        }

        writer.WriteEndArray();
        writer.WriteStartObject("formats");
        foreach (var (format, count) in part.Formats)
        {
            writer.WriteNumber(format, count);
        }

        writer.WriteEndObject();
        writer.WriteStartArray("categories");
        foreach (var category in part.Categories)
        {
            writer.WriteStartObject();
            writer.WritePropertyName("id");
            category.Id.Write(writer);
            writer.WriteString("name", category.Name);
            writer.WriteNumber("boxes", category.Boxes);
            writer.WriteNumber("crowds", category.Crowds);
            writer.WriteNumber("images", category.Images);
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
        writer.WriteEndObject();
    }

    private static void Write(string name, Spread spread, Utf8JsonWriter writer)
    {
        writer.WriteStartObject(name);
        writer.WriteNumber("least", spread.Least);
        writer.WriteNumber("median", spread.Median);
        writer.WriteNumber("greatest", spread.Greatest);
        writer.WriteEndObject();
    }
}
