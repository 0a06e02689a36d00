using DeqDet.Reports.Charts;

namespace DeqDet.Reports.Training;

/// <summary>Long curves with fewer points.</summary>
public static class Thinned
{
    /// <summary>
    /// A curve of at most so many points, all of them points of the curve. The first and the last stay; those between are divided into
    /// runs of equal length, of each of which the lowest and the highest stay, so that no peak is lost. Points that are not finite count
    /// for nothing, except that a run of them alone leaves one: a gap.
    /// </summary>
    /// <param name="points">In the order of the curve.</param>
    /// <param name="most">Points that may stay, 4 or more.</param>
    public static IReadOnlyList<ChartPoint> Of(IReadOnlyList<ChartPoint> points, int most)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(most, 4);
        if (points.Count <= most)
        {
            return points;
        }

        var (runs, inner) = ((most - 2) / 2, points.Count - 2);
        var kept = new List<ChartPoint> { points[0] };
        for (var run = 0; run < runs; run++)
        {
            var first = 1 + (int)((long)inner * run / runs);
            var end = 1 + (int)((long)inner * (run + 1) / runs);
            var (low, high) = (first, first);
            foreach (var i in Enumerable.Range(first, end - first).Where(i => double.IsFinite(points[i].Y)))
            {
                low = points[i].Y < points[low].Y || !double.IsFinite(points[low].Y) ? i : low;
                high = points[i].Y > points[high].Y || !double.IsFinite(points[high].Y) ? i : high;
            }

            kept.Add(points[Math.Min(low, high)]);
            if (low != high)
            {
                kept.Add(points[Math.Max(low, high)]);
            }
        }

        kept.Add(points[^1]);
        return kept;
    }

    /// <summary>Every so many of a list's entries, so that at most so many stay; the first and the last stay.</summary>
    /// <param name="entries">The entries.</param>
    /// <param name="most">Entries that may stay, 2 or more.</param>
    public static IReadOnlyList<T> Evenly<T>(IReadOnlyList<T> entries, int most)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(most, 2);
        return entries.Count <= most
            ? entries
            :
            [
                .. Enumerable
                    .Range(0, most)
                    .Select(i => entries[(int)Math.Round((double)i * (entries.Count - 1) / (most - 1))]),
            ];
    }
}
