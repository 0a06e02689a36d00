using System.Text.Encodings.Web;
using System.Text.Json;

namespace DeqDet.Coco;

/// <summary>Writes an annotation file in COCO's format: images, categories, and annotations with bbox [x, y, width, height] in px.</summary>
public static class AnnotationWriter
{
    private const int FlushAfterBytes = 1 << 20;

    // Names of files and classes stay as they are, for people who read the file.
    private static readonly JsonWriterOptions readable = new()
    {
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    /// <summary>
    /// Writes images with their boxes. Numbers keep all their digits; a box with a score has it as <c>score</c>. <c>segmentation</c> is empty: other
    /// tools ask for the field.
    /// </summary>
    /// <param name="stream">Where to.</param>
    /// <param name="classes">The classes; a box's label is a place among them.</param>
    /// <param name="images">The images; ids of images, and of all their boxes, have to differ.</param>
    public static void Write(Stream stream, IReadOnlyList<ObjectClass> classes, IReadOnlyList<ExportImage> images)
    {
        using var json = new Utf8JsonWriter(stream, readable);
        json.WriteStartObject();
        json.WriteStartArray("images"u8);
        foreach (var image in images)
        {
            json.WriteStartObject();
            json.WritePropertyName("id"u8);
            image.Id.Write(json);
            json.WriteString("file_name"u8, image.Name);
            json.WriteNumber("width"u8, image.Width);
            json.WriteNumber("height"u8, image.Height);
            json.WriteEndObject();
            FlushIfLarge(json);
        }

        json.WriteEndArray();
        json.WriteStartArray("categories"u8);
        foreach (var kind in classes)
        {
            json.WriteStartObject();
            json.WritePropertyName("id"u8);
            kind.Id.Write(json);
            json.WriteString("name"u8, kind.Name);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteStartArray("annotations"u8);
        foreach (var image in images)
        {
            foreach (var box in image.Boxes)
            {
                Write(json, classes, image, box);
                FlushIfLarge(json);
            }
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void Write(
        Utf8JsonWriter json,
        IReadOnlyList<ObjectClass> classes,
        ExportImage image,
        in ExportBox box
    )
    {
        json.WriteStartObject();
        json.WritePropertyName("id"u8);
        box.Id.Write(json);
        json.WritePropertyName("image_id"u8);
        image.Id.Write(json);
        json.WritePropertyName("category_id"u8);
        classes[box.Label].Id.Write(json);
        json.WriteStartArray("bbox"u8);
        json.WriteNumberValue(box.X);
        json.WriteNumberValue(box.Y);
        json.WriteNumberValue(box.Width);
        json.WriteNumberValue(box.Height);
        json.WriteEndArray();
        json.WriteNumber("area"u8, box.Area ?? (box.Width * box.Height));
        json.WriteNumber("iscrowd"u8, box.IsCrowd ? 1 : 0);
        if (box.IsIgnored)
        {
            json.WriteNumber("ignore"u8, 1);
        }

        json.WriteStartArray("segmentation"u8);
        json.WriteEndArray();
        if (box.Score is { } score)
        {
            json.WriteNumber("score"u8, score);
        }

        json.WriteEndObject();
    }

    private static void FlushIfLarge(Utf8JsonWriter json)
    {
        if (json.BytesPending > FlushAfterBytes)
        {
            json.Flush();
        }
    }
}
