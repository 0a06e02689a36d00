using System.Globalization;
using DeqDet.Detection;

namespace DeqDet.Reports.Tracing;

/// <summary>A trace in a few lines for a terminal.</summary>
public static class TraceText
{
    /// <summary>Writes the main numbers, how the schemes compare, and AP.</summary>
    public static void Write(TraceResults results, TextWriter output)
    {
        var subject = results.Subject;
        output.WriteLine($"{subject.Checkpoint}: {subject.Model}, {subject.Queries} queries");
        var images = results.Images.Count == 1 ? "1 image" : $"{results.Images.Count} images";
        output.WriteLine($"{images}, {subject.Applications} applications of the refinement head, on {subject.Device}");
        output.WriteLine();
        foreach (var line in TraceSummary.Of(results))
        {
            output.WriteLine($"  {line.Value, 10}  {line.Meaning}");
        }

        output.WriteLine();
        output.WriteLine(
            $"Applications until 90 % of the queries are settled (residual of at most {AccuracyFigures.Tolerance(TraceStatistics.Settled)})"
        );
        for (var i = 0; i < results.Images[0].Paths.Count; i++)
        {
            var shares = TraceStatistics.ShareWithin(results.Images, i, TraceStatistics.Settled);
            var lost = TraceStatistics.ShareLost(results.Images, i);
            var reached = TraceStatistics.FirstReaching(shares, 0.9)?.ToString(CultureInfo.InvariantCulture) ?? "never";
            output.WriteLine(
                $"  {reached, 10}  {results.Images[0].Paths[i].Scheme} ({TraceFigures.Percent(shares[^1])} % at the end{(lost > 0 ? $", {TraceFigures.Percent(lost)} % lost to numbers that are not finite" : "")})"
            );
        }

        if (results.Accuracy is { } accuracy)
        {
            output.WriteLine();
            output.WriteLine($"AP of {accuracy.Images} images of {accuracy.Data}");
            output.WriteLine("  applications    AP     AP50   AP75");
            foreach (var depth in accuracy.Depths)
            {
                output.WriteLine($"  {depth.Applications, 12}  {Worth(depth.Accuracy)}");
            }

            output.WriteLine();
            output.WriteLine("  tolerance  at most  mean applications  settled    AP     AP50   AP75");
            foreach (var point in accuracy.Tolerances)
            {
                output.WriteLine(
                    $"  {AccuracyFigures.Tolerance(point.Tolerance), 9}  {point.Most, 7}  {TraceFigures.Number(point.Updates), 17}  {TraceFigures.Percent(point.Settled), 5} %  {Worth(point.Accuracy)}"
                );
            }
        }
    }

    private static string Worth(Accuracy accuracy) =>
        $"{AccuracyFigures.Ap(accuracy.Ap)}  {AccuracyFigures.Ap(accuracy.Ap50)}  {AccuracyFigures.Ap(accuracy.Ap75)}";
}
