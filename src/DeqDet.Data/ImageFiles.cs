using DeqDet.Images;
using DeqDet.Settings;

namespace DeqDet.Data;

/// <summary>Images that a user names one by one, outside any data set.</summary>
public static class ImageFiles
{
    /// <summary>A batch of one image, sized and normalised as a model's settings want it.</summary>
    public static Batch Batch(RgbImage image, DataSettings settings)
    {
        var resize = settings.Resize;
        var example = new Example(image, [], []).Resized(new(resize.ShortSide, resize.LongMax));
        var about = new BatchImage(
            0,
            "",
            image.Width,
            image.Height,
            example.View.Width,
            example.View.Height,
            example.ScaleX,
            example.ScaleY,
            [],
            []
        );
        return new Normalisation(settings.Normalise).Collate([(example.View, about)]);
    }
}
