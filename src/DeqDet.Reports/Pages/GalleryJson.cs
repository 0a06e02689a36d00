using System.Text.Json;
using DeqDet.Coco.Analysis;

namespace DeqDet.Reports.Pages;

/// <summary>Writes the images of the gallery: boxes and detections as short lists, because there are many.</summary>
internal static class GalleryJson
{
    /// <summary>Writes the list <c>gallery</c> as a property of the object that is open.</summary>
    public static void Write(EvaluationPage page, Utf8JsonWriter writer)
    {
        writer.WriteStartArray("gallery");
        foreach (var image in page.Gallery.Images)
        {
            writer.WriteStartObject();
            writer.WritePropertyName("id");
            image.Mistakes.Id.Write(writer);
            writer.WriteString("file", image.Entry.FileName);
            writer.WriteNumber("width", image.Entry.Width);
            writer.WriteNumber("height", image.Entry.Height);
            WriteBoxes(page, image, writer);
            WriteDetections(page, image, writer);
            if (image.Jpeg is { } jpeg)
            {
                writer.WriteBase64String("picture", jpeg);
            }
            writer.WriteEndObject();
            writer.Flush();
        }
        writer.WriteEndArray();
    }

    // [x, y, width, height, class, is a crowd, position of the right detection or -1]
    private static void WriteBoxes(EvaluationPage page, GalleryImage image, Utf8JsonWriter writer)
    {
        var (truth, judgement) = (page.Truth, page.Analysis.Judgement);
        writer.WriteStartArray("boxes");
        foreach (var box in image.Boxes)
        {
            writer.WriteStartArray();
            WritePixels(writer, truth.X[box], truth.Y[box], truth.Width[box], truth.Height[box]);
            writer.WriteNumberValue(judgement.BoxClass[box]);
            writer.WriteBooleanValue(!judgement.ToBeFound[box]);
            writer.WriteNumberValue(Array.IndexOf(image.Found, judgement.FoundBy[box]));
            writer.WriteEndArray();
        }
        writer.WriteEndArray();
    }

    // [x, y, width, height, class, score, verdict, position of the box it is about or -1]
    private static void WriteDetections(EvaluationPage page, GalleryImage image, Utf8JsonWriter writer)
    {
        var (found, judgement) = (page.Detections, page.Analysis.Judgement);
        writer.WriteStartArray("found");
        foreach (var d in image.Found)
        {
            writer.WriteStartArray();
            WritePixels(writer, found.X[d], found.Y[d], found.Width[d], found.Height[d]);
            writer.WriteNumberValue(judgement.ClassOf[d]);
            writer.WriteNumberValue(found.Score[d]);
            writer.WriteStringValue(Name(judgement.Verdicts[d]));
            writer.WriteNumberValue(Array.IndexOf(image.Boxes, judgement.Target[d]));
            writer.WriteEndArray();
        }
        writer.WriteEndArray();
    }

    private static string Name(Verdict verdict) =>
        ErrorKinds.Of(verdict) is { } kind ? ErrorKinds.Key(kind)
        : verdict == Verdict.Right ? "right"
        : "ignored";

    private static void WritePixels(Utf8JsonWriter writer, params ReadOnlySpan<double> pixels)
    {
        foreach (var pixel in pixels)
        {
            writer.WriteNumberValue(Math.Round(pixel, 1));
        }
    }
}
