using System.Globalization;
using System.Net;
using System.Text;
using DeqDet.Reports.Charts;
using DeqDet.Reports.Pages;
using DeqDet.Settings;

namespace DeqDet.Reports.Training;

/// <summary>
/// Trainings as one HTML page that needs nothing else and no script: curves, AP, times, settings, pictures. Its size is bounded whatever the
/// length of the training (<see cref="Thinned"/>, <see cref="TrainingTables"/>). Equal input gives equal bytes.
/// </summary>
public static class TrainingPage
{
    /// <summary>Trainings that one page compares at most: as many as it has room for.</summary>
    public const int MostRuns = 4;

    private const int WideWidth = 640;
    private const int WideHeight = 360;
    private const int NarrowWidth = 360;
    private const int NarrowHeight = 300;

    /// <summary>Writes the page of a work folder, or of several side by side.</summary>
    /// <param name="folders">One to <see cref="MostRuns"/> work folders.</param>
    /// <param name="path">The file; its name stands for a whole page at any time.</param>
    /// <exception cref="InputError">A folder has no metrics, or the page cannot be written.</exception>
    public static void Save(IReadOnlyList<string> folders, string path)
    {
        var page = Write([.. folders.Select(folder => TrainingRecord.Load(folder, folders.Count))]);
        AtomicFile.Write(path, stream => stream.Write(Encoding.UTF8.GetBytes(page)));
    }

