using System.Globalization;
using DeqDet.Detection;
using DeqDet.Reports.Charts;
using static DeqDet.Reports.Tracing.TraceFigures;

namespace DeqDet.Reports.Tracing;

/// <summary>Figures about the queries under plain iteration: whether they settle, what of them moves, and which do not.</summary>
internal static class QueryFigures
{
    public static IEnumerable<Figure> Of(TraceResults results) =>
        [Residual(results), Parts(results), Queries(results), Scores(results)];

    private static Figure Residual(TraceResults results)
    {
        var curve = TraceStatistics.Curve(results.Images, 0, path => path.Residual);
        var (trained, last) = (At(curve, results.Subject.Trained), curve[^1]);
        return new(
            "residual",
            "Do the queries settle?",
            new(
                "Residual of the queries under plain iteration",
                Applications,
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
                Applications,
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
                Applications,
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

    private static Figure Scores(TraceResults results)
    {
        var queries = results
            .Images.SelectMany(image => image.Scores.Zip(image.Paths[0].Residual[^1], (score, end) => (score, end)))
            .ToList();
        var bands = new[] { (From: 0.0, To: 0.1), (From: 0.1, To: 0.3), (From: 0.3, To: 0.5), (From: 0.5, To: 1.01) }
            .Select(band =>
                (
                    band.From,
                    band.To,
                    Ends: queries.Where(q => q.score >= band.From && q.score < band.To).Select(q => q.end).ToList()
                )
            )
            .ToList();
        var (sure, unsure) = (bands[^1].Ends, bands[0].Ends);
        return new(
            "scores",
            "Do the queries matter that do not settle?",
            new(
                $"Score and residual of each query after {results.Subject.Applications} applications",
                new("best class score of the query", Low: 0, High: 1),
                new("residual", AxisScale.Log),
                [
                    new LineMark(
                        "a query",
                        Blue,
                        [.. queries.Select(query => new ChartPoint(query.score, query.end))],
                        Dots: true,
                        Joined: false
                    ),
                    new RuleMark("settled below this line", Grey, TraceStatistics.Settled, OfX: false),
                ]
            ),
            "One dot for each query of all images where plain iteration ended. Queries at the right are detections, those at the left have "
                + "found nothing or leave the object to another query. Dots high at the right are detections that would still change.",
            $"Of the {sure.Count} queries with a score of at least 0.5, {Share(sure)} are settled; of the {unsure.Count} with a score below 0.1, "
                + $"{Share(unsure)}.",
            Table(
                ["score", "queries", "settled, %", "median residual"],
                bands.Select(band =>
                    (IReadOnlyList<string>)
                        [
                            $"{Score(band.From)} to {Score(Math.Min(band.To, 1))}",
                            Whole(band.Ends.Count),
                            band.Ends.Count == 0 ? "-" : Percent(Within(band.Ends)),
                            Number(Spread.Of(band.Ends).Median),
                        ]
                )
            )
        );

        static double Within(List<double> ends) => ends.Average(end => end <= TraceStatistics.Settled ? 1.0 : 0);
        static string Share(List<double> ends) => ends.Count == 0 ? "none" : $"{Percent(Within(ends))} %";
        static string Score(double score) => score.ToString("0.#", CultureInfo.InvariantCulture);
    }
}
