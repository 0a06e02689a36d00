using System.Text.Json;
using DeqDet.Coco.Analysis;

namespace DeqDet.Coco.Evaluation;

/// <summary>Writes a result as JSON: summary, classes, parameters, counts, the whole arrays, and what lies behind the numbers.</summary>
public static class EvaluationJson
{
    // Arrays of a real validation set have millions of entries; they go to the file in pieces of this size.
    private const int FlushAfterBytes = 1 << 20;

    /// <summary>
    /// Writes the file atomically, with an analysis if there is one. Raises <see cref="InputError"/> when it cannot be written.
    /// </summary>
    public static void Save(EvaluationResult result, string path, EvaluationAnalysis? analysis = null) =>
        AtomicFile.Write(
            path,
            stream =>
            {
                using var writer = new Utf8JsonWriter(stream);
                Write(result, writer, analysis);
            }
        );

    /// <summary>Writes one JSON object.</summary>
    public static void Write(EvaluationResult result, Utf8JsonWriter writer, EvaluationAnalysis? analysis = null)
    {
        writer.WriteStartObject();
        WriteSummary(result, writer);
        if (analysis is not null)
        {
            writer.WritePropertyName("analysis");
            AnalysisJson.Write(analysis, writer, withImages: true);
        }
        WriteArrays(result, writer);
        writer.WriteEndObject();
    }

    /// <summary>Writes everything but the arrays as properties of the object that is open.</summary>
    public static void WriteSummary(EvaluationResult result, Utf8JsonWriter writer)
    {
        writer.WriteStartArray("stats");
        foreach (var s in result.Statistics)
        {
            writer.WriteStartObject();
            writer.WriteString("name", s.Name);
            writer.WriteNumber("value", s.Value);
            writer.WriteString("iou", EvaluationText.Iou(s, result));
            writer.WriteString("area", s.Area);
            writer.WriteNumber("max_dets", s.MaxDetections);
            writer.WriteEndObject();
        }
        writer.WriteEndArray();
        writer.WriteStartArray("per_class");
        foreach (var c in result.PerClass)
        {
            writer.WriteStartObject();
            writer.WritePropertyName("category_id");
            c.Category.Id.Write(writer);
            writer.WriteString("name", c.Category.Name);
            writer.WriteNumber("boxes", c.Boxes);
            foreach (var s in c.Statistics)
            {
                writer.WriteNumber(s.Name, s.Value);
            }
            writer.WriteEndObject();
        }
        writer.WriteEndArray();
        WriteParameters(result.Parameters, writer);
        writer.WriteStartObject("counts");
        writer.WriteNumber("images", result.Counts.Images);
        writer.WriteNumber("categories", result.Counts.Categories);
        writer.WriteNumber("boxes", result.Counts.Boxes);
        writer.WriteNumber("crowds", result.Counts.Crowds);
        writer.WriteNumber("detections", result.Counts.Detections);
        writer.WriteEndObject();
        writer.WriteStartArray("notes");
        foreach (var note in result.Notes)
        {
            writer.WriteStringValue(note);
        }
        writer.WriteEndArray();
    }

    private static void WriteArrays(EvaluationResult result, Utf8JsonWriter writer)
    {
        writer.WriteStartObject("arrays");
        WriteArray(
            writer,
            "precision",
            ["iou", "recall", "class", "area", "max_dets"],
            result.PrecisionShape,
            result.Precision
        );
        WriteArray(
            writer,
            "scores",
            ["iou", "recall", "class", "area", "max_dets"],
            result.PrecisionShape,
            result.Scores
        );
        WriteArray(writer, "recall", ["iou", "class", "area", "max_dets"], result.RecallShape, result.Recall);
        writer.WriteEndObject();
    }

    private static void WriteParameters(EvaluationParameters parameters, Utf8JsonWriter writer)
    {
        writer.WriteStartObject("parameters");
        WriteNumbers(writer, "iou_thresholds", parameters.IouThresholds);
        WriteNumbers(writer, "recall_points", parameters.RecallPoints);
        WriteWhole(writer, "max_dets", parameters.MaxDetections);
        writer.WriteStartArray("area_ranges");
        foreach (var range in parameters.AreaRanges)
        {
            writer.WriteStartObject();
            writer.WriteString("label", range.Label);
            writer.WriteNumber("min", range.Min);
            writer.WriteNumber("max", range.Max);
            writer.WriteEndObject();
        }
        writer.WriteEndArray();
        writer.WriteBoolean("class_agnostic", parameters.ClassAgnostic);
        WriteIds(writer, "image_ids", parameters.ImageIds ?? []);
        WriteIds(writer, "category_ids", parameters.CategoryIds ?? []);
        writer.WriteEndObject();
    }

    private static void WriteArray(
        Utf8JsonWriter writer,
        string name,
        string[] axes,
        IReadOnlyList<int> shape,
        double[] values
    )
    {
        writer.WriteStartObject(name);
        writer.WriteStartArray("axes");
        foreach (var axis in axes)
        {
            writer.WriteStringValue(axis);
        }
        writer.WriteEndArray();
        WriteWhole(writer, "shape", shape);
        WriteNumbers(writer, "values", values);
        writer.WriteEndObject();
    }

    private static void WriteNumbers(Utf8JsonWriter writer, string name, IReadOnlyList<double> numbers)
    {
        writer.WriteStartArray(name);
        foreach (var number in numbers)
        {
            writer.WriteNumberValue(number);
            if (writer.BytesPending > FlushAfterBytes)
            {
                writer.Flush();
            }
        }
        writer.WriteEndArray();
    }

    private static void WriteWhole(Utf8JsonWriter writer, string name, IReadOnlyList<int> numbers)
    {
        writer.WriteStartArray(name);
        foreach (var number in numbers)
        {
            writer.WriteNumberValue(number);
        }
        writer.WriteEndArray();
    }

    private static void WriteIds(Utf8JsonWriter writer, string name, IReadOnlyList<CocoId> ids)
    {
        writer.WriteStartArray(name);
        foreach (var id in ids)
        {
            id.Write(writer);
        }
        writer.WriteEndArray();
    }
}
