using DeqDet.Coco;
using DeqDet.Detection;
using DeqDet.Images;
using SkiaSharp;

namespace DeqDet.Reports;

/// <summary>
/// The refinement of a picture as a moving picture: the boxes of what was kept, on their way from the first head's to those that were read out, in
/// the colours of their residuals, with the ways of their centres.
/// </summary>
public static class RefinementAnimation
{
    /// <summary>Longest side of the picture, px; larger ones are shrunk.</summary>
    public const int LongestSide = 640;

    private const int Strip = 34;
    private const float Capital = 11;
    private const int MostStates = 40;

    // Between two states the boxes go so many px a frame, in so many frames at most.
    private const float Pace = 7;
    private const int MostBetween = 7;
    private const int FrameTime = 60;
    private const int LeastTime = 130;
    private const int FirstTime = 1000;
    private const int LastTime = 2800;

    /// <summary>The bytes of an animated WebP file; null where no query was kept, so that nothing would move.</summary>
    /// <param name="image">The picture.</param>
    /// <param name="followed">Its refinement.</param>
    /// <param name="classes">The detector's classes.</param>
    /// <exception cref="InputError">The library that encodes it cannot be loaded.</exception>
    public static byte[]? Of(RgbImage image, FollowedImage followed, IReadOnlyList<ObjectClass> classes)
    {
        // the surest on top
        var queries = followed.Queries.Where(query => query.IsKept).Reverse().ToList();
        if (queries.Count == 0)
        {
            return null;
        }

        var longest = Math.Max(image.Width, image.Height);
        var scale =
            longest >= Picture.LeastSide
                ? Math.Min(1, LongestSide / (float)longest)
                : (Picture.LeastSide + longest - 1) / longest;
        var (width, height) = (Side(image.Width * scale), Side(image.Height * scale));
        var info = new SKImageInfo(image.Width, image.Height, SKColorType.Rgba8888, SKAlphaType.Opaque);
        using var ground = SKImage.FromPixelCopy(info, Drawing.WithAlpha(image.Pixels));
        var times = Times(followed.States, queries, scale).ToList();
        return AnimatedPicture.Encode(
            [.. times.Select(at => Frame(ground, width, height, scale, followed, queries, classes, at.Time))],
            [.. times.Select(at => at.Milliseconds)]
        );
    }

    private static int Side(float length) => Math.Max(1, (int)MathF.Round(length));

    /// <summary>When frames are drawn, in states from 0, and how long each is shown: more of them where boxes go far.</summary>
    private static IEnumerable<(double Time, int Milliseconds)> Times(
        int states,
        IReadOnlyList<FollowedQuery> queries,
        float scale
    )
    {
        var shown = Math.Min(states, MostStates);
        var last = states - 1;
        // the first ones matter most; of very many the later ones are spread
        var stops = Enumerable
            .Range(0, shown)
            .Select(i =>
                states <= MostStates || i < MostStates / 2
                    ? i
                    : MostStates / 2
                        + (int)((long)(i - MostStates / 2) * (last - MostStates / 2) / (shown - 1 - MostStates / 2))
            )
            .ToList();
        yield return (0, shown == 1 ? LastTime : FirstTime);
        foreach (var (from, to) in stops.Zip(stops.Skip(1)))
        {
            var way = queries.Max(query => Way(query.Moments[from].Box, query.Moments[to].Box)) * scale;
            var between = float.IsFinite(way) ? Math.Clamp((int)MathF.Ceiling(way / Pace), 1, MostBetween) : 1;
            for (var i = 1; i <= between; i++)
            {
                var share = i / (double)between;
                var time = from + (to - from) * share * share * (3 - 2 * share);
                yield return (
                    i == between ? to : time,
                    i < between ? FrameTime
                    : to == last ? LastTime
                    : Math.Max(FrameTime, LeastTime - FrameTime * (between - 1))
                );
            }
        }
    }

    private static float Way(Box a, Box b) =>
        Math.Max(
            Math.Max(Math.Abs(a.X1 - b.X1), Math.Abs(a.X2 - b.X2)),
            Math.Max(Math.Abs(a.Y1 - b.Y1), Math.Abs(a.Y2 - b.Y2))
        );

