using System.Net;
using System.Text;
using DeqDet.Detection;
using DeqDet.Reports.Charts;

namespace DeqDet.Reports.Tracing;

/// <summary>A trace as one HTML page that needs nothing else: figures with explanations and numbers, on light or dark ground.</summary>
public static class TracePage
{
    private const int Width = 760;
    private const int Height = 420;

    private const string Style = """
        *{box-sizing:border-box}
        body{margin:0;background:var(--ground);color:var(--ink-text);font:16px/1.6 system-ui,sans-serif}
        main{max-width:54rem;margin:0 auto;padding:2.5rem 1.25rem 4rem}
        h1{font-size:1.9rem;line-height:1.2;margin:0 0 .4rem;letter-spacing:-.01em}
        h2{font-size:1.3rem;line-height:1.3;margin:0 0 .5rem;letter-spacing:-.005em}
        p{margin:.5rem 0}
        .about{color:var(--ink-faint);margin-bottom:1.6rem;overflow-wrap:anywhere}
        .key{display:grid;grid-template-columns:repeat(auto-fit,minmax(11rem,1fr));gap:.75rem;margin:1.6rem 0}
        .key div{border:1px solid var(--ink-grid);border-radius:.6rem;padding:.7rem .9rem}
        .key b{display:block;font-size:1.45rem;line-height:1.25;font-variant-numeric:tabular-nums}
        .key span{display:block;color:var(--ink-faint);font-size:.85rem;line-height:1.35}
        section{margin-top:2.8rem;padding-top:1.6rem;border-top:1px solid var(--ink-grid)}
        figure{margin:1rem -.8rem}
        .read{color:var(--ink-faint)}
        details{margin-top:.6rem}
        summary{cursor:pointer;color:var(--ink-0)}
        .scroll{overflow-x:auto}
        table{border-collapse:collapse;margin:.6rem 0;font-size:.9rem;font-variant-numeric:tabular-nums}
        th,td{padding:.25rem .8rem;text-align:right;border-bottom:1px solid var(--ink-grid);white-space:nowrap}
        th{font-weight:600;white-space:normal;vertical-align:bottom;line-height:1.3}
        th:first-child,td:first-child{padding-left:0}
        td.t,th.t{text-align:left}
        code{font:.9em ui-monospace,monospace}

        """;

    /// <summary>The size at which figures are laid out, also for their pictures.</summary>
    internal static ChartLayout Layout(Figure figure) => ChartLayout.Of(figure.Chart, Width, Height);

    /// <summary>The page.</summary>
    /// <param name="results">What was measured.</param>
    /// <param name="figures">Its figures.</param>
    public static string Write(TraceResults results, IReadOnlyList<Figure> figures)
    {
        var subject = results.Subject;
        var page = new StringBuilder();
        page.Append("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
        page.Append("<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n");
        page.Append("<meta name=\"color-scheme\" content=\"light dark\">\n");
        page.Append($"<title>Convergence of {Text(subject.Checkpoint)}</title>\n");
        page.Append("<style>\n").Append(ChartSvg.Style()).Append(Style).Append("</style>\n</head>\n<body>\n<main>\n");
        page.Append("<h1>Convergence of a detector</h1>\n");
        page.Append(
            $"<p class=\"about\"><code>{Text(subject.Checkpoint)}</code>: {Text(subject.Model)}, {subject.Queries} queries, "
                + $"{Images(results)}, {subject.Applications} applications followed on {Text(subject.Device)}</p>\n"
        );
        page.Append(
            "<p>This detector answers by an <em>equilibrium</em>. It starts from a set of queries, guesses of where objects are and what "
                + "they are, and applies one and the same refinement head to them again and again. The answer is the state that the head does "
                + "not change any more, a fixed point. The figures show whether there is one, how fast it is reached, and what it is worth.</p>\n"
        );
        page.Append("<div class=\"key\">\n");
        foreach (var (value, meaning) in TraceSummary.Of(results).Select(line => (line.Value, line.Meaning)))
        {
            page.Append($"<div><b>{Text(value)}</b><span>{Text(meaning)}</span></div>\n");
        }

        page.Append("</div>\n");
        foreach (var figure in figures)
        {
            page.Append($"<section id=\"{Text(figure.Name)}\">\n<h2>{Text(figure.Question)}</h2>\n");
            page.Append($"<p>{Text(figure.Finding)}</p>\n<figure>\n");
            page.Append(ChartSvg.Write(Layout(figure), $"{figure.Chart.Title}. {figure.Finding}"));
            page.Append($"</figure>\n<p class=\"read\">{Text(figure.HowToRead)}</p>\n");
            page.Append(Table(figure.Table));
            page.Append("</section>\n");
        }

        page.Append(
            "<section>\n<h2>The numbers</h2>\n<p>All of them stand in <code>trace.csv</code>, one a row:</p>\n"
        );
        page.Append(Meanings("column", TraceTable.Columns));
        page.Append(Meanings("measure", TraceTable.Measures));
        page.Append("</section>\n</main>\n</body>\n</html>\n");
        return page.ToString();
    }

    private static string Images(TraceResults results) =>
        (results.Images.Count == 1 ? "1 image" : $"{results.Images.Count} images")
        + (results.Accuracy is { } accuracy ? $" (AP: {accuracy.Images} of {accuracy.Data})" : "");

    private static string Table(FigureTable table)
    {
        var text = new StringBuilder("<details>\n<summary>Numbers</summary>\n<div class=\"scroll\"><table>\n<tr>");
        // a column of words is set to the left
        var words = table
            .Columns.Select(
                (_, i) => table.Rows.Any(row => row[i].Any(char.IsLetter) && row[i] != "never" && !IsNumber(row[i]))
            )
            .ToArray();
        for (var i = 0; i < table.Columns.Count; i++)
        {
            text.Append($"<th{(words[i] ? " class=\"t\"" : "")}>{Text(table.Columns[i])}</th>");
        }

        text.Append("</tr>\n");
        foreach (var row in table.Rows)
        {
            text.Append("<tr>");
            for (var i = 0; i < row.Count; i++)
            {
                text.Append($"<td{(words[i] ? " class=\"t\"" : "")}>{Text(row[i])}</td>");
            }

            text.Append("</tr>\n");
        }

        return text.Append("</table></div>\n</details>\n").ToString();
    }

    private static bool IsNumber(string cell) =>
        double.TryParse(cell, System.Globalization.CultureInfo.InvariantCulture, out _);

    private static string Meanings(string what, IEnumerable<(string Name, string Meaning)> rows) =>
        $"<div class=\"scroll\"><table>\n<tr><th class=\"t\">{what}</th><th class=\"t\">meaning</th></tr>\n"
        + string.Concat(
            rows.Select(row =>
                $"<tr><td class=\"t\"><code>{row.Name}</code></td><td class=\"t\">{Text(row.Meaning)}</td></tr>\n"
            )
        )
        + "</table></div>\n";

    private static string Text(string text) => WebUtility.HtmlEncode(text);
}
