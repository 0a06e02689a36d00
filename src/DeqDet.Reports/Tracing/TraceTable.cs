using System.Globalization;
using DeqDet.Detection;

namespace DeqDet.Reports.Tracing;

/// <summary>One number of a trace with all that identifies it.</summary>
/// <param name="Measure">What it is; see <see cref="TraceTable.Measures"/>.</param>
/// <param name="Scheme">Method that chose the states; empty where there is none.</param>
/// <param name="Image">The image; empty: all images together.</param>
/// <param name="Query">Number of the query, from 0.</param>
/// <param name="Application">Number of the application of the refinement head, from 1.</param>
/// <param name="Tolerance">The tolerance of the solve.</param>
/// <param name="Value">The number.</param>
public sealed record TraceRow(
    string Measure,
    string Scheme,
    string Image,
    int? Query,
    int? Application,
    double? Tolerance,
    double Value
);

/// <summary>A trace as one long table: a row for each number.</summary>
public static class TraceTable
{
    /// <summary>The columns, and what they hold.</summary>
    public static IReadOnlyList<(string Name, string Meaning)> Columns { get; } =
    [
        ("measure", "what the value is"),
        ("scheme", "method that chose the states"),
        ("image", "image file; empty: all images together"),
        ("query", "number of the query, from 0"),
        (
            "application",
            "number of the application of the refinement head, from 1; with a tolerance: applications at most"
        ),
        ("tolerance", "residual at which a query stops"),
        ("value", "the number"),
    ];

    /// <summary>The measures, and what they are.</summary>
    public static IReadOnlyList<(string Name, string Meaning)> Measures { get; } =
    [
        ("residual", "how far the application took the query: the larger of shift and change"),
        ("shift", "how far it took the box, in sizes of the box (plain iteration only)"),
        ("change", "how far it took the content, in lengths of the content (plain iteration only)"),
        ("score", "best class score of the query where plain iteration ended, 0 to 1"),
        ("spectral_radius", "of the refinement head's Jacobian where plain iteration ended"),
        ("spectral_error", "estimate of its relative error"),
        ("rate", "factor of the image's median residual per application"),
        ("ap", "COCO's AP of the read-out"),
        ("ap50", "AP at an IoU of 0.5"),
        ("ap75", "AP at an IoU of 0.75"),
        ("updates", "mean number of applications that a query took"),
        ("settled", "share of the queries that came within the tolerance"),
    ];

    /// <summary>All rows of a trace.</summary>
    public static IEnumerable<TraceRow> Rows(TraceResults results)
    {
        foreach (var image in results.Images)
        {
            foreach (var path in image.Paths)
            {
                // of the other schemes only what they are compared by
                (string, double[][])[] parts = ReferenceEquals(path, image.Paths[0])
                    ? [("residual", path.Residual), ("shift", path.Shift), ("change", path.Change)]
                    : [("residual", path.Residual)];
                foreach (var (measure, numbers) in parts)
                {
                    for (var at = 0; at < numbers.Length; at++)
                    {
                        for (var query = 0; query < numbers[at].Length; query++)
                        {
                            yield return new(measure, path.Scheme, image.Name, query, at + 1, null, numbers[at][query]);
                        }
                    }
                }
            }

            for (var query = 0; query < image.Scores.Length; query++)
            {
                yield return new("score", "", image.Name, query, null, null, image.Scores[query]);
            }

            yield return OfImage("spectral_radius", image.Spectrum.Radius);
            yield return OfImage("spectral_error", image.Spectrum.Residual);
            yield return OfImage("rate", TraceStatistics.Rate(image));

            TraceRow OfImage(string measure, double value) => new(measure, "", image.Name, null, null, null, value);
        }

        foreach (var depth in results.Accuracy?.Depths ?? [])
        {
            foreach (var (measure, value) in Numbers(depth.Accuracy))
            {
                yield return new(measure, "", "", null, depth.Applications, null, value);
            }
        }

        foreach (var point in results.Accuracy?.Tolerances ?? [])
        {
            foreach (
                var (measure, value) in Numbers(point.Accuracy)
                    .Append(("updates", point.Updates))
                    .Append(("settled", point.Settled))
            )
            {
                yield return new(measure, "", "", null, point.Most, point.Tolerance, value);
            }
        }
    }

    /// <summary>Writes the rows as CSV (RFC 4180); numbers have seven digits.</summary>
    public static void Write(IEnumerable<TraceRow> rows, TextWriter output)
    {
        output.Write(string.Join(',', Columns.Select(column => column.Name)) + "\n");
        foreach (var row in rows)
        {
            string[] cells =
            [
                Quoted(row.Measure),
                Quoted(row.Scheme),
                Quoted(row.Image),
                Text(row.Query),
                Text(row.Application),
                Text(row.Tolerance),
                Text(row.Value),
            ];
            output.Write(string.Join(',', cells) + "\n");
        }
    }

    private static IEnumerable<(string, double)> Numbers(Accuracy accuracy) =>
        [("ap", accuracy.Ap), ("ap50", accuracy.Ap50), ("ap75", accuracy.Ap75)];

    private static string Text(IFormattable? value) =>
        value?.ToString(value is double ? "G7" : null, CultureInfo.InvariantCulture) ?? "";

    private static string Quoted(string text) =>
        text.AsSpan().ContainsAny(",\"\r\n") ? $"\"{text.Replace("\"", "\"\"")}\"" : text;
}