    /// <summary>The page.</summary>
    /// <param name="records">One training, or several to compare.</param>
    public static string Write(IReadOnlyList<TrainingRecord> records)
    {
        var names = ComparedFigures.Names(records);
        var title = string.Join(" and ", names);
        var page = new StringBuilder();
        page.Append("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
        page.Append("<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n");
        page.Append("<meta name=\"color-scheme\" content=\"light dark\">\n");
        page.Append($"<title>Training {Text(title)}</title>\n<style>\n");
        page.Append(ChartSvg.Style()).Append(PageResource.Text("training.css"));
        page.Append("</style>\n</head>\n<body>\n<header>\n");
        page.Append($"<h1>Training {Text(title)}</h1>\n");
        page.Append(
            $"<p class=\"soft about\">{string.Join("; ", records.Select(record => $"<code>{Text(Human.Path(record.Folder))}</code>"))}</p>\n"
        );
        var sections = records.Count == 1 ? Alone(records[0]) : Compared(records, names);
        page.Append("</header>\n<nav aria-label=\"Parts of this page\"><div>\n");
        foreach (var section in sections)
        {
            page.Append($"<a href=\"#{section.Id}\">{Text(section.Title)}</a>\n");
        }

        page.Append("</div></nav>\n<main>\n");
        foreach (var section in sections)
        {
            page.Append($"<section id=\"{section.Id}\">\n<h2>{Text(section.Title)}</h2>\n{section.Body}</section>\n");
        }

        return page.Append("</main>\n</body>\n</html>\n").ToString();
    }

    private sealed record Section(string Id, string Title, string Body);

    private static List<Section> Alone(TrainingRecord record)
    {
        var epochs = TrainingTables.Epochs(record);
        var classes = TrainingTables.Classes(record);
        return
        [
            new("result", "Result", Tiles(record)),
            new("curves", "Curves", Figures(TrainingFigures.Of(record))),
            new("epochs", "Epochs", Table(epochs, "Numbers of each epoch")),
            .. classes.Rows.Count > 0
                ? [new Section("by-class", "Classes", Table(classes, "AP by class"))]
                : (Section[])[],
            .. record.Pictures.Count > 0
                ? [new Section("pictures", "Validation images", Pictures(record))]
                : (Section[])[],
            new("run", "Run", Run(record)),
        ];
    }

    private static List<Section> Compared(IReadOnlyList<TrainingRecord> records, IReadOnlyList<string> names)
    {
        var classes = TrainingTables.ComparedClasses(records);
        var differences = TrainingTables.Differences(records);
        return
        [
            new("result", "Result", Columns(Tiles)),
            new(
                "differences",
                "Settings that differ",
                differences.Rows.Count == 0 ? "<p>None.</p>\n" : Table(differences, "Settings that differ")
            ),
            new("together", "Curves together", Figures(ComparedFigures.Of(records))),
            .. classes.Rows.Count > 0
                ?
                [
                    new Section(
                        "by-class",
                        "Classes",
                        "<p>AP at the best validation of each.</p>\n" + Table(classes, "AP by class")
                    ),
                ]
                : (Section[])[],
            new("curves", "Curves of each", Columns(record => Figures(TrainingFigures.Of(record)))),
            new("epochs", "Epochs", Columns(record => Table(TrainingTables.Epochs(record), "Numbers of each epoch"))),
            .. records.Any(record => record.Pictures.Count > 0)
                ? [new Section("pictures", "Validation images", Columns(Pictures))]
                : (Section[])[],
            new("run", "Runs", Columns(Run)),
        ];

        string Columns(Func<TrainingRecord, string> part) =>
            "<div class=\"runs\">\n"
            + string.Concat(records.Select((record, i) => $"<div>\n<h3>{Text(names[i])}</h3>\n{part(record)}</div>\n"))
            + "</div>\n";
    }

    private static string Tiles(TrainingRecord record)
    {
        var history = record.History;
        var good = TrainingNumbers.Good(history).ToList();
        var best = TrainingNumbers.Best(history);
        var last = history.Validations.LastOrDefault();
        var step = TrainingNumbers.LastStep(history);
        var epoch = TrainingNumbers.ByEpoch(history)[^1].Epoch;
        var of = record.Settings.TryGetValue("train.epochs", out var all) ? $" of {all}" : "";
        var bad = TrainingNumbers.Bad(history).Count;
        (string Value, string Meaning)[] tiles =
        [
            .. best is null
                ? []
                : ((string, string)[])
                    [
                        (TrainingTables.Score(best.Score("AP")), $"best AP, after epoch {best.Epoch}"),
                        (TrainingTables.Score(best.Score("AP50")), "AP50 there"),
                        (TrainingTables.Score(best.Score("AP75")), "AP75 there"),
                    ],
            .. last is null || last == best
                ? []
                : ((string, string)[])[(TrainingTables.Score(last.Score("AP")), $"last AP, after epoch {last.Epoch}")],
            ($"{epoch}{of}", "epoch"),
            (step.ToString("#,0", CultureInfo.InvariantCulture), step == 1 ? "step" : "steps"),
            (Human.Duration(TimeSpan.FromSeconds(TrainingNumbers.Seconds(history))), "of computing, about"),
            .. good.Count == 0
                ? []
                : ((string, string)[])
                    [
                        (TrainingTables.Number(good[^1].Loss), "last loss"),
                        (
                            TrainingTables.Number(TrainingNumbers.Mean(good.Select(s => s.Time))) + " s",
                            "a step, on average"
                        ),
                        (TrainingTables.Percent(TrainingNumbers.Waiting(good)), "of it waiting for data"),
                        (
                            TrainingTables.Number(TrainingNumbers.Most(good.Select(s => s.Memory))) + " MiB",
                            "memory at most"
                        ),
                    ],
            (bad.ToString(CultureInfo.InvariantCulture), bad == 1 ? "bad step" : "bad steps"),
        ];
        return "<div class=\"tiles\">\n"
            + string.Concat(
                tiles.Select(tile => $"<div><b>{Text(tile.Value)}</b><span>{Text(tile.Meaning)}</span></div>\n")
            )
            + "</div>\n";
    }

    private static string Figures(IReadOnlyList<TrainingFigure> figures) =>
        "<div class=\"figures\">\n"
        + string.Concat(
            figures.Select(figure =>
                "<figure>\n"
                + $"<div class=\"wide\">{Svg(figure, WideWidth, WideHeight)}</div>\n"
                + $"<div class=\"narrow\">{Svg(figure, NarrowWidth, NarrowHeight)}</div>\n"
                + $"<figcaption>{Text(figure.Reading)}</figcaption>\n</figure>\n"
            )
        )
        + "</div>\n";

    // Two layouts, of which the page shows the one that fits: scaled down, text would be too small to read on a phone.
    private static string Svg(TrainingFigure figure, int width, int height) =>
        ChartSvg.Write(
            ChartLayout.Of(figure.Chart, width, height + LegendHeight(figure.Chart, width)),
            $"{figure.Chart.Title}: {figure.Reading}"
        );

    // Room for the lines of a long legend, so that the plot keeps its height.
    private static int LegendHeight(Chart chart, int width) =>
        20 * (chart.Marks.Where(mark => mark.Name != "").Sum(mark => 50 + (8 * mark.Name.Length)) / width);

    private static string Pictures(TrainingRecord record) =>
        "<p class=\"soft\">The truth at the left, detections of the last validation at the right.</p>\n<div class=\"pictures\">\n"
        + string.Concat(
            record.Pictures.Select(picture =>
                $"<img alt=\"{Text(picture.Name)}: truth and detections\" src=\"data:image/jpeg;base64,{Convert.ToBase64String(picture.Jpeg)}\">\n"
            )
        )
        + "</div>\n";

    private static string Run(TrainingRecord record)
    {
        var (bad, starts, settings) = (
            TrainingTables.Bad(record),
            TrainingTables.Starts(record),
            TrainingTables.Settings(record)
        );
        var skipped = TrainingNumbers.Bad(record.History).Count;
        return (settings.Rows.Count == 0 ? "" : Table(settings, "Settings in short"))
            + (starts.Rows.Count == 0 ? "" : $"<h3>Started, and gone on</h3>\n{Table(starts, "Starts")}")
            + (
                skipped == 0
                    ? "<p>No step was bad: loss and gradient were finite in all that were written down.</p>\n"
                    : $"<h3>{(skipped == 1 ? "1 step was" : $"{skipped} steps were")} bad and changed nothing</h3>\n{Table(bad, "Bad steps")}"
            )
            + (
                record.Settings.Count == 0
                    ? ""
                    : "<details>\n<summary>All settings</summary>\n"
                        + Table(
                            new(
                                ["setting", "value"],
                                [.. record.Settings.Select(entry => (IReadOnlyList<string>)[entry.Key, entry.Value])],
                                Words: 2
                            ),
                            "All settings"
                        )
                        + "</details>\n"
            );
    }

    // What is wider than the screen scrolls by itself, by keyboard as well.
    private static string Table(TrainingTable table, string label)
    {
        var text = new StringBuilder(
            $"<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{Text(label)}\"><table>\n<thead><tr>"
        );
        for (var i = 0; i < table.Columns.Count; i++)
        {
            text.Append($"<th scope=\"col\"{(IsText(i) ? " class=\"t\"" : "")}>{Text(table.Columns[i])}</th>");
        }

        text.Append("</tr></thead>\n<tbody>\n");
        foreach (var row in table.Rows)
        {
            text.Append("<tr>");
            for (var i = 0; i < row.Count; i++)
            {
                text.Append(
                    $"<td{(IsText(i) ? row[i].Length > 40 ? " class=\"t w\"" : " class=\"t\"" : "")}>{Text(row[i])}</td>"
                );
            }

            text.Append("</tr>\n");
        }

        return text.Append("</tbody>\n</table></div>\n").ToString();

        bool IsText(int column) => column < table.Words || table.Columns[column] is "images" or "device" or "version";
    }

    private static string Text(string text) => WebUtility.HtmlEncode(text);
}
