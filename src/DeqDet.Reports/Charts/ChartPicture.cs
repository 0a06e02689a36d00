using DeqDet.Images;
using SkiaSharp;

namespace DeqDet.Reports.Charts;

/// <summary>Draws a chart as a picture on light ground, with the project's own font: a machine without fonts draws the same pixels.</summary>
public static class ChartPicture
{
    /// <summary>The picture of a chart, so many px for each of the layout's.</summary>
    public static Picture Draw(ChartLayout layout, int times = 2)
    {
        using var drawing = new Drawing(
            layout.Width * times,
            layout.Height * times,
            new SKColor(0xFF000000 | ChartColours.Ground(onDark: false))
        );
        var canvas = drawing.Canvas;
        canvas.Scale(times);
        Draw(canvas, layout.Behind);
        canvas.Save();
        var plot = layout.Plot;
        canvas.ClipRect(SKRect.Create((float)plot.Left, (float)plot.Top, (float)plot.Width, (float)plot.Height));
        Draw(canvas, layout.Inside);
        canvas.Restore();
        Draw(canvas, layout.Around);
        return new(drawing.Finish());
    }

    private static void Draw(SKCanvas canvas, IEnumerable<Shape> shapes)
    {
        foreach (var shape in shapes)
        {
            using var paint = new SKPaint { IsAntialias = true, Color = ChartColours.Skia(shape.Ink) };
            switch (shape)
            {
                case StrokeShape stroke:
                    Stroke(canvas, paint, stroke);
                    break;
                case AreaShape area:
                    paint.Color = paint.Color.WithAlpha(Alpha(area.Opacity));
                    using (var path = PathOf(area.Places, closed: true))
                    {
                        canvas.DrawPath(path, paint);
                    }

                    break;
                case DotShape dot:
                    canvas.DrawCircle((float)dot.Centre.X, (float)dot.Centre.Y, (float)dot.Radius, paint);
                    break;
                case TextShape text:
                    Text(canvas, text);
                    break;
                default:
                    throw new ArgumentException($"no way to draw {shape.GetType().Name}");
            }
        }
    }

    private static void Stroke(SKCanvas canvas, SKPaint paint, StrokeShape stroke)
    {
        paint.Style = SKPaintStyle.Stroke;
        paint.StrokeWidth = (float)stroke.Width;
        paint.StrokeJoin = SKStrokeJoin.Round;
        paint.Color = paint.Color.WithAlpha(Alpha(stroke.Opacity));
        using var dashes = stroke.Dashed ? SKPathEffect.CreateDash([6, 4], 0) : null;
        paint.PathEffect = dashes;
        using var path = PathOf(stroke.Places, closed: false);
        canvas.DrawPath(path, paint);
    }

    private static void Text(SKCanvas canvas, TextShape text)
    {
        var width = ChartText.Width(text.Text, text.Raised, text.Size);
        var left = text.Anchor switch
        {
            TextAnchor.Start => 0,
            TextAnchor.Middle => -width / 2,
            _ => -width,
        };
        var colour = ChartColours.Skia(text.Ink);
        var capital = (float)text.Size * ChartText.Capital;
        canvas.Save();
        canvas.Translate((float)text.At.X, (float)text.At.Y);
        if (text.Turned)
        {
            canvas.RotateDegrees(-90);
        }

        TextFont.Draw(canvas, text.Text, (float)left, -capital, capital, colour);
        if (text.Strong)
        {
            // the font has one weight; drawn twice, a little apart, it is a bolder one
            TextFont.Draw(canvas, text.Text, (float)left + 0.6f, -capital, capital, colour);
        }

        if (text.Raised != "")
        {
            var small = (float)ChartText.RaisedSize * capital;
            var at = (float)left + TextFont.Measure(text.Text, capital) + 1;
            TextFont.Draw(canvas, text.Raised, at, -small - (float)(ChartText.Raise * text.Size), small, colour);
        }

        canvas.Restore();
    }

    private static SKPath PathOf(IReadOnlyList<Place> places, bool closed)
    {
        var path = new SKPath();
        path.AddPoly([.. places.Select(place => new SKPoint((float)place.X, (float)place.Y))], closed);
        return path;
    }

    private static byte Alpha(double opacity) => (byte)Math.Round(255 * Math.Clamp(opacity, 0, 1));
}
