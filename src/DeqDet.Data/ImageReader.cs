using DeqDet.Images;

namespace DeqDet.Data;

/// <summary>A file that was to be read: its picture, or why there is none.</summary>
/// <param name="File">The path.</param>
/// <param name="Image">The picture; null where it could not be read.</param>
/// <param name="Refusal">Why it could not.</param>
public sealed record ReadImage(string File, RgbImage? Image, InputError? Refusal);

/// <summary>Reads image files some at a time, and the next ones while those are used.</summary>
public static class ImageReader
{
    // Beside one group another one waits: with three bytes a pixel, together 200 MB.
    private const long MostPixels = 32L << 20;

    /// <summary>
    /// All files in their order, in groups of at most so many, fewer where the pictures are large. A file that cannot be read is a member of its
    /// group like any other. For one thread.
    /// </summary>
    public static IEnumerable<IReadOnlyList<ReadImage>> Groups(IReadOnlyList<string> files, int most)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(most, 1);
        return Read(files, most);
    }

    private static IEnumerable<IReadOnlyList<ReadImage>> Read(IReadOnlyList<string> files, int most)
    {
        var done = 0;
        var next = Task.Run(() => Group(files, 0, most));
        while (done < files.Count)
        {
            var group = next.GetAwaiter().GetResult();
            var first = done += group.Count;
            next = Task.Run(() => Group(files, first, most));
            yield return group;
        }
    }

    private static List<ReadImage> Group(IReadOnlyList<string> files, int first, int most)
    {
        var group = new List<ReadImage>();
        for (var pixels = 0L; group.Count < most && first + group.Count < files.Count && pixels < MostPixels; )
        {
            var read = Load(files[first + group.Count]);
            group.Add(read);
            pixels += (long)(read.Image?.Width ?? 0) * (read.Image?.Height ?? 0);
        }

        return group;
    }

    private static ReadImage Load(string file)
    {
        try
        {
            return new(file, ImageFile.Load(file), null);
        }
        catch (InputError error)
        {
            return new(file, null, error);
        }
    }
}
