namespace DeqDet.Reports.Pages;

/// <summary>How many pictures, and how large ones, have room on a page: some 30 MB.</summary>
public static class PageRoom
{
    // Longest sides of pictures, px, by the number of images up to which they are used.
    private static readonly (int Images, int Side)[] sides = [(500, 720), (1000, 512), (2000, 384)];
    private const int LeastSide = 256;

    /// <summary>Longest side of each of so many pictures, px.</summary>
    public static int Side(int images) =>
        sides.FirstOrDefault(entry => images <= entry.Images, (Images: 0, Side: LeastSide)).Side;

    /// <summary>So many of a list's entries, in order and evenly spread over it; no more than it has.</summary>
    public static IEnumerable<T> Spread<T>(IReadOnlyList<T> entries, int count) =>
        Enumerable.Range(0, count).Select(i => entries[(int)((long)i * entries.Count / count)]);
}
