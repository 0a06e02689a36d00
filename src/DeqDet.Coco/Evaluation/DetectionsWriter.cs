using System.Text.Json;

namespace DeqDet.Coco.Evaluation;

/// <summary>Writes detections as a COCO results list: image_id, category_id, bbox [x, y, width, height], score; for a query that was refined also
/// its residual and the applications it took.</summary>
public static class DetectionsWriter
{
    private const int FlushAfterBytes = 1 << 20;

    /// <summary>
    /// Writes the file atomically. Numbers keep all their digits: the file evaluates to exactly the numbers that
    /// the detections in memory do. Raises <see cref="InputError"/> when the file cannot be written.
    /// </summary>
    public static void Save(Detections detections, string path) =>
        AtomicFile.Write(path, stream => Write(detections, stream));

    /// <summary>Writes what was measured of a detection's query: <c>residual</c> (null if it is not finite) and <c>steps</c>.</summary>
    public static void WriteRefinement(Utf8JsonWriter writer, QueryRefinement refinement)
    {
        if (double.IsFinite(refinement.Residual))
        {
            // a float32 measurement: more digits would say nothing
            writer.WriteNumber("residual"u8, (float)refinement.Residual);
        }
        else
        {
            writer.WriteNull("residual"u8);
        }

        writer.WriteNumber("steps"u8, refinement.Steps);
    }

    private static void Write(Detections detections, Stream stream)
    {
        using var writer = new Utf8JsonWriter(stream, new JsonWriterOptions { SkipValidation = true });
        writer.WriteStartArray();
        for (var i = 0; i < detections.Count; i++)
        {
            writer.WriteStartObject();
            writer.WritePropertyName("image_id"u8);
            detections.ImageId[i].Write(writer);
            writer.WritePropertyName("category_id"u8);
            detections.CategoryId[i].Write(writer);
            writer.WriteStartArray("bbox"u8);
            writer.WriteNumberValue(detections.X[i]);
            writer.WriteNumberValue(detections.Y[i]);
            writer.WriteNumberValue(detections.Width[i]);
            writer.WriteNumberValue(detections.Height[i]);
            writer.WriteEndArray();
            writer.WriteNumber("score"u8, detections.Score[i]);
            if (detections.Refinement(i) is { } refinement)
            {
                WriteRefinement(writer, refinement);
            }

            writer.WriteEndObject();
            if (writer.BytesPending > FlushAfterBytes)
            {
                writer.Flush();
            }
        }
        writer.WriteEndArray();
    }
}
