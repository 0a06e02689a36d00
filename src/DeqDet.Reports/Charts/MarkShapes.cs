namespace DeqDet.Reports.Charts;

/// <summary>What marks look like.</summary>
internal static class MarkShapes
{
    private const double DotRadius = 3.2;

    /// <summary>The sign of a mark in the legend, from x on, around the height y, so wide; px.</summary>
    public static IEnumerable<Shape> Swatch(Mark mark, double x, double y, double width)
    {
        Place[] line = [new(x, y), new(x + width, y)];
        switch (mark)
        {
            case BandMark:
                yield return new AreaShape(
                    Ink.Of(mark),
                    [new(x, y - 5), new(x + width, y - 5), new(x + width, y + 5), new(x, y + 5)],
                    0.2
                );
                break;
            case FanMark:
                foreach (var offset in new[] { -4.0, 0, 4 })
                {
                    yield return new StrokeShape(
                        Ink.Of(mark),
                        [new(x, y + offset), new(x + width, y + (offset / 2))],
                        1,
                        Dashed: false,
                        Opacity: 0.6
                    );
                }

                break;
            case LineMark drawn:
                if (drawn.Joined)
                {
                    yield return new StrokeShape(Ink.Of(mark), line, 2, drawn.Dashed, Opacity: 1);
                }

                if (drawn.Dots)
                {
                    yield return new DotShape(Ink.Of(mark), new(x + (width / 2), y), DotRadius);
                }

                break;
        }
    }

    /// <summary>A mark at its place in the plot.</summary>
    public static IEnumerable<Shape> Of(Mark mark, Projection x, Projection y, Frame plot)
    {
        var ink = Ink.Of(mark);
        switch (mark)
        {
            case LineMark line:
                foreach (var run in line.Joined ? Runs(line.Points, x, y) : [])
                {
                    yield return new StrokeShape(ink, run, 2, line.Dashed, Opacity: 1);
                }

                // a point between two gaps would not be seen without its dot
                var dots = line.Dots ? Runs(line.Points, x, y) : Runs(line.Points, x, y).Where(run => run.Count == 1);
                foreach (var place in dots.SelectMany(run => run))
                {
                    yield return new DotShape(ink, place, DotRadius);
                }

                break;
            case BandMark band:
                foreach (var area in Areas(band, x, y))
                {
                    yield return new AreaShape(ink, area, 0.16);
                }

                break;
            case FanMark fan:
                var opacity = Math.Clamp(6.0 / Math.Max(1, fan.Lines.Count), 0.12, 0.6);
                foreach (var run in fan.Lines.SelectMany(points => Runs(points, x, y)))
                {
                    yield return new StrokeShape(ink, run, 1, Dashed: false, opacity);
                }

                break;
            case RuleMark rule:
                var px = rule.OfX ? x.Px(rule.At) : y.Px(rule.At);
                if (double.IsFinite(px))
                {
                    Place[] ends = rule.OfX
                        ? [new(px, plot.Top), new(px, plot.Bottom)]
                        : [new(plot.Left, px), new(plot.Right, px)];
                    yield return new StrokeShape(ink, ends, 1.4, Dashed: true, Opacity: 0.9);
                }

                break;
        }
    }

    // Stretches without gaps.
    private static IEnumerable<IReadOnlyList<Place>> Runs(IReadOnlyList<ChartPoint> points, Projection x, Projection y)
    {
        var run = new List<Place>();
        foreach (var point in points)
        {
            var place = new Place(x.Px(point.X), y.Px(point.Y));
            if (double.IsFinite(place.X) && double.IsFinite(place.Y))
            {
                run.Add(place);
            }
            else if (run.Count > 0)
            {
                yield return run;
                run = [];
            }
        }

        if (run.Count > 0)
        {
            yield return run;
        }
    }

    private static IEnumerable<IReadOnlyList<Place>> Areas(BandMark band, Projection x, Projection y)
    {
        var (low, high) = (new List<Place>(), new List<Place>());
        for (var i = 0; i <= Math.Min(band.Low.Count, band.High.Count); i++)
        {
            var upper = i < Math.Min(band.Low.Count, band.High.Count) ? At(band.High[i]) : new(double.NaN, double.NaN);
            if (double.IsFinite(upper.X + upper.Y))
            {
                var lower = At(band.Low[i]);
                high.Add(upper);
                low.Add(new(upper.X, double.IsFinite(lower.Y) ? lower.Y : y.From));
            }
            else if (high.Count > 0)
            {
                low.Reverse();
                yield return [.. high, .. low];
                (low, high) = ([], []);
            }
        }

        Place At(ChartPoint point) => new(x.Px(point.X), y.Px(point.Y));
    }
}
