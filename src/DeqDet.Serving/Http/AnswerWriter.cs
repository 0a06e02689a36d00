using System.Text.Json;
using DeqDet.Detection;
using DeqDet.Images;

namespace DeqDet.Serving.Http;

/// <summary>Answers as JSON.</summary>
internal static class AnswerWriter
{
    /// <summary>The detections that are taken, with what was measured of them, the picture and the batch.</summary>
    public static void WriteJson(Utf8JsonWriter writer, RgbImage picture, IReadOnlyList<Finding> found, Answer answer)
    {
        writer.WriteStartObject();
        writer.WriteNumber("width", picture.Width);
        writer.WriteNumber("height", picture.Height);
        writer.WriteStartArray("detections");
        foreach (var finding in found)
        {
            Write(writer, finding);
        }

        writer.WriteEndArray();
        if (answer.Prediction.Refinement is { Length: > 0 } queries)
        {
            writer.WriteStartObject("refinement");
            writer.WriteNumber("queries", queries.Length);
            writer.WriteNumber("steps", Refinements.Steps(queries));
            writer.WriteNumber("settled", Refinements.Settled(queries));
            WriteFinite(writer, "residual", Quantile.median(queries.Select(query => query.RelativeResidual)));
            writer.WriteEndObject();
        }

        writer.WriteStartArray("notes");
        foreach (var note in picture.Notes)
        {
            writer.WriteStringValue(note);
        }

        writer.WriteEndArray();
        writer.WriteNumber("batch", answer.Batch);
        writer.WriteStartObject("milliseconds");
        writer.WriteNumber("waiting", Math.Round(answer.Waiting.TotalMilliseconds, 3));
        writer.WriteNumber("computing", Math.Round(answer.Computing.TotalMilliseconds, 3));
        writer.WriteEndObject();
        writer.WriteEndObject();
    }

    private static void Write(Utf8JsonWriter writer, Finding finding)
    {
        writer.WriteStartObject();
        writer.WriteString("class", finding.Name);
        writer.WritePropertyName("category_id");
        finding.Class.Id.Write(writer);
        writer.WriteNumber("label", finding.Label);
        writer.WriteNumber("score", finding.Score);
        writer.WriteStartArray("box");
        writer.WriteNumberValue(finding.Box.X1);
        writer.WriteNumberValue(finding.Box.Y1);
        writer.WriteNumberValue(finding.Box.X2);
        writer.WriteNumberValue(finding.Box.Y2);
        writer.WriteEndArray();
        writer.WriteNumber("query", finding.Query);
        if (finding is { Residual: { } residual, Steps: { } steps })
        {
            WriteFinite(writer, "residual", residual);
            writer.WriteNumber("steps", steps);
        }

        writer.WriteEndObject();
    }

    // JSON has no numbers for what could not be measured.
    private static void WriteFinite(Utf8JsonWriter writer, string name, double number)
    {
        if (double.IsFinite(number))
        {
            writer.WriteNumber(name, (float)number);
        }
        else
        {
            writer.WriteNull(name);
        }
    }
}
