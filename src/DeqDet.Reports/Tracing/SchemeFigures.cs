using DeqDet.Detection;
using DeqDet.Reports.Charts;
using static DeqDet.Reports.Tracing.TraceFigures;

namespace DeqDet.Reports.Tracing;

/// <summary>Figures about the iteration itself: other schemes, and the Jacobian where it ends.</summary>
internal static class SchemeFigures
{
    public static IEnumerable<Figure> Of(TraceResults results) => [Solvers(results), Spectrum(results)];

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
                Applications,
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
                        : $"; on {undecided} its relative error may exceed {AccuracyFigures.Tolerance(Tracer.SpectralTolerance)}, so take those as indications."
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
}
