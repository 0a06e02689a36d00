namespace DeqDet.Reports.Charts;

/// <summary>A chart whose parts have their places.</summary>
/// <param name="Width">Width, px.</param>
/// <param name="Height">Height, px.</param>
/// <param name="Plot">The area between the axes; what is inside is cut off at its edges.</param>
/// <param name="Behind">Grid and axes.</param>
/// <param name="Inside">Marks.</param>
/// <param name="Around">Titles, labels and legend.</param>
public sealed record ChartLayout(
    int Width,
    int Height,
    Frame Plot,
    IReadOnlyList<Shape> Behind,
    IReadOnlyList<Shape> Inside,
    IReadOnlyList<Shape> Around
)
{
    private const double TitleSize = 15;
    private const double LabelSize = 12.5;
    private const double TickSize = 11.5;
    private const double Margin = 12;
    private const double LegendLine = 20;
    private const double Swatch = 22;

    /// <summary>Places the parts of a chart.</summary>
    /// <param name="chart">The chart.</param>
    /// <param name="width">Width of the figure, px; 240 or more.</param>
    /// <param name="height">Height of the figure, px; 180 or more.</param>
    public static ChartLayout Of(Chart chart, int width, int height)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(width, 240);
        ArgumentOutOfRangeException.ThrowIfLessThan(height, 180);
        var legend = Legend(chart, width, Margin + TitleSize + 12);
        var top = legend.Bottom + 8;
        var bottom = height - 50.0;
        // The labels at the left decide where the plot begins.
        var y = Projection.Fit(chart.Y, Points(chart).Select(point => point.Y), bottom, top);
        var yTicks = TicksOf(chart.Y, y, (int)Math.Clamp((bottom - top) / 34, 2, 9));
        var widest = yTicks.Max(tick => ChartText.Width(tick.Label, tick.Exponent, TickSize));
        // a page's font may be wider than the one that is measured
        var left = Margin + LabelSize + 17 + (1.1 * widest);
        var right = width - Margin - 6;
        var x = Projection.Fit(chart.X, Points(chart).Select(point => point.X), left, right);
        var xTicks = TicksOf(chart.X, x, (int)Math.Clamp((right - left) / 72, 2, 12));
        var plot = new Frame(left, top, right - left, bottom - top);
        return new(
            width,
            height,
            plot,
            Grid(plot, x, xTicks, y, yTicks),
            [.. chart.Marks.SelectMany(mark => MarkShapes.Of(mark, x, y, plot))],
            [
                Text(InkRole.Text, Margin, Margin + TitleSize, chart.Title, TitleSize, TextAnchor.Start) with
                {
                    Strong = true,
                },
                .. legend.Shapes,
                .. Labels(chart, plot, x, xTicks, y, yTicks),
                .. Remarks(chart, plot, x, y),
            ]
        );
    }

    private static IEnumerable<ChartPoint> Points(Chart chart) =>
        chart.Marks.SelectMany(mark =>
            mark switch
            {
                LineMark line => line.Points,
                BandMark band => band.Low.Concat(band.High),
                FanMark fan => fan.Lines.SelectMany(line => line),
                RuleMark { OfX: true } rule => [new(rule.At, double.NaN)],
                RuleMark rule => [new(double.NaN, rule.At)],
                _ => Enumerable.Empty<ChartPoint>(),
            }
        );

    private static IReadOnlyList<Tick> TicksOf(Axis axis, Projection at, int about) =>
        axis.Scale == AxisScale.Log
            ? Ticks.Log(at.Low, at.High, about)
            : Ticks.Linear(at.Low, at.High, about, axis.Whole);

    private static List<Shape> Grid(
        Frame plot,
        Projection x,
        IReadOnlyList<Tick> xTicks,
        Projection y,
        IReadOnlyList<Tick> yTicks
    )
    {
        var shapes = new List<Shape>();
        foreach (var tick in yTicks)
        {
            Line(
                new(plot.Left, y.Px(tick.At)),
                new(plot.Right, y.Px(tick.At)),
                InkRole.Grid,
                tick.Label == "" ? 0.45 : 1
            );
        }

        foreach (var tick in xTicks)
        {
            Line(
                new(x.Px(tick.At), plot.Top),
                new(x.Px(tick.At), plot.Bottom),
                InkRole.Grid,
                tick.Label == "" ? 0.45 : 1
            );
        }

        Line(new(plot.Left, plot.Top), new(plot.Left, plot.Bottom), InkRole.Frame, 1);
        Line(new(plot.Left, plot.Bottom), new(plot.Right, plot.Bottom), InkRole.Frame, 1);
        return shapes;

        void Line(Place from, Place to, InkRole ink, double width) =>
            shapes.Add(new StrokeShape(new(ink), [from, to], width, Dashed: false, Opacity: 1));
    }

    private static IEnumerable<Shape> Labels(
        Chart chart,
        Frame plot,
        Projection x,
        IReadOnlyList<Tick> xTicks,
        Projection y,
        IReadOnlyList<Tick> yTicks
    )
    {
        foreach (var tick in yTicks.Where(tick => tick.Label != ""))
        {
            yield return Text(
                InkRole.Faint,
                plot.Left - 7,
                y.Px(tick.At) + (TickSize * 0.36),
                tick.Label,
                TickSize,
                TextAnchor.End
            ) with
            {
                Raised = tick.Exponent,
            };
        }

        foreach (var tick in xTicks.Where(tick => tick.Label != ""))
        {
            yield return Text(
                InkRole.Faint,
                x.Px(tick.At),
                plot.Bottom + TickSize + 6,
                tick.Label,
                TickSize,
                TextAnchor.Middle
            ) with
            {
                Raised = tick.Exponent,
            };
        }

        var middle = plot.Left + (plot.Width / 2);
        yield return Text(InkRole.Text, middle, plot.Bottom + 39, chart.X.Title, LabelSize, TextAnchor.Middle);
        yield return Text(
            InkRole.Text,
            Margin + LabelSize,
            plot.Top + (plot.Height / 2),
            chart.Y.Title,
            LabelSize,
            TextAnchor.Middle
        ) with
        {
            Turned = true,
        };
    }

    // What is written inside the plot: names of rules, or that there is nothing.
    private static IEnumerable<Shape> Remarks(Chart chart, Frame plot, Projection x, Projection y)
    {
        var middle = new Place(plot.Left + (plot.Width / 2), plot.Top + (plot.Height / 2));
        if (!Points(chart).Any(p => Projection.HasPlace(x.Scale, p.X) && Projection.HasPlace(y.Scale, p.Y)))
        {
            yield return Text(InkRole.Faint, middle.X, middle.Y, "no numbers", LabelSize, TextAnchor.Middle);
        }

        foreach (var rule in chart.Marks.OfType<RuleMark>().Where(rule => rule.Name != ""))
        {
            var ink = Ink.Of(rule);
            if (rule.OfX && x.Px(rule.At) is var px && px >= plot.Left && px <= plot.Right)
            {
                var before = px > middle.X;
                yield return Text(
                    InkRole.Faint,
                    px + (before ? -6 : 6),
                    plot.Bottom - 8,
                    rule.Name,
                    TickSize,
                    before ? TextAnchor.End : TextAnchor.Start
                ) with
                {
                    Ink = ink,
                };
            }
            else if (!rule.OfX && y.Px(rule.At) is var py && py >= plot.Top && py <= plot.Bottom)
            {
                var above = py > plot.Top + TickSize + 8;
                yield return Text(
                    InkRole.Faint,
                    plot.Right - 4,
                    py + (above ? -5 : TickSize + 3),
                    rule.Name,
                    TickSize,
                    TextAnchor.End
                ) with
                {
                    Ink = ink,
                };
            }
        }
    }

    private static (IReadOnlyList<Shape> Shapes, double Bottom) Legend(Chart chart, int width, double top)
    {
        var shapes = new List<Shape>();
        var (x, y) = (Margin, top);
        foreach (var mark in chart.Marks.Where(mark => mark.Name != "" && mark is not RuleMark))
        {
            // a page's font may be wider than the one that is measured
            var needed = Swatch + 7 + (1.15 * ChartText.Width(mark.Name, "", LabelSize)) + 16;
            if (x > Margin && x + needed > width - Margin)
            {
                (x, y) = (Margin, y + LegendLine);
            }

            shapes.AddRange(MarkShapes.Swatch(mark, x, y + (LegendLine / 2), Swatch));
            shapes.Add(
                Text(
                    InkRole.Text,
                    x + Swatch + 7,
                    y + (LegendLine / 2) + (LabelSize * 0.36),
                    mark.Name,
                    LabelSize,
                    TextAnchor.Start
                )
            );
            x += needed;
        }

        return (shapes, shapes.Count == 0 ? top : y + LegendLine);
    }

    private static TextShape Text(InkRole ink, double x, double y, string text, double size, TextAnchor anchor) =>
        new(new(ink), new(x, y), text, size, anchor);
}
