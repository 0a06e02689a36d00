using System.Globalization;
using DeqDet.Detection;
using DeqDet.Reports.Charts;
using static DeqDet.Reports.Tracing.TraceFigures;

namespace DeqDet.Reports.Tracing;

/// <summary>Figures about what a read-out is worth; none where there was no data set.</summary>
internal static class AccuracyFigures
{
    public static IEnumerable<Figure> Of(TraceResults results) =>
        results.Accuracy is { } accuracy ? [Depth(results, accuracy), Updates(results, accuracy)] : [];

    private static Figure Depth(TraceResults results, TracedAccuracy accuracy)
    {
        var best = accuracy.Depths.MaxBy(depth => depth.Accuracy.Ap)!;
        var trained = accuracy.Depths.First(depth => depth.Applications == results.Subject.Trained);
        var last = accuracy.Depths[^1];
        return new(
            "ap-depth",
            "What are more applications worth?",
            new(
                $"AP against depth, {accuracy.Images} images",
                new("applications of the refinement head", AxisScale.Log),
                new("AP"),
                [
                    Line("AP", Blue, a => a.Ap),
                    Line("AP50", Orange, a => a.Ap50),
                    Line("AP75", Green, a => a.Ap75),
                    new RuleMark("depth of training", Grey, results.Subject.Trained, OfX: true),
                ]
            ),
            "Detections read out after so many applications, judged by COCO's rules. A curve that stays level to the right means that the answer "
                + "is an equilibrium: going on does no harm. One that bends down beyond the depth of training has learned a path of "
                + "that length rather than a fixed point.",
            $"AP is {Ap(trained.Accuracy.Ap)} at the depth of training ({trained.Applications}), at most {Ap(best.Accuracy.Ap)} (at "
                + $"{best.Applications}), and {Ap(last.Accuracy.Ap)} after {last.Applications}.",
            new(
                ["applications", "AP", "AP50", "AP75"],
                [
                    .. accuracy.Depths.Select(depth =>
                        (IReadOnlyList<string>)
                            [
                                depth.Applications.ToString(CultureInfo.InvariantCulture),
                                Ap(depth.Accuracy.Ap),
                                Ap(depth.Accuracy.Ap50),
                                Ap(depth.Accuracy.Ap75),
                            ]
                    ),
                ]
            )
        );

        LineMark Line(string name, int colour, Func<Accuracy, double> number) =>
            new(
                name,
                colour,
                [.. accuracy.Depths.Select(d => new ChartPoint(d.Applications, number(d.Accuracy)))],
                Dots: true
            );
    }

    private static Figure Updates(TraceResults results, TracedAccuracy accuracy)
    {
        var best = accuracy.Depths.First(depth => depth.Applications == results.Subject.Trained);
        // as good as at the depth of training, up to a difference within the noise
        var cheap = accuracy
            .Tolerances.Where(point => point.Accuracy.Ap >= best.Accuracy.Ap - 0.002)
            .MinBy(point => point.Updates);
        return new(
            "ap-updates",
            "What does stopping at a tolerance save?",
            new(
                "AP against work, each query stopping by itself",
                new("mean applications a query", AxisScale.Log),
                new("AP"),
                [
                    new LineMark(
                        "all queries the same number",
                        Blue,
                        [.. accuracy.Depths.Select(d => new ChartPoint(d.Applications, d.Accuracy.Ap))],
                        Dots: true
                    ),
                    .. accuracy
                        .Tolerances.GroupBy(point => point.Most)
                        .Select(
                            (group, i) =>
                                new LineMark(
                                    $"each until a tolerance, at most {group.Key}",
                                    i == 0 ? Orange : Green,
                                    [.. group.Select(point => new ChartPoint(point.Updates, point.Accuracy.Ap))],
                                    Dots: true
                                )
                        ),
                ]
            ),
            "With a tolerance each query stops as soon as its residual is small enough, and the work goes to those that need it. "
                + "The further up and left a point lies, the more AP for less work; from left to right the tolerances fall "
                + $"from {Tolerance(accuracy.Tolerances[0].Tolerance)} to {Tolerance(accuracy.Tolerances[^1].Tolerance)}.",
            cheap is null
                ? $"No tolerance reaches the AP of the depth of training ({Ap(best.Accuracy.Ap)})."
                : $"A tolerance of {Tolerance(cheap.Tolerance)} gives AP {Ap(cheap.Accuracy.Ap)} for {Number(cheap.Updates)} applications a query "
                    + $"on average; the depth of training gives {Ap(best.Accuracy.Ap)} for {best.Applications}.",
            new(
                ["tolerance", "at most", "mean applications a query", "settled queries, %", "AP", "AP50", "AP75"],
                [
                    .. accuracy.Tolerances.Select(point =>
                        (IReadOnlyList<string>)
                            [
                                Tolerance(point.Tolerance),
                                point.Most.ToString(CultureInfo.InvariantCulture),
                                Number(point.Updates),
                                Percent(point.Settled),
                                Ap(point.Accuracy.Ap),
                                Ap(point.Accuracy.Ap50),
                                Ap(point.Accuracy.Ap75),
                            ]
                    ),
                ]
            )
        );
    }

    internal static string Ap(double value) => value.ToString("0.000", CultureInfo.InvariantCulture);

    internal static string Tolerance(double value) => value.ToString("0.#####", CultureInfo.InvariantCulture);
}
