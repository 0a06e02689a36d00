using DeqDet.Images;

namespace DeqDet.Data;

/// <summary>
/// Keeps the decoded pictures of a data set in memory, in the order of their first use, until a budget is used up; the others are decoded each time. (Epochs visit
/// every picture once in random order, so throwing out older ones would gain nothing.) Safe for many threads.
/// </summary>
/// <param name="count">Number of pictures.</param>
/// <param name="budget">Most bytes kept.</param>
/// <param name="load">Decodes the picture of an index.</param>
public sealed class ImageCache(int count, long budget, Func<int, RgbImage> load)
{
    private readonly RgbImage?[] kept = new RgbImage?[count];
    private long used;

    /// <summary>Bytes kept so far; at most the budget.</summary>
    public long Used => Interlocked.Read(ref used);

    /// <summary>The picture of an index; one that is not kept is the caller's alone.</summary>
    public RgbImage Get(int index, out bool isKept)
    {
        isKept = true;
        if (Volatile.Read(ref kept[index]) is { } known)
        {
            return known;
        }

        var image = load(index);
        if (Interlocked.Add(ref used, image.Pixels.Length) > budget)
        {
            Interlocked.Add(ref used, -image.Pixels.Length);
            isKept = false;
        }
        else if (Interlocked.CompareExchange(ref kept[index], image, null) is not null)
        {
            Interlocked.Add(ref used, -image.Pixels.Length); // another thread was faster
            isKept = false;
        }

        return image;
    }
}
