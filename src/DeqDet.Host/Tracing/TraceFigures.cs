using System.Globalization;
using DeqDet.Host.Reporting;
using DeqDet.Host.Reporting.Charts;
using DeqDet.Model;

namespace DeqDet.Host.Tracing;

/// <summary>Figures of a trace: from numbers to charts and sentences. <see cref="AccuracyFigures"/> has those about AP.</summary>
public static class TraceFigures
{
    private const int Blue = 0;
    private const int Orange = 1;
    private const int Green = 2;
    private const int Grey = 4;

    private static readonly Axis applications = new("applications of the refinement head", Low: 1, Whole: true);

    /// <summary>All figures, in the order in which they are best read.</summary>
    public static IReadOnlyList<Figure> Of(TraceResults results) =>
        [
            Residual(results),
            Parts(results),
            Queries(results),
            Solvers(results),
            Spectrum(results),
            .. AccuracyFigures.Of(results),
        ];

    private static Figure Residual(TraceResults results)
    {
        var curve = TraceStatistics.Curve(results.Images, 0, path => path.Residual);
        var (trained, last) = (At(curve, results.Subject.Trained), curve[^1]);
        return new(
            "residual",
            "Do the queries settle?",
            new(
                "Residual of the queries under plain iteration",
                applications,
                new("residual", AxisScale.Log),
                [
                    new BandMark(
                        "10 % to 90 % of the queries",
                        Blue,
                        Points(curve, s => s.Low),
                        Points(curve, s => s.High)
                    ),
                    new LineMark("mean", Blue, Points(curve, s => s.Mean)),
                    new LineMark("median", Orange, Points(curve, s => s.Median), Dashed: true),
                    Depth(results),
                ]
            ),
            "The residual says how far one more application of the head would take a query: 0.01 is a hundredth of its box's size, or of its "
                + "content's length, whichever moves more. A straight line downwards is a steady approach to a fixed point; a floor well above "
                + "1e-6 means that some queries never come to rest; near 1e-6 float32 has no more digits.",
            $"After {results.Subject.Trained} applications, the depth of the training, the median is {Number(trained.Median)} and the mean "
                + $"{Number(trained.Mean)}; after {curve.Count} they are {Number(last.Median)} and {Number(last.Mean)}.",
            Table(
                ["application", "mean", "10 %", "median", "90 %"],
                Milestones(results)
                    .Select(at =>
                    {
                        var spread = At(curve, at);
                        return (double[])[at, spread.Mean, spread.Low, spread.Median, spread.High];
                    })
            )
        );
    }

    private static Figure Parts(TraceResults results)
    {
        var shift = TraceStatistics.Curve(results.Images, 0, path => path.Shift);
        var change = TraceStatistics.Curve(results.Images, 0, path => path.Change);
        var more = shift[^1].Mean > change[^1].Mean ? "positions" : "contents";
        return new(
            "parts",
            "What still moves: where a query looks, or what it holds?",
            new(
                "Residual of positions and of contents",
                applications,
                new("residual", AxisScale.Log),
                [
                    new LineMark("position: mean", Green, Points(shift, s => s.Mean)),
                    new LineMark("median", Green, Points(shift, s => s.Median), Dashed: true),
                    new LineMark("content: mean", Orange, Points(change, s => s.Mean)),
                    new LineMark("median", Orange, Points(change, s => s.Median), Dashed: true),
                    Depth(results),
                ]
            ),
            "The residual's two parts: by how much an application moves the box (in sizes of the box), and by how much it changes the content "
                + "(in lengths of the content). The residual of the figure above is the larger of the two, query by query.",
            $"At the end {more} move most: by {Number(shift[^1].Mean)} sizes of the box and {Number(change[^1].Mean)} lengths of the content "
                + "on average.",
            Table(
                ["application", "position mean", "position median", "content mean", "content median"],
                Milestones(results)
                    .Select(at =>
                        (double[])
                            [at, At(shift, at).Mean, At(shift, at).Median, At(change, at).Mean, At(change, at).Median]
                    )
            )
        );
    }

