namespace DeqDet.Coco.Evaluation;

/// <summary>Boils the arrays of a result down to COCO's numbers, for all classes together and for each.</summary>
internal static class Summary
{
    /// <summary>COCO's plain AP looks at this many detections, whatever the other maximums are.</summary>
    public const int PlainMaxDetections = 100;

    /// <summary>
    /// All classes. As in the reference, the plain AP is -1 when 100 is not among the maximums of detections.
    /// </summary>
    public static IReadOnlyList<Statistic> OfAll(EvaluationResult result) =>
        Compute(result, 0, result.Classes.Count, PlainMaxDetections);

    /// <summary>Class by class, the plain AP at the last maximum of detections.</summary>
    public static IReadOnlyList<ClassStatistics> PerClass(EvaluationResult result) =>
        [
            .. result.Classes.Select(
                (category, k) =>
                    new ClassStatistics(
                        category,
                        result.BoxesOfClass[k],
                        Compute(result, k, k + 1, result.Parameters.MaxDetections[^1])
                    )
            ),
        ];

    private static List<Statistic> Compute(EvaluationResult result, int from, int to, int plainMax)
    {
        var most = result.Parameters.MaxDetections[^1];
        var ranges = result.Parameters.AreaRanges.Select(r => r.Label).Where(l => l != AreaRange.All).ToArray();
        List<Statistic> wanted =
        [
            new("AP", 0, false, null, AreaRange.All, plainMax),
            new("AP50", 0, false, 0.5, AreaRange.All, most),
            new("AP75", 0, false, 0.75, AreaRange.All, most),
            .. ranges.Select(label => new Statistic($"AP_{label}", 0, false, null, label, most)),
            .. result.Parameters.MaxDetections.Select(m => new Statistic($"AR{m}", 0, true, null, AreaRange.All, m)),
            .. ranges.Select(label => new Statistic($"AR_{label}", 0, true, null, label, most)),
        ];
        return [.. wanted.Select(s => s with { Value = Mean(result, s, from, to) })];
    }

    private static double Mean(EvaluationResult result, Statistic statistic, int from, int to)
    {
        var parameters = result.Parameters;
        var a = Position(parameters.AreaRanges, range => range.Label == statistic.Area);
        var m = Position(parameters.MaxDetections, most => most == statistic.MaxDetections);
        if (a < 0 || m < 0)
        {
            return -1;
        }
        var (sum, count) = (0.0, 0);
        for (var t = 0; t < parameters.IouThresholds.Count; t++)
        {
            if (statistic.Iou is { } iou && parameters.IouThresholds[t] != iou)
            {
                continue;
            }
            for (var r = 0; r < (statistic.IsRecall ? 1 : parameters.RecallPoints.Count); r++)
            {
                for (var k = from; k < to; k++)
                {
                    var value = statistic.IsRecall
                        ? result.Recall[result.RecallIndex(t, k, a, m)]
                        : result.Precision[result.PrecisionIndex(t, r, k, a, m)];
                    if (value > -1)
                    {
                        sum += value;
                        count++;
                    }
                }
            }
        }
        return count == 0 ? -1 : sum / count;
    }

    private static int Position<T>(IReadOnlyList<T> list, Func<T, bool> wanted)
    {
        for (var i = 0; i < list.Count; i++)
        {
            if (wanted(list[i]))
            {
                return i;
            }
        }
        return -1;
    }
}
