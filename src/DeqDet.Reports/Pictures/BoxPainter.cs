using DeqDet.Coco;
using DeqDet.Images;
using SkiaSharp;

namespace DeqDet.Reports;

/// <summary>
/// Draws boxes with their captions: a line in the class's colour between thin dark contours, which reads on any ground, and the caption
/// on a chip of that colour, at the corner of its box that leaves other chips readable.
/// </summary>
internal sealed class BoxPainter(SKCanvas canvas, int width, int height)
{
    private static readonly SKColor contour = new(0, 0, 0, 150);

    // A line of 2 px and capitals of 10 px on pictures of up to about 900 px; proportionally more on larger ones.
    private readonly int line = Math.Max(2, (int)Math.Round(Math.Max(width, height) / 450.0));
    private readonly float capital = Math.Max(10, MathF.Round(Math.Max(width, height) / 90f));

    /// <summary>Draws boxes in canvas pixels: earlier ones below later ones, all chips above all boxes.</summary>
    public void Paint(IReadOnlyList<DrawnBox> boxes)
    {
        foreach (var box in boxes)
        {
            Frame(Snapped(box.Box), box.Ink, box.Dashed);
        }
        var taken = new List<SKRect>();
        // The last box matters most, so its chip has the first choice of place.
        var chips = boxes.Reverse().Where(box => box.Caption != "").Select(box => (box, Place(box, taken))).ToList();
        foreach (var (box, place) in Enumerable.Reverse(chips))
        {
            Chip(place, box);
        }
    }

    // Whole pixels make crisp lines; what lies outside is drawn at the margin.
    private SKRect Snapped(Box box)
    {
        var inside = box.Clipped(width, height);
        var (left, top) = (MathF.Round(inside.X1), MathF.Round(inside.Y1));
        return new(
            Math.Min(left, width - line),
            Math.Min(top, height - line),
            Math.Max(MathF.Round(inside.X2), left + line),
            Math.Max(MathF.Round(inside.Y2), top + line)
        );
    }

    private void Frame(SKRect box, SKColor colour, bool dashed)
    {
        // The middle of a line that lies within the box.
        var middle = SKRect.Inflate(box, -line / 2f, -line / 2f);
        using var paint = new SKPaint
        {
            Style = SKPaintStyle.Stroke,
            IsAntialias = true,
            Color = contour,
            StrokeWidth = line + 2,
        };
        canvas.DrawRoundRect(middle, line, line, paint);
        paint.Color = colour;
        paint.StrokeWidth = line;
        using var dashes = dashed ? SKPathEffect.CreateDash([line * 4f, line * 3f], 0) : null;
        paint.PathEffect = dashes;
        canvas.DrawRoundRect(middle, line, line, paint);
    }

    private SKRect Place(DrawnBox drawn, List<SKRect> taken)
    {
        var box = Snapped(drawn.Box);
        var (w, h) = (MathF.Ceiling(TextFont.Measure(drawn.Caption, capital) + 2 * Padding), ChipHeight);
        (float X, float Y)[] corners =
        [
            (box.Left, box.Top - h),
            (box.Right - w, box.Top - h),
            (box.Left, box.Top),
            (box.Right - w, box.Top),
            (box.Left, box.Bottom),
            (box.Right - w, box.Bottom),
            (box.Left, box.Bottom - h),
            (box.Right - w, box.Bottom - h),
        ];
        // A place that had to be pushed into the picture is as bad as one that hides a tenth of another chip.
        var best = corners
            .Select(corner => (Wanted: corner, Place: Inside(corner.X, corner.Y, w, h)))
            .MinBy(at =>
                taken.Sum(other => Shared(other, at.Place)) / (w * h)
                + (Math.Abs(at.Place.Left - at.Wanted.X) + Math.Abs(at.Place.Top - at.Wanted.Y) > 0.5f ? 0.1f : 0)
            )
            .Place;
        taken.Add(best);
        return best;
    }

    private float Padding => MathF.Round(capital * 0.4f);

    private float ChipHeight => MathF.Round(capital * 1.8f);

    private SKRect Inside(float x, float y, float w, float h) =>
        SKRect.Create(Math.Max(0, Math.Min(x, width - w)), Math.Max(0, Math.Min(y, height - h)), w, h);

    private static float Shared(SKRect a, SKRect b) =>
        Math.Max(0, Math.Min(a.Right, b.Right) - Math.Max(a.Left, b.Left))
        * Math.Max(0, Math.Min(a.Bottom, b.Bottom) - Math.Max(a.Top, b.Top));

    private void Chip(SKRect place, DrawnBox box)
    {
        var colour = box.Ink;
        using var paint = new SKPaint { IsAntialias = true, Color = contour };
        var radius = capital * 0.25f;
        canvas.DrawRoundRect(SKRect.Inflate(place, 1, 1), radius + 1, radius + 1, paint);
        paint.Color = colour;
        canvas.DrawRoundRect(place, radius, radius, paint);
        var y = place.Top + MathF.Round((place.Height - capital) / 2);
        TextFont.Draw(canvas, box.Caption, place.Left + Padding, y, capital, Palette.TextOn(colour));
    }
}