    private static Figure Queries(TraceResults results)
    {
        var image = results.Images[0];
        var residual = image.Paths[0].Residual;
        var lines = Enumerable
            .Range(0, residual[0].Length)
            .Select(query =>
                (IReadOnlyList<ChartPoint>)[.. residual.Select((row, at) => new ChartPoint(at + 1, row[query]))]
            )
            .ToList();
        var settled = residual[^1].Count(number => number <= TraceStatistics.Settled);
        return new(
            "queries",
            "Is it all queries, or a few?",
            new(
                $"Each query of {ShortName(image.Name)}",
                applications,
                new("residual", AxisScale.Log),
                [
                    new FanMark("a query", Blue, lines),
                    new LineMark(
                        "median",
                        Orange,
                        [.. residual.Select((row, at) => new ChartPoint(at + 1, Spread.Of(row).Median))]
                    ),
                    Depth(results),
                ]
            ),
            "One line for each query of the first image. Queries whose lines fall come to rest, each in its own time; those whose lines "
                + "stay high or swing go round and round.",
            $"After {residual.Length} applications {settled} of the {residual[^1].Length} queries of this image are settled (residual of at most "
                + $"{AccuracyFigures.Tolerance(TraceStatistics.Settled)}).",
            Table(
                ["image", "settled queries, %", "median residual at the end", "largest"],
                results.Images.Select(traced =>
                {
                    var end = traced.Paths[0].Residual[^1];
                    return (IReadOnlyList<string>)
                        [
                            ShortName(traced.Name),
                            Percent(end.Average(number => number <= TraceStatistics.Settled ? 1.0 : 0)),
                            Number(Spread.Of(end).Median),
                            Number(end.Any(double.IsNaN) ? double.NaN : end.Max()),
                        ];
                })
            )
        );
    }

    private static Figure Solvers(TraceResults results)
    {
        var schemes = results.Images[0].Paths.Select(path => path.Scheme).ToList();
        var curves = schemes.Select((_, i) => TraceStatistics.Curve(results.Images, i, path => path.Residual)).ToList();
        int[] colours = [Blue, Orange, Green];
        var rows = schemes
            .Select(
                (scheme, i) =>
                    new
                    {
                        scheme,
                        Reached = Reached(results, i),
                        curves[i][^1].Median,
                    }
            )
            .ToList();
        var best = rows.Where(row => row.Reached[1] is not null).MinBy(row => row.Reached[1]);
        return new(
            "solvers",
            "Is there a faster way to the fixed point?",
            new(
                "Residual under different schemes",
                applications,
                new("residual, median of the queries", AxisScale.Log),
                [
                    .. schemes.Select(
                        (scheme, i) =>
                            new LineMark(
                                scheme,
                                colours[i % colours.Length],
                                Points(curves[i], s => s.Median),
                                Dashed: i > 2
                            )
                    ),
                    Depth(results),
                ]
            ),
            "Plain iteration (Picard) puts the head's answer in for its question again and again. Anderson and Broyden extrapolate from "
                + "earlier answers at the same cost, one application of the head a step. The lower line is the faster method; one that "
                + "jumps has extrapolated too boldly, and one that ends has lost half of the queries to numbers that are not finite.",
            best is null
                ? $"None of them brings nine tenths of the queries to a residual of {AccuracyFigures.Tolerance(TraceStatistics.Settled)} within {results.Subject.Applications} applications."
                : $"The first to bring nine tenths of the queries to a residual of {AccuracyFigures.Tolerance(TraceStatistics.Settled)} is {best.scheme}, after "
                    + $"{best.Reached[1]} applications.",
            Table(
                [
                    "scheme",
                    "applications until 50 % are settled",
                    "until 90 %",
                    "settled at the end, %",
                    "lost, %",
                    "median residual at the end",
                ],
                rows.Select(
                    (row, i) =>
                        (IReadOnlyList<string>)
                            [
                                row.scheme,
                                Count(row.Reached[0]),
                                Count(row.Reached[1]),
                                Percent(TraceStatistics.ShareWithin(results.Images, i, TraceStatistics.Settled)[^1]),
                                Percent(TraceStatistics.ShareLost(results.Images, i)),
                                Number(row.Median),
                            ]
                )
            )
        );
    }

