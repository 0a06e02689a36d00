using System.Text.Json;

namespace DeqDet.Coco.Analysis;

/// <summary>Writes an analysis as JSON. Classes are named by their position in <c>per_class</c>.</summary>
public static class AnalysisJson
{
    /// <summary>Writes all but the images as properties of the object that is open.</summary>
    /// <param name="analysis">The analysis.</param>
    /// <param name="writer">Inside an object.</param>
    /// <param name="decimals">Decimals of curves; null for all.</param>
    public static void WriteProperties(EvaluationAnalysis analysis, Utf8JsonWriter writer, int? decimals = null)
    {
        WritePoint(analysis.Point, writer);
        WriteErrors(analysis.Errors, writer);
        writer.WriteStartArray("classes");
        foreach (var entry in analysis.Classes)
        {
            writer.WriteStartObject();
            writer.WriteNumber("right", entry.Right);
            writer.WriteNumber("unfound", entry.Unfound);
            writer.WriteStartObject("wrong");
            foreach (var kind in ErrorKinds.All.Where(kind => kind != ErrorKind.Missed))
            {
                writer.WriteNumber(ErrorKinds.Key(kind), entry.Wrong[(int)kind]);
            }
            writer.WriteEndObject();
            writer.WriteEndObject();
        }
        writer.WriteEndArray();
        WriteConfusion(analysis.Confusion, writer);
        writer.WriteStartArray("precision_recall");
        foreach (var curve in analysis.Curves)
        {
            writer.WriteStartObject();
            WriteNullable(writer, "class", curve.Class < 0 ? null : curve.Class);
            WriteNullable(writer, "iou", curve.Iou);
            WriteNumbers(writer, "precision", curve.Precision, decimals);
            if (curve.Scores is { } scores)
            {
                WriteNumbers(writer, "scores", scores, decimals);
            }
            writer.WriteEndObject();
            writer.Flush();
        }
        writer.WriteEndArray();
        writer.WriteStartArray("crowding");
        foreach (var bin in analysis.Crowding)
        {
            writer.WriteStartObject();
            writer.WriteNumber("from", bin.From);
            WriteNullable(writer, "to", bin.To);
            writer.WriteNumber("images", bin.Images);
            writer.WriteNumber("boxes", bin.Boxes);
            writer.WriteNumber("ap", bin.AveragePrecision);
            writer.WriteNumber("ap_at_iou", bin.AveragePrecisionAtIou);
            writer.WriteNumber("ar", bin.AverageRecall);
            writer.WriteEndObject();
        }
        writer.WriteEndArray();
    }

    /// <summary>Writes the list of images, the worst first, as a property of the object that is open.</summary>
    public static void WriteImages(EvaluationAnalysis analysis, Utf8JsonWriter writer)
    {
        writer.WriteStartArray("images");
        foreach (var image in analysis.Images)
        {
            writer.WriteStartObject();
            writer.WritePropertyName("image_id");
            image.Id.Write(writer);
            writer.WriteNumber("mistakes", image.Mistakes);
            writer.WriteNumber("right", image.Right);
            writer.WriteNumber("wrong", image.Wrong);
            writer.WriteNumber("unfound", image.Missed);
            writer.WriteEndObject();
        }
        writer.WriteEndArray();
    }

    private static void WritePoint(OperatingPoint point, Utf8JsonWriter writer)
    {
        writer.WriteStartObject("operating_point");
        writer.WriteNumber("score", point.Score);
        writer.WriteString("chosen_by", point.IsChosen ? "user" : "highest F1");
        writer.WriteNumber("right", point.Right);
        writer.WriteNumber("wrong", point.Wrong);
        writer.WriteNumber("unfound", point.Missed);
        writer.WriteNumber("precision", point.Precision);
        writer.WriteNumber("recall", point.Recall);
        writer.WriteNumber("f1", point.F1);
        writer.WriteEndObject();
    }

    private static void WriteErrors(ErrorBreakdown errors, Utf8JsonWriter writer)
    {
        writer.WriteStartObject("errors");
        writer.WriteNumber("iou", errors.Iou);
        writer.WriteNumber("background_iou", errors.BackgroundIou);
        writer.WriteNumber("max_dets", errors.MaxDetections);
        writer.WriteNumber("ap", errors.AveragePrecision);
        writer.WriteStartArray("kinds");
        foreach (var share in errors.Errors)
        {
            writer.WriteStartObject();
            writer.WriteString("kind", ErrorKinds.Key(share.Kind));
            writer.WriteNumber("count", share.Count);
            writer.WriteNumber("count_at_score", share.CountAtScore);
            writer.WriteNumber("gain", share.Gain);
            writer.WriteEndObject();
        }
        writer.WriteEndArray();
        writer.WriteNumber("false_positives_gain", errors.FalsePositivesGain);
        writer.WriteNumber("false_negatives_gain", errors.FalseNegativesGain);
        writer.WriteEndObject();
    }

    // Most entries are 0: [class of the box, class of the detection, count] for the others.
    private static void WriteConfusion(ConfusionMatrix confusion, Utf8JsonWriter writer)
    {
        writer.WriteStartObject("confusion");
        writer.WriteNumber("score", confusion.Score);
        writer.WriteNumber("iou", confusion.Iou);
        writer.WriteNumber("background", confusion.Classes.Count);
        writer.WriteStartArray("cells");
        for (var i = 0; i < confusion.Counts.Length; i++)
        {
            if (confusion.Counts[i] > 0)
            {
                writer.WriteStartArray();
                writer.WriteNumberValue(i / confusion.Size);
                writer.WriteNumberValue(i % confusion.Size);
                writer.WriteNumberValue(confusion.Counts[i]);
                writer.WriteEndArray();
            }
        }
        writer.WriteEndArray();
        writer.WriteEndObject();
    }

    private static void WriteNumbers(Utf8JsonWriter writer, string name, double[] numbers, int? decimals)
    {
        writer.WriteStartArray(name);
        foreach (var number in numbers)
        {
            writer.WriteNumberValue(decimals is { } d ? Math.Round(number, d) : number);
        }
        writer.WriteEndArray();
    }

    private static void WriteNullable(Utf8JsonWriter writer, string name, double? number)
    {
        if (number is { } value)
        {
            writer.WriteNumber(name, value);
        }
        else
        {
            writer.WriteNull(name);
        }
    }
}