    private static RgbImage Frame(
        SKImage ground,
        int width,
        int height,
        float scale,
        FollowedImage followed,
        IReadOnlyList<FollowedQuery> queries,
        IReadOnlyList<ObjectClass> classes,
        double time
    )
    {
        using var drawing = new Drawing(width, height + Strip, Palette.Ground);
        var canvas = drawing.Canvas;
        var sampling =
            scale > 1
                ? new SKSamplingOptions(SKCubicResampler.CatmullRom)
                : new SKSamplingOptions(SKFilterMode.Linear, SKMipmapMode.Linear);
        canvas.DrawImage(ground, SKRect.Create(width, height), sampling);
        canvas.Save();
        canvas.ClipRect(SKRect.Create(width, height));
        foreach (var query in queries)
        {
            DrawWay(canvas, query, time, scale);
        }

        var state = (int)Math.Round(time);
        new BoxPainter(canvas, width, height).Paint([
            .. queries
                .Select(query => (Box: At(query, time), Moment: query.Moments[state]))
                .Where(at => IsFinite(at.Box))
                .Select(at => new DrawnBox(
                    at.Box.Scaled(scale, scale),
                    at.Moment.Label,
                    classes[at.Moment.Label].Name,
                    at.Moment.Score,
                    Colour: ResidualColour.Of(at.Moment.Residual)
                )),
        ]);
        canvas.Restore();
        DrawStrip(canvas, width, height, Heading(followed, state), time / Math.Max(1, followed.States - 1));
        return drawing.Finish();
    }

    private static string Heading(FollowedImage followed, int state) =>
        followed.HasEquilibrium
            ? state == 0
                ? "init head"
                : $"refinement step {state} of {followed.States - 1}"
            : $"stage {state + 1} of {followed.States}";

    private static void DrawWay(SKCanvas canvas, FollowedQuery query, double time, float scale)
    {
        using var paint = new SKPaint
        {
            Style = SKPaintStyle.Stroke,
            IsAntialias = true,
            StrokeWidth = 2,
            StrokeCap = SKStrokeCap.Round,
        };
        for (var from = 0; from < time; from++)
        {
            var (a, b) = (Centre(At(query, from)), Centre(At(query, Math.Min(time, from + 1))));
            if (float.IsFinite(a.X + a.Y + b.X + b.Y))
            {
                paint.Color = ResidualColour.Of(query.Moments[from + 1].Residual);
                canvas.DrawLine(a, b, paint);
            }
        }

        SKPoint Centre(Box box) => new((box.X1 + box.X2) / 2 * scale, (box.Y1 + box.Y2) / 2 * scale);
    }

    private static void DrawStrip(SKCanvas canvas, int width, int height, string heading, double done)
    {
        using var paint = new SKPaint { IsAntialias = true, Color = new(0x2E, 0x36, 0x41) };
        canvas.DrawRect(0, height, width, 3, paint);
        paint.Color = Palette.Heading;
        canvas.DrawRect(0, height, (float)(width * done), 3, paint);
        var top = height + 3 + (Strip - 3 - Capital) / 2;
        TextFont.Draw(canvas, heading, 12, top, Capital, Palette.Heading);

        const float bar = 96;
        const string moving = "moving";
        const string settled = "settled";
        var right = width - 12 - TextFont.Measure(settled, Capital);
        var left = right - 8 - bar - 8 - TextFont.Measure(moving, Capital);
        if (left < 12 + TextFont.Measure(heading, Capital) + 16)
        {
            return;
        }

        TextFont.Draw(canvas, moving, left, top, Capital, Palette.Heading);
        TextFont.Draw(canvas, settled, right, top, Capital, Palette.Heading);
        var start = right - 8 - bar;
        for (var i = 0; i < bar; i++)
        {
            paint.Color = ResidualColour.Of(ResidualColour.At(i / (bar - 1)));
            canvas.DrawRect(start + i, top, 1, Capital, paint);
        }
    }

    // Where the query's box is between two states.
    private static Box At(FollowedQuery query, double time)
    {
        var from = (int)Math.Min(Math.Floor(time), query.Moments.Length - 1);
        var to = Math.Min(from + 1, query.Moments.Length - 1);
        var share = (float)(time - from);
        var (a, b) = (query.Moments[from].Box, query.Moments[to].Box);
        return new(
            float.Lerp(a.X1, b.X1, share),
            float.Lerp(a.Y1, b.Y1, share),
            float.Lerp(a.X2, b.X2, share),
            float.Lerp(a.Y2, b.Y2, share)
        );
    }

    private static bool IsFinite(Box box) => float.IsFinite(box.X1 + box.Y1 + box.X2 + box.Y2);
}
