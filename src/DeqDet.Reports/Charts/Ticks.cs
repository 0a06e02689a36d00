using System.Globalization;

namespace DeqDet.Reports.Charts;

/// <summary>A mark on an axis.</summary>
/// <param name="At">Where.</param>
/// <param name="Label">What is written beside it; empty for one between two that are labelled.</param>
/// <param name="Exponent">What follows the label, raised: 10 and -3 for a thousandth.</param>
public readonly record struct Tick(double At, string Label, string Exponent = "");

/// <summary>Round numbers on axes.</summary>
public static class Ticks
{
    private const int MinorDecades = 8;

    /// <summary>Multiples of 1, 2 or 5 times a power of ten within [low, high], about as many as asked for.</summary>
    /// <param name="low">A finite number.</param>
    /// <param name="high">A finite number above it.</param>
    /// <param name="about">How many.</param>
    /// <param name="whole">No fractions.</param>
    public static IReadOnlyList<Tick> Linear(double low, double high, int about, bool whole = false)
    {
        var step = Step((high / about) - (low / about));
        if (whole)
        {
            step = Math.Max(1, step);
        }

        var decimals = Math.Clamp(-(int)Math.Floor(Math.Log10(step) + 1e-9), 0, 15);
        var plain = Math.Max(Math.Abs(low), Math.Abs(high)) < 1e6 && decimals <= 6;
        var ticks = new List<Tick>();
        // + 0.0, because rounding up gives a negative zero
        var first = Math.Ceiling((low / step) - 1e-9) + 0.0;
        var last = Math.Floor((high / step) + 1e-9);
        for (var i = first; i <= last && ticks.Count <= 4 * about; i++)
        {
            // not the sum of steps, whose rounding errors would show in the labels
            var at = i * step;
            if (!double.IsFinite(at) || (ticks.Count > 0 && at <= ticks[^1].At))
            {
                break;
            }

            ticks.Add(new(at, plain ? Text(at, "F" + decimals) : Text(at, "0.###e0")));
        }

        return ticks;
    }

    /// <summary>
    /// Powers of ten within [low, high], thinned out to at most so many, with unlabelled ticks between them where there is room; multiples by 2 and 5 too where
    /// the range is small.
    /// </summary>
    /// <param name="low">A positive number.</param>
    /// <param name="high">A finite number above it.</param>
    /// <param name="atMost">Labels at most, 2 or more.</param>
    public static IReadOnlyList<Tick> Log(double low, double high, int atMost)
    {
        var (from, to) = (Exponent(low, Math.Ceiling), Exponent(high, Math.Floor));
        var decades = Math.Log10(high) - Math.Log10(low);
        var near = OneTwoFive(low, high);
        if (decades < 2.5 && near.Count(tick => tick.Label != "") is >= 2 and var labels && labels <= atMost + 1)
        {
            return near;
        }

        if (decades < 1)
        {
            return [.. Linear(low, high, Math.Min(atMost, 5)).Where(tick => tick.At >= low)];
        }

        var every = Math.Max(1, (int)Math.Ceiling((to - from + 1) / (double)atMost));
        var raised = from < -3 || to > 4;
        var ticks = new List<Tick>();
        for (var exponent = from - 1; exponent <= to; exponent++)
        {
            var power = Math.Pow(10, exponent);
            if (exponent >= from)
            {
                // counted from 10^0, so that it is labelled where it is in sight
                var labelled = exponent % every == 0;
                ticks.Add(
                    !labelled ? new(power, "")
                    : raised ? new(power, "10", Text(exponent, "0"))
                    : new(power, Text(power, "0.####"))
                );
            }

            if (decades <= MinorDecades)
            {
                ticks.AddRange(
                    Enumerable
                        .Range(2, 8)
                        .Select(times => times * power)
                        .Where(at => at >= low && at <= high)
                        .Select(at => new Tick(at, ""))
                );
            }
        }

        return ticks;
    }

    private static List<Tick> OneTwoFive(double low, double high)
    {
        var ticks = new List<Tick>();
        for (var exponent = Exponent(low, Math.Floor); exponent <= Exponent(high, Math.Ceiling); exponent++)
        {
            var power = Math.Pow(10, exponent);
            ticks.AddRange(
                Enumerable
                    .Range(1, 9)
                    .Select(times => new Tick(times * power, times is 1 or 2 or 5 ? Short(times * power) : ""))
                    // the largest numbers there are have no power of ten above them
                    .Where(tick => double.IsFinite(tick.At))
                    .Where(tick => tick.At >= low * (1 - 1e-9) && tick.At <= high * (1 + 1e-9))
            );
        }

        return ticks;
    }

    private static int Exponent(double value, Func<double, double> round)
    {
        // log10(1000) is 2.9999999999999996 on some machines
        var exponent = Math.Log10(value);
        var nearest = Math.Round(exponent);
        return (int)(Math.Abs(exponent - nearest) < 1e-9 ? nearest : round(exponent));
    }

    private static double Step(double rough)
    {
        var power = Math.Pow(10, Math.Floor(Math.Log10(rough)));
        return (rough / power) switch
        {
            <= 1.0000001 => power,
            <= 2.0000001 => 2 * power,
            <= 5.0000001 => 5 * power,
            _ => 10 * power,
        };
    }

    private static string Short(double value) =>
        value is >= 1e-3 and < 1e5 ? Text(value, "0.####") : Text(value, "0.##e0");

    private static string Text(double value, string format) => value.ToString(format, CultureInfo.InvariantCulture);
}
