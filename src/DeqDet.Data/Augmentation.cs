using DeqDet.Images;
using DeqDet.Settings;

namespace DeqDet.Data;

/// <summary>
/// What was drawn for one training picture; with it, augmentation is a function. Order: resize and crop (if any), resize, flip.
/// (The reference's long schedules flip first, which gives the same distribution.)
/// </summary>
/// <param name="Flip">Whether left and right are exchanged.</param>
/// <param name="Size">The final size.</param>
/// <param name="Crop">The crop before that, if any.</param>
public sealed record Augmentation(bool Flip, ResizeLimit Size, CropDraw? Crop)
{
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

        return new(flip, size, crop);
    }

    /// <summary>Size of the varied picture for one of the given size, px: what <see cref="Apply"/> comes to, without any pixels.</summary>
    public (int Width, int Height) SizeOf(int width, int height)
    {
        if (Crop is { } crop)
        {
            (width, height) = crop.Before.Of(width, height);
            (_, _, width, height) = crop.Of(width, height);
        }

        return Size.Of(width, height);
    }

    /// <summary>The varied example.</summary>
    public Example Apply(Example example)
    {
        example = (Crop?.Apply(example) ?? example).Resized(Size);
        return Flip ? example.Flipped() : example;
    }
}

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
