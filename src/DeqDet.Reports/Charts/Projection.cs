namespace DeqDet.Reports.Charts;

/// <summary>From numbers on an axis to px: the range that is shown, and where it lies.</summary>
/// <param name="Scale">Linear or logarithmic.</param>
/// <param name="Low">Number at the beginning.</param>
/// <param name="High">Number at the end, above it.</param>
/// <param name="From">Px of Low.</param>
/// <param name="To">Px of High.</param>
public readonly record struct Projection(AxisScale Scale, double Low, double High, double From, double To)
{
    // Room at the ends of an axis, as a share of its range.
    private const double Air = 0.04;

    /// <summary>The axis for these numbers; those without a place on it do not count.</summary>
    public static Projection Fit(Axis axis, IEnumerable<double> numbers, double from, double to)
    {
        var (low, high) = (double.PositiveInfinity, double.NegativeInfinity);
        foreach (var number in numbers.Where(number => HasPlace(axis.Scale, number)))
        {
            (low, high) = (Math.Min(low, number), Math.Max(high, number));
        }

        // an end that is given is exact; the margin at the other end is a share of the whole range
        foreach (var bound in new[] { axis.Low, axis.High }.OfType<double>().Where(_ => low <= high))
        {
            (low, high) = (Math.Min(low, bound), Math.Max(high, bound));
        }

        if (low > high)
        {
            (low, high) = axis.Scale == AxisScale.Log ? (0.1, 1) : (0, 1);
        }

        var (first, last) = axis.Scale == AxisScale.Log ? Logarithmic(low, high) : Straight(low, high);
        first = axis.Low ?? first;
        last = axis.High ?? last;
        return new(axis.Scale, first, last > first ? last : Above(axis.Scale, first), from, to);
    }

    /// <summary>Whether a number can be shown on such an axis.</summary>
    public static bool HasPlace(AxisScale scale, double number) =>
        double.IsFinite(number) && (scale == AxisScale.Linear || number > 0);

    /// <summary>Px of a number; NaN for one without a place.</summary>
    public double Px(double number)
    {
        if (!HasPlace(Scale, number))
        {
            return double.NaN;
        }

        // halves, because the range of the largest numbers is infinite
        var share =
            Scale == AxisScale.Log
                ? (Math.Log(number) - Math.Log(Low)) / (Math.Log(High) - Math.Log(Low))
                : ((number / 2) - (Low / 2)) / ((High / 2) - (Low / 2));
        // far outside is as good as infinitely far, and a number that every backend can write
        return From + (Math.Clamp(share, -50, 50) * (To - From));
    }

    private static (double, double) Straight(double low, double high)
    {
        if (low == high)
        {
            var half = low == 0 ? 0.5 : Math.Abs(low) * 0.05;
            return (low - half, high + half);
        }

        var air = (high * Air) - (low * Air);
        return (Finite(low - air), Finite(high + air));
    }

    private static (double, double) Logarithmic(double low, double high)
    {
        var (from, to) = (Math.Log10(low), Math.Log10(high));
        var air = Math.Max((to - from) * Air, 0.02);
        return (Math.Max(Math.Pow(10, from - air), double.Epsilon), Finite(Math.Pow(10, to + air)));
    }

    private static double Finite(double number) => Math.Clamp(number, double.MinValue, double.MaxValue);

    private static double Above(AxisScale scale, double low) =>
        scale == AxisScale.Log ? low * 10 : low + Math.Max(1, Math.Abs(low) * 0.1);
}
