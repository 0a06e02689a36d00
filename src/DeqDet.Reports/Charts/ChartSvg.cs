using System.Globalization;
using System.Net;
using System.Text;

namespace DeqDet.Reports.Charts;

/// <summary>Draws a chart as SVG, to stand within a page that has <see cref="Style"/>.</summary>
public static class ChartSvg
{
    /// <summary>
    /// Style rules for the inks: light, and dark where the reader's system is dark. The classes are those of <see cref="Write"/>.
    /// </summary>
    public static string Style()
    {
        var text = new StringBuilder();
        text.Append(":root{").Append(Variables(onDark: false)).Append("}\n");
        text.Append("@media (prefers-color-scheme:dark){:root{").Append(Variables(onDark: true)).Append("}}\n");
        text.Append(
            ".chart{width:100%;height:auto;font-family:system-ui,sans-serif;font-variant-numeric:tabular-nums}\n"
        );
        foreach (var (ink, name) in Inks())
        {
            text.Append($".chart .s{name}{{stroke:var(--ink-{name});fill:none}}\n");
            text.Append($".chart .f{name}{{fill:var(--ink-{name});stroke:none}}\n");
        }

        return text.ToString();
    }

    /// <summary>The svg element of a chart; all text is escaped.</summary>
    public static string Write(ChartLayout layout, string description)
    {
        var svg = new StringBuilder();
        svg.Append(
            CultureInfo.InvariantCulture,
            $"<svg class=\"chart\" viewBox=\"0 0 {layout.Width} {layout.Height}\" role=\"img\" aria-label=\"{Escaped(description)}\">\n"
        );
        Draw(svg, layout.Behind);
        var plot = layout.Plot;
        var box = $"{Number(plot.Left)} {Number(plot.Top)} {Number(plot.Width)} {Number(plot.Height)}";
        // an svg within an svg cuts off what leaves it, without ids that would have to differ between the charts of a page
        svg.Append(
            $"<svg x=\"{Number(plot.Left)}\" y=\"{Number(plot.Top)}\" width=\"{Number(plot.Width)}\" height=\"{Number(plot.Height)}\" viewBox=\"{box}\">\n"
        );
        Draw(svg, layout.Inside);
        svg.Append("</svg>\n");
        Draw(svg, layout.Around);
        return svg.Append("</svg>\n").ToString();
    }

    private static void Draw(StringBuilder svg, IEnumerable<Shape> shapes)
    {
        foreach (var shape in shapes)
        {
            svg.Append(
                shape switch
                {
                    StrokeShape stroke => Stroke(stroke),
                    AreaShape area =>
                        $"<path class=\"f{Name(area.Ink)}\" opacity=\"{Number(area.Opacity)}\" d=\"{Path(area.Places)}Z\"/>\n",
                    DotShape dot =>
                        $"<circle class=\"f{Name(dot.Ink)}\" cx=\"{Number(dot.Centre.X)}\" cy=\"{Number(dot.Centre.Y)}\" r=\"{Number(dot.Radius)}\"/>\n",
                    TextShape text => Text(text),
                    _ => throw new ArgumentException($"no way to draw {shape.GetType().Name}"),
                }
            );
        }
    }

    private static string Stroke(StrokeShape stroke)
    {
        var dashes = stroke.Dashed ? " stroke-dasharray=\"6 4\"" : "";
        var opacity = stroke.Opacity < 1 ? $" opacity=\"{Number(stroke.Opacity)}\"" : "";
        return $"<path class=\"s{Name(stroke.Ink)}\" stroke-width=\"{Number(stroke.Width)}\" stroke-linejoin=\"round\"{dashes}{opacity} d=\"{Path(stroke.Places)}\"/>\n";
    }

    private static string Text(TextShape text)
    {
        var (x, y) = (Number(text.At.X), Number(text.At.Y));
        var anchor = text.Anchor switch
        {
            TextAnchor.Start => "start",
            TextAnchor.Middle => "middle",
            _ => "end",
        };
        var weight = text.Strong ? " font-weight=\"600\"" : "";
        var turned = text.Turned ? $" transform=\"rotate(-90 {x} {y})\"" : "";
        var raised =
            text.Raised == ""
                ? ""
                : $"<tspan dy=\"{Number(-ChartText.Raise * text.Size)}\" font-size=\"{Number(ChartText.RaisedSize * text.Size)}\">{Escaped(text.Raised)}</tspan>";
        return $"<text class=\"f{Name(text.Ink)}\" x=\"{x}\" y=\"{y}\" font-size=\"{Number(text.Size)}\" text-anchor=\"{anchor}\"{weight}{turned}>{Escaped(text.Text)}{raised}</text>\n";
    }

    private static string Path(IReadOnlyList<Place> places)
    {
        var path = new StringBuilder();
        for (var i = 0; i < places.Count; i++)
        {
            path.Append(i == 0 ? 'M' : 'L').Append(Number(places[i].X)).Append(' ').Append(Number(places[i].Y));
        }

        return path.ToString();
    }

    private static IEnumerable<(Ink Ink, string Name)> Inks() =>
        new[] { InkRole.Text, InkRole.Faint, InkRole.Grid, InkRole.Frame }
            .Select(role => new Ink(role))
            .Concat(Enumerable.Range(0, ChartColours.Count).Select(colour => new Ink(InkRole.Mark, colour)))
            .Select(ink => (ink, Name(ink)));

    private static string Variables(bool onDark) =>
        $"--ground:{Hex(ChartColours.Ground(onDark))};"
        + string.Concat(Inks().Select(ink => $"--ink-{ink.Name}:{Hex(ChartColours.Of(ink.Ink, onDark))};"));

    private static string Hex(uint colour) => $"#{colour:x6}";

    private static string Name(Ink ink) =>
        ink.Role == InkRole.Mark
            ? $"{((ink.Colour % ChartColours.Count) + ChartColours.Count) % ChartColours.Count}"
            : ink.Role.ToString().ToLowerInvariant();

    private static string Number(double value) => value.ToString("0.##", CultureInfo.InvariantCulture);

    private static string Escaped(string text) => WebUtility.HtmlEncode(text);
}
