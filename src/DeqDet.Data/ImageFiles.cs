using DeqDet.Images;
using DeqDet.Settings;

namespace DeqDet.Data;

/// <summary>Images that a user names one by one, outside any data set.</summary>
public static class ImageFiles
{
    private static readonly string[] endings = [".jpg", ".jpeg", ".png", ".bmp", ".webp", ".gif"];

    /// <summary>Every image below a folder, in ordinal order; single files as they are named; none twice.</summary>
    /// <exception cref="InputError">A place is not there, or a folder holds no images.</exception>
    public static IReadOnlyList<string> Find(IReadOnlyList<string> places)
    {
        var files = new List<string>();
        foreach (var place in places)
        {
            if (Directory.Exists(place))
            {
                var images = Directory
                    .EnumerateFiles(place, "*", SearchOption.AllDirectories)
                    .Where(file => endings.Contains(Path.GetExtension(file), StringComparer.OrdinalIgnoreCase))
                    .Order(StringComparer.Ordinal)
                    .ToList();
                if (images.Count == 0)
                {
                    throw new InputError($"{place}: no images in this folder ({string.Join(", ", endings)})");
                }

                files.AddRange(images);
            }
            else if (File.Exists(place))
            {
                files.Add(place);
            }
            else
            {
                throw new InputError($"{place}: no such image or folder");
            }
        }

        return [.. files.Distinct(StringComparer.Ordinal)];
    }

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
