using DeqDet.Detection;

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
            : new(
                sorted.Average(),
                Quantile.ofSorted(0.1, sorted),
                Quantile.ofSorted(0.5, sorted),
                Quantile.ofSorted(0.9, sorted)
            );
    }
}