    private static Figure Spectrum(TraceResults results)
    {
        var radii = results.Images.Select((image, i) => new ChartPoint(i + 1, image.Spectrum.Radius)).ToList();
        var rates = results.Images.Select((image, i) => new ChartPoint(i + 1, TraceStatistics.Rate(image))).ToList();
        var below = results.Images.Count(image => image.Spectrum.Radius < 1);
        var undecided = results.Images.Count(image => !image.Spectrum.Converged);
        var spread = Spread.Of(radii.Select(point => point.Y));
        return new(
            "spectrum",
            "Is the end point an attractor?",
            new(
                "Spectral radius where the iteration ended",
                new("image", Low: 0.5, High: results.Images.Count + 0.5, Whole: true),
                new("factor per application", Low: 0),
                [
                    new RuleMark("1: neither nearer nor farther", Grey, 1, OfX: false),
                    new LineMark("spectral radius", Blue, radii, Dots: true, Joined: false),
                    new LineMark("observed rate", Orange, rates, Dots: true, Joined: false),
                ]
            ),
            "The spectral radius is the factor by which the most stubborn small disturbance of all queries of an image grows or shrinks "
                + "with each application: below 1 the end point attracts, above 1 something drives the queries away from it. It "
                + "is measured on the head's true Jacobian, attention among the queries included. The observed rate is the factor by which "
                + "the median query's residual really shrank on the way there; it can lie far below the radius, because one stubborn "
                + "query is enough for that.",
            $"The radius is below 1 on {below} of {results.Images.Count} images, {Number(spread.Median)} in the median"
                + (
                    undecided == 0
                        ? "."
                        : $"; on {undecided} the power iteration had not come within {AccuracyFigures.Tolerance(Tracer.SpectralTolerance)} of an invariant plane, so take those as indications."
                ),
            Table(
                ["", "image", "spectral radius", "undecided", "observed rate"],
                results.Images.Select(
                    (image, i) =>
                        (IReadOnlyList<string>)
                            [
                                Whole(i + 1),
                                ShortName(image.Name),
                                Number(image.Spectrum.Radius),
                                image.Spectrum.Converged ? "-" : Number(image.Spectrum.Residual),
                                Number(TraceStatistics.Rate(image)),
                            ]
                )
            )
        );
    }

    // Applications until a half and nine tenths of the queries are settled.
    private static int?[] Reached(TraceResults results, int scheme)
    {
        var shares = TraceStatistics.ShareWithin(results.Images, scheme, TraceStatistics.Settled);
        return [TraceStatistics.FirstReaching(shares, 0.5), TraceStatistics.FirstReaching(shares, 0.9)];
    }

    private static RuleMark Depth(TraceResults results) =>
        new("depth of training", Grey, results.Subject.Trained, OfX: true);

    private static IReadOnlyList<int> Milestones(TraceResults results) =>
        TraceStatistics.Milestones(results.Subject.Trained, results.Subject.Applications);

    private static List<ChartPoint> Points(IReadOnlyList<Spread> curve, Func<Spread, double> number) =>
        [.. curve.Select((spread, at) => new ChartPoint(at + 1, number(spread)))];

    private static Spread At(IReadOnlyList<Spread> curve, int application) =>
        curve[Math.Clamp(application, 1, curve.Count) - 1];

    private static FigureTable Table(IReadOnlyList<string> columns, IEnumerable<IReadOnlyList<string>> rows) =>
        new(columns, [.. rows]);

    // The first number of a row counts something.
    private static FigureTable Table(IReadOnlyList<string> columns, IEnumerable<double[]> rows) =>
        new(
            columns,
            [.. rows.Select(row => (IReadOnlyList<string>)[Whole((int)row[0]), .. row.Skip(1).Select(Number)])]
        );

    internal static string Number(double value) => double.IsFinite(value) ? Human.Number(value) : "-";

    internal static string Percent(double share) => (100 * share).ToString("0.#", CultureInfo.InvariantCulture);

    private static string Whole(int number) => number.ToString(CultureInfo.InvariantCulture);

    private static string Count(int? number) => number is { } known ? Whole(known) : "never";

    private static string ShortName(string path) => Path.GetFileName(path);
}
