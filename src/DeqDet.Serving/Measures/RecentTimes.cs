namespace DeqDet.Serving.Measures;

/// <summary>The last so many times, in milliseconds. For one thread at a time.</summary>
internal sealed class RecentTimes(int most)
{
    private readonly double[] times = new double[most];
    private long count;

    /// <summary>Adds one; the oldest goes where there are too many.</summary>
    public void Add(TimeSpan time) => times[count++ % most] = time.TotalMilliseconds;

    /// <summary>Their order statistics; null where there are none.</summary>
    public Percentiles? Percentiles()
    {
        if (count == 0)
        {
            return null;
        }

        var sorted = times[..(int)Math.Min(count, most)];
        Array.Sort(sorted);
        return new(
            Quantile.ofSorted(0.5, sorted),
            Quantile.ofSorted(0.9, sorted),
            Quantile.ofSorted(0.99, sorted),
            sorted[^1]
        );
    }
}

/// <summary>How long things took, in milliseconds: half, nine in ten and 99 in a hundred took at most this long, and the longest.</summary>
internal sealed record Percentiles(double Half, double Ninety, double NinetyNine, double Longest);
