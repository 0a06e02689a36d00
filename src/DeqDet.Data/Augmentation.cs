using DeqDet.Images;
using DeqDet.Settings;

namespace DeqDet.Data;

/// <summary>
/// What was drawn for one training picture; with it, augmentation is a function. Order: resize and crop (if any), resize, zoom, flips, colours;
/// a mosaic takes the place of crop and zoom. (The reference's long schedules flip first, which gives the same distribution.)
/// </summary>
/// <param name="Flip">Whether left and right are exchanged.</param>
/// <param name="Size">The usual size.</param>
/// <param name="Crop">The crop before that, if any.</param>
public sealed record Augmentation(bool Flip, ResizeLimit Size, CropDraw? Crop)
{
    /// <summary>Whether top and bottom are exchanged.</summary>
    public bool FlipVertical { get; init; }

    /// <summary>The zoom after the usual size, if any.</summary>
    public ZoomDraw? Zoom { get; init; }

    /// <summary>The mosaic, if any.</summary>
    public MosaicDraw? Mosaic { get; init; }

    /// <summary>The change of colours, if any.</summary>
    public ColourMatrix? Colours { get; init; }

    /// <summary>Draws for one picture. The same generator state gives the same draws, whatever the picture.</summary>
    public static Augmentation Draw(AugmentSettings settings, ResizeSettings resize, SplitMix64 random)
    {
        var flip = random.Chance(settings.Flip);
        var size = new ResizeLimit(random.Pick(settings.ShortSides), resize.LongMax);
        CropDraw? crop = null;
        if (settings.Crop?.Value is { } choice && random.Chance(choice.Probability))
        {
            crop = new(
                new(random.Pick(choice.ShortSides), resize.LongMax),
                choice.MinSize,
                choice.MaxSize,
                (random.Unit(), random.Unit()),
                (random.Unit(), random.Unit())
            );
        }

        return new(flip, size, crop)
        {
            FlipVertical = settings.FlipVertical > 0 && random.Chance(settings.FlipVertical),
            Zoom = settings.Scale?.Value is { } scale
                ? new(random.Between(scale.Min, scale.Max), (random.Unit(), random.Unit()))
                : null,
            Mosaic =
                settings.Mosaic?.Value is { } mosaic && random.Chance(mosaic.Probability)
                    ? MosaicDraw.Draw(mosaic, settings.Flip, random)
                    : null,
            Colours = settings.Colour?.Value is { } colour
                ? ColourMatrix.Of(
                    Around(colour.Brightness),
                    Around(colour.Contrast),
                    Around(colour.Saturation),
                    random.Between(-colour.Hue, colour.Hue)
                )
                : null,
        };

        double Around(double spread) => random.Between(1 - spread, 1 + spread);
    }

    /// <summary>Size of the varied picture for one of the given size, px: what <see cref="Apply"/> comes to, without any pixels.</summary>
    public (int Width, int Height) SizeOf(int width, int height)
    {
        if (Mosaic is not null)
        {
            return Size.Of(width, height);
        }

        if (Crop is { } crop)
        {
            (width, height) = crop.Before.Of(width, height);
            (_, _, width, height) = crop.Of(width, height);
        }

        var (usualWidth, usualHeight) = Size.Of(width, height);
        var (zoomedWidth, zoomedHeight) = Example.ZoomedSize((usualWidth, usualHeight), Zoom?.Factor ?? 1);
        return (Math.Min(usualWidth, zoomedWidth), Math.Min(usualHeight, zoomedHeight));
    }

    /// <summary>The varied example.</summary>
    /// <param name="example">The picture as its file has it.</param>
    /// <param name="others">The pictures that a mosaic puts beside it; nothing without a mosaic.</param>
    /// <param name="background">Colour of what no picture of a mosaic covers.</param>
    public Example Apply(
        Example example,
        IReadOnlyList<Example> others,
        (byte Red, byte Green, byte Blue) background = default
    )
    {
        example = Mosaic is { } mosaic
            ? mosaic.Apply([example, .. others], Size, background)
            : Placed(Crop?.Apply(example) ?? example);
        example = Flip ? example.Flipped() : example;
        example = FlipVertical ? example.FlippedVertically() : example;
        return Colours is { } colours ? example with { View = new(colours.Apply(example.View.Render())) } : example;
    }

    private Example Placed(Example example)
    {
        if (Zoom is not { } zoom)
        {
            return example.Resized(Size);
        }

        var (width, height) = Size.Of(example.View.Width, example.View.Height);
        return example.Zoomed(Size, zoom.Factor).Window(width, height, zoom.Place);
    }
}

/// <summary>A drawn zoom: the factor on the usual size, and uniform numbers in [0, 1) for the window that is kept of a larger picture (x, y).</summary>
public sealed record ZoomDraw(double Factor, (double X, double Y) Place);

/// <summary>
/// A drawn crop: the size before it, the range of its sides, and uniform numbers in [0, 1) for its sides and its place (x, y each).
/// A side is uniform among the integers from min(side, MinSide) to min(side, MaxSide), its place among those where it fits.
/// </summary>
public sealed record CropDraw(
    ResizeLimit Before,
    int MinSide,
    int MaxSide,
    (double X, double Y) Sides,
    (double X, double Y) Place
)
{
    /// <summary>The cropped example; it may have lost all its boxes.</summary>
    public Example Apply(Example example)
    {
        example = example.Resized(Before);
        var (left, top, width, height) = Of(example.View.Width, example.View.Height);
        return example.Cropped(left, top, width, height);
    }

    /// <summary>The rectangle that is cut out of a picture of the given size, px.</summary>
    public (int Left, int Top, int Width, int Height) Of(int width, int height)
    {
        var (wide, high) = (Side(width, Sides.X), Side(height, Sides.Y));
        return ((int)(Place.X * (width - wide + 1)), (int)(Place.Y * (height - high + 1)), wide, high);
    }

    private int Side(int full, double uniform)
    {
        var (low, high) = (Math.Min(full, MinSide), Math.Min(full, MaxSide));
        return low + (int)(uniform * (high - low + 1));
    }
}
