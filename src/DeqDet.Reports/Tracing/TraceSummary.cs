using System.Text.Json;
using DeqDet.Detection;

namespace DeqDet.Reports.Tracing;

/// <summary>The handful of numbers that a trace comes to.</summary>
/// <param name="Key">Name in JSON.</param>
/// <param name="Number">The number; NaN: there is none.</param>
/// <param name="Value">The number for people.</param>
/// <param name="Meaning">What it is.</param>
public sealed record SummaryLine(string Key, double Number, string Value, string Meaning);

/// <summary>Boils a trace down.</summary>
public static class TraceSummary
{
    /// <summary>The main numbers, most important first.</summary>
    public static IReadOnlyList<SummaryLine> Of(TraceResults results)
    {
        var (subject, images) = (results.Subject, results.Images);
        var curve = TraceStatistics.Curve(images, 0, path => path.Residual);
        var shares = TraceStatistics.ShareWithin(images, 0, TraceStatistics.Settled);
        var atTraining = curve[Math.Min(subject.Trained, curve.Count) - 1];
        var radius = Spread.Of(images.Select(image => image.Spectrum.Radius));
        var rate = Spread.Of(images.Select(TraceStatistics.Rate));
        var below = images.Average(image => image.Spectrum.Radius < 1 ? 1.0 : 0);
        var settled = TraceStatistics.Settled.ToString(System.Globalization.CultureInfo.InvariantCulture);
        var lines = new List<SummaryLine>
        {
            Line(
                "residual_at_training_depth",
                atTraining.Median,
                $"median residual after {subject.Trained}, the depth of training"
            ),
            Line("residual_at_end", curve[^1].Median, $"median residual after {curve.Count} applications"),
            Share(
                "settled_at_end",
                shares[^1],
                $"of the queries settled after {curve.Count} (residual of at most {settled})"
            ),
            Line("rate", rate.Median, "factor of the median residual per application (1: no progress)"),
            Line("spectral_radius", radius.Median, "spectral radius at the end point, median of the images"),
            Share("spectral_radius_below_1", below, "of the images end in an attracting point (radius below 1)"),
        };
        if (results.Accuracy is { } accuracy)
        {
            var trained = accuracy.Depths.First(depth => depth.Applications == subject.Trained).Accuracy.Ap;
            lines.Add(Ap("ap_at_training_depth", trained, $"AP after {subject.Trained}, the depth of training"));
            lines.Add(Ap("ap_at_end", accuracy.Depths[^1].Accuracy.Ap, $"AP after {accuracy.Depths[^1].Applications}"));
        }

        return lines;
    }

    /// <summary>Writes the subject, the main numbers (null: there is none), and the numbers of images, schemes and AP as JSON.</summary>
    public static void WriteJson(TraceResults results, Stream stream)
    {
        using var json = new Utf8JsonWriter(stream, new() { Indented = true });
        var subject = results.Subject;
        json.WriteStartObject();
        json.WriteString("checkpoint", subject.Checkpoint);
        json.WriteString("model", subject.Model);
        json.WriteNumber("queries", subject.Queries);
        json.WriteNumber("training_depth", subject.Trained);
        json.WriteNumber("applications", subject.Applications);
        json.WriteString("device", subject.Device);
        json.WriteStartObject("summary");
        foreach (var line in Of(results))
        {
            Number(line.Key, line.Number);
        }

        json.WriteEndObject();
        json.WriteStartArray("images");
        foreach (var image in results.Images)
        {
            json.WriteStartObject();
            json.WriteString("image", image.Name);
            Number("spectral_radius", image.Spectrum.Radius);
            Number("spectral_error", image.Spectrum.Residual);
            Number("rate", TraceStatistics.Rate(image));
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteStartArray("schemes");
        for (var i = 0; i < results.Images[0].Paths.Count; i++)
        {
            var shares = TraceStatistics.ShareWithin(results.Images, i, TraceStatistics.Settled);
            json.WriteStartObject();
            json.WriteString("scheme", results.Images[0].Paths[i].Scheme);
            Number("residual_at_end", TraceStatistics.Curve(results.Images, i, path => path.Residual)[^1].Median);
            Number("settled_at_end", shares[^1]);
            Number("lost_at_end", TraceStatistics.ShareLost(results.Images, i));
            Number("applications_to_90_percent_settled", TraceStatistics.FirstReaching(shares, 0.9) ?? double.NaN);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        if (results.Accuracy is { } accuracy)
        {
            json.WriteStartObject("accuracy");
            json.WriteString("data", accuracy.Data);
            json.WriteNumber("images", accuracy.Images);
            json.WriteStartArray("depths");
            foreach (var depth in accuracy.Depths)
            {
                json.WriteStartObject();
                json.WriteNumber("applications", depth.Applications);
                Worth(depth.Accuracy);
                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WriteStartArray("tolerances");
            foreach (var point in accuracy.Tolerances)
            {
                json.WriteStartObject();
                json.WriteNumber("tolerance", point.Tolerance);
                json.WriteNumber("at_most", point.Most);
                Number("updates", point.Updates);
                Number("settled", point.Settled);
                Worth(point.Accuracy);
                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }

        json.WriteEndObject();

        void Worth(Accuracy accuracy)
        {
            Number("ap", accuracy.Ap);
            Number("ap50", accuracy.Ap50);
            Number("ap75", accuracy.Ap75);
        }

        void Number(string name, double value)
        {
            // JSON has no NaN
            if (double.IsFinite(value))
            {
                json.WriteNumber(name, value);
            }
            else
            {
                json.WriteNull(name);
            }
        }
    }

    private static SummaryLine Line(string key, double number, string meaning) =>
        new(key, number, double.IsFinite(number) ? Human.Number(number) : "-", meaning);

    private static SummaryLine Share(string key, double share, string meaning) =>
        new(key, share, $"{TraceFigures.Percent(share)} %", meaning);

    private static SummaryLine Ap(string key, double ap, string meaning) =>
        new(key, ap, AccuracyFigures.Ap(ap), meaning);
}
