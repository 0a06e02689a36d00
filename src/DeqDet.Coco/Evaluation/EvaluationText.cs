namespace DeqDet.Coco.Evaluation;

/// <summary>Prints a result for people: the lines of the COCO tools, which scripts search for, and a table of the classes.</summary>
public static class EvaluationText
{
    /// <summary>The summary, a line a number, in the layout of the COCO tools.</summary>
    public static void WriteSummary(EvaluationResult result, TextWriter output)
    {
        foreach (var s in result.Statistics)
        {
            output.WriteLine(
                $" {Title(s), -18} {(s.IsRecall ? "(AR)" : "(AP)")} @[ IoU={Iou(s, result), -9} | area={s.Area, 6} | maxDets={s.MaxDetections, 3} ] = {s.Value:0.000}"
            );
        }
        var most = result.Parameters.MaxDetections[^1];
        if (!result.Parameters.MaxDetections.Contains(Summary.PlainMaxDetections))
        {
            output.WriteLine(
                $"note: the first line is defined for {Summary.PlainMaxDetections} detections only; the table of classes looks at {most}"
            );
        }
        foreach (var note in result.Notes)
        {
            output.WriteLine($"note: {note}");
        }
    }

    /// <summary>A line for each class: boxes to be found and its statistics; "-" where there is nothing to average.</summary>
    public static void WriteClasses(EvaluationResult result, TextWriter output)
    {
        if (result.PerClass.Count == 0)
        {
            return;
        }
        string[] header = ["class", "id", "boxes", .. result.PerClass[0].Statistics.Select(s => s.Name)];
        string[][] rows =
        [
            header,
            .. result.PerClass.Select(c =>
                (string[])
                    [
                        OneLine(c.Category.Name),
                        $"{c.Category.Id}",
                        $"{c.Boxes}",
                        .. c.Statistics.Select(s => s.Value < 0 ? "-" : s.Value.ToString("0.000")),
                    ]
            ),
        ];
        var width = Enumerable.Range(0, header.Length).Select(i => rows.Max(row => row[i].Length)).ToArray();
        foreach (var row in rows)
        {
            output.Write(row[0].PadRight(width[0]));
            for (var i = 1; i < row.Length; i++)
            {
                output.Write("  " + row[i].PadLeft(width[i]));
            }
            output.WriteLine();
        }
    }

    /// <summary>The IoU thresholds of a statistic, as "0.50:0.95" or "0.75".</summary>
    internal static string Iou(Statistic statistic, EvaluationResult result)
    {
        var thresholds = result.Parameters.IouThresholds;
        return statistic.Iou is { } iou ? iou.ToString("0.00") : $"{thresholds[0]:0.00}:{thresholds[^1]:0.00}";
    }

    private static string Title(Statistic statistic) => statistic.IsRecall ? "Average Recall" : "Average Precision";

    private static string OneLine(string name) => string.Concat(name.Select(c => char.IsControl(c) ? ' ' : c));
}
