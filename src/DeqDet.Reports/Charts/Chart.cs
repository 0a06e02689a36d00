namespace DeqDet.Reports.Charts;

/// <summary>How numbers become places along an axis.</summary>
public enum AxisScale
{
    /// <summary>Equal steps for equal differences.</summary>
    Linear,

    /// <summary>Equal steps for equal factors; what is not positive has no place.</summary>
    Log,
}

/// <summary>An axis of a chart.</summary>
/// <param name="Title">What is measured, with its unit.</param>
/// <param name="Scale">Linear or logarithmic.</param>
/// <param name="Low">Where it begins; null: a little before the smallest number.</param>
/// <param name="High">Where it ends; null: a little after the largest number.</param>
/// <param name="Whole">Only whole numbers are marked: for counts.</param>
public sealed record Axis(
    string Title,
    AxisScale Scale = AxisScale.Linear,
    double? Low = null,
    double? High = null,
    bool Whole = false
);

/// <summary>A pair of numbers. One that has no place on the axes (NaN, infinity, zero on a logarithmic one) leaves a gap.</summary>
public readonly record struct ChartPoint(double X, double Y);

/// <summary>Something drawn into a chart.</summary>
/// <param name="Name">Its name in the legend; empty: it has no entry there.</param>
/// <param name="Colour">Number of its colour, from 0; see <see cref="ChartColours"/>.</param>
public abstract record Mark(string Name, int Colour);

/// <summary>Points joined by a line.</summary>
/// <param name="Name">Name in the legend.</param>
/// <param name="Colour">Number of its colour.</param>
/// <param name="Points">In the order in which they are joined.</param>
/// <param name="Dashed">A broken line.</param>
/// <param name="Dots">A dot at each point.</param>
/// <param name="Joined">Whether there is a line at all.</param>
public sealed record LineMark(
    string Name,
    int Colour,
    IReadOnlyList<ChartPoint> Points,
    bool Dashed = false,
    bool Dots = false,
    bool Joined = true
) : Mark(Name, Colour);

/// <summary>The area between a lower and an upper line. On a logarithmic axis a lower end that is not positive is the axis' own.</summary>
/// <param name="Name">Name in the legend.</param>
/// <param name="Colour">Number of its colour.</param>
/// <param name="Low">The lower line.</param>
/// <param name="High">The upper line, at the same X.</param>
public sealed record BandMark(string Name, int Colour, IReadOnlyList<ChartPoint> Low, IReadOnlyList<ChartPoint> High)
    : Mark(Name, Colour);

/// <summary>Many thin lines of one kind.</summary>
/// <param name="Name">Name in the legend.</param>
/// <param name="Colour">Number of their colour.</param>
/// <param name="Lines">The lines.</param>
public sealed record FanMark(string Name, int Colour, IReadOnlyList<IReadOnlyList<ChartPoint>> Lines)
    : Mark(Name, Colour);

/// <summary>A straight line across the whole chart at one number, broken.</summary>
/// <param name="Name">What stands there, written beside it.</param>
/// <param name="Colour">Number of its colour.</param>
/// <param name="At">The number.</param>
/// <param name="OfX">Whether the number is one of the X axis, the line upright.</param>
public sealed record RuleMark(string Name, int Colour, double At, bool OfX) : Mark(Name, Colour);

/// <summary>A chart as a value: what is drawn, not how. <see cref="ChartLayout"/> places it, two backends draw it.</summary>
/// <param name="Title">One line over the chart.</param>
/// <param name="X">The axis along the bottom.</param>
/// <param name="Y">The axis at the left.</param>
/// <param name="Marks">Later ones over earlier ones.</param>
public sealed record Chart(string Title, Axis X, Axis Y, IReadOnlyList<Mark> Marks);
