using System.Globalization;
using DeqDet.Detection;
using DeqDet.Reports.Charts;

namespace DeqDet.Reports.Tracing;

/// <summary>The figures of a trace: from numbers to charts and sentences.</summary>
public static class TraceFigures
{
    internal const int Blue = 0;
    internal const int Orange = 1;
    internal const int Green = 2;
    internal const int Grey = 4;

    /// <summary>What figures are called.</summary>
    public static IReadOnlyList<string> Names { get; } =
    ["residual", "parts", "queries", "scores", "solvers", "spectrum", "ap-depth", "ap-updates"];

    /// <summary>All figures, in the order in which they are best read.</summary>
    public static IReadOnlyList<Figure> Of(TraceResults results) =>
        [.. QueryFigures.Of(results), .. SchemeFigures.Of(results), .. AccuracyFigures.Of(results)];

    internal static Axis Applications { get; } = new("applications of the refinement head", Low: 1, Whole: true);

    internal static RuleMark Depth(TraceResults results) =>
        new("depth of training", Grey, results.Subject.Trained, OfX: true);

    internal static IReadOnlyList<int> Milestones(TraceResults results) =>
        Detection.Milestones.upTo(results.Subject.Trained, results.Subject.Applications);

    internal static List<ChartPoint> Points(IReadOnlyList<Spread> curve, Func<Spread, double> number) =>
        [.. curve.Select((spread, at) => new ChartPoint(at + 1, number(spread)))];

    internal static Spread At(IReadOnlyList<Spread> curve, int application) =>
        curve[Math.Clamp(application, 1, curve.Count) - 1];

    internal static FigureTable Table(IReadOnlyList<string> columns, IEnumerable<IReadOnlyList<string>> rows) =>
        new(columns, [.. rows]);

    // The first number of a row counts something.
    internal static FigureTable Table(IReadOnlyList<string> columns, IEnumerable<double[]> rows) =>
        new(
            columns,
            [.. rows.Select(row => (IReadOnlyList<string>)[Whole((int)row[0]), .. row.Skip(1).Select(Number)])]
        );

    internal static string Number(double value) => double.IsFinite(value) ? Human.Number(value) : "-";

    internal static string Percent(double share) => (100 * share).ToString("0.#", CultureInfo.InvariantCulture);

    internal static string Whole(int number) => number.ToString(CultureInfo.InvariantCulture);

    internal static string Count(int? number) => number is { } known ? Whole(known) : "never";

    internal static string ShortName(string path) => Path.GetFileName(path);
}
