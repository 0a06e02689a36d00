using DeqDet.Coco.Evaluation;

namespace DeqDet.Coco.Analysis;

/// <summary>Interpolated precision over recall, for objects of all sizes and the largest maximum of detections.</summary>
/// <param name="Class">Position among the classes of the evaluation; -1 for the mean over those that have boxes to be found.</param>
/// <param name="Iou">The IoU threshold; null for the mean over all.</param>
/// <param name="Precision">One number a recall point.</param>
/// <param name="Scores">Score at which each recall point is reached, 0 where it is not; null for a mean.</param>
public sealed record PrecisionRecallCurve(int Class, double? Iou, double[] Precision, double[]? Scores)
{
    /// <summary>The single thresholds of which curves are drawn, where they are evaluated.</summary>
    public static IReadOnlyList<double> ShownThresholds { get; } = [0.5, 0.75];

    /// <summary>
    /// The curves of the mean over classes, then of every class with boxes to be found: at 0.50 and 0.75 where these are among the
    /// thresholds, and their mean over all thresholds.
    /// </summary>
    public static IReadOnlyList<PrecisionRecallCurve> Of(EvaluationResult result)
    {
        var parameters = result.Parameters;
        var area = parameters.AreaRanges.Select(r => r.Label).ToList().IndexOf(AreaRange.All);
        var most = parameters.MaxDetections.Count - 1;
        var known = Enumerable
            .Range(0, result.Classes.Count)
            .Where(k => result.Precision[result.PrecisionIndex(0, 0, k, area, most)] > -1)
            .ToArray();
        var all = Enumerable.Range(0, parameters.IouThresholds.Count).ToArray();
        (double? Iou, int[] Thresholds)[] shown =
        [
            .. all.Where(t => ShownThresholds.Contains(parameters.IouThresholds[t]))
                .Select(t => ((double?)parameters.IouThresholds[t], (int[])[t])),
            (null, all),
        ];
        double[] Read(double[] array, int[] classes, int[] thresholds) =>
            [
                .. Enumerable
                    .Range(0, parameters.RecallPoints.Count)
                    .Select(r =>
                        classes.Average(k => thresholds.Average(t => array[result.PrecisionIndex(t, r, k, area, most)]))
                    ),
            ];
        var curves = new List<PrecisionRecallCurve>();
        foreach (var (k, classes) in known.Select(k => (k, (int[])[k])).Prepend((-1, known)))
        {
            foreach (var (iou, thresholds) in classes.Length == 0 ? [] : shown)
            {
                curves.Add(
                    new(
                        k,
                        iou,
                        Read(result.Precision, classes, thresholds),
                        k < 0 || iou is null ? null : Read(result.Scores, classes, thresholds)
                    )
                );
            }
        }
        return curves;
    }
}
