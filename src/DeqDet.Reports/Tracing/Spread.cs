namespace DeqDet.Reports.Tracing;

/// <summary>How numbers are spread. What is not finite counts as infinitely large: a query that was lost must not make the rest look good.</summary>
/// <param name="Mean">The mean.</param>
/// <param name="Low">One tenth of the numbers lies below.</param>
/// <param name="Median">One half.</param>
/// <param name="High">Nine tenths.</param>
public readonly record struct Spread(double Mean, double Low, double Median, double High)
{
    /// <summary>The spread of some numbers; NaN everywhere if there are none.</summary>
    public static Spread Of(IEnumerable<double> numbers)
    {
        var sorted = numbers
            .Select(number => double.IsFinite(number) ? number : double.PositiveInfinity)
            .Order()
            .ToArray();
        return sorted.Length == 0
            ? new(double.NaN, double.NaN, double.NaN, double.NaN)
            : new(sorted.Average(), Quantile(sorted, 0.1), Quantile(sorted, 0.5), Quantile(sorted, 0.9));
    }

    // Between the two nearest numbers, as most programs have it.
    private static double Quantile(double[] sorted, double share)
    {
        var at = share * (sorted.Length - 1);
        var below = (int)at;
        var above = Math.Min(below + 1, sorted.Length - 1);
        // infinity is no number to go part of the way to
        return at == below || sorted[below] == sorted[above]
            ? sorted[below]
            : sorted[below] + ((at - below) * (sorted[above] - sorted[below]));
    }
}
