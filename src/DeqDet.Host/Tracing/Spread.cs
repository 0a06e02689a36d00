namespace DeqDet.Host.Tracing;

/// <summary>How numbers are spread. NaN and infinity do not count; NaN everywhere if nothing is left.</summary>
/// <param name="Count">Numbers that count.</param>
/// <param name="Mean">Their mean.</param>
/// <param name="Low">One tenth of them lies below.</param>
/// <param name="Median">One half.</param>
/// <param name="High">Nine tenths.</param>
public readonly record struct Spread(int Count, double Mean, double Low, double Median, double High)
{
    /// <summary>The spread of some numbers.</summary>
    public static Spread Of(IEnumerable<double> numbers)
    {
        var sorted = numbers.Where(double.IsFinite).Order().ToArray();
        return sorted.Length == 0
            ? new(0, double.NaN, double.NaN, double.NaN, double.NaN)
            : new(sorted.Length, sorted.Average(), Quantile(sorted, 0.1), Quantile(sorted, 0.5), Quantile(sorted, 0.9));
    }

    // Between the two nearest numbers, as most programs have it.
    private static double Quantile(double[] sorted, double share)
    {
        var at = share * (sorted.Length - 1);
        var below = (int)at;
        var above = Math.Min(below + 1, sorted.Length - 1);
        return sorted[below] + ((at - below) * (sorted[above] - sorted[below]));
    }
}
