using DeqDet.Coco.Evaluation;

namespace DeqDet.Coco.Analysis;

/// <summary>The evaluation of the images that hold a certain number of objects (boxes to be found of all evaluated classes).</summary>
/// <param name="From">Least number of objects.</param>
/// <param name="To">Largest number; null for the last, open bin.</param>
/// <param name="Images">Images in the bin.</param>
/// <param name="Boxes">Boxes to be found in them.</param>
/// <param name="AveragePrecision">Mean over the IoU thresholds and classes, objects of all sizes; -1 without a box.</param>
/// <param name="AveragePrecisionAtIou">The same at the analysis' IoU alone.</param>
/// <param name="AverageRecall">Mean of the highest recalls.</param>
public sealed record CrowdingBin(
    int From,
    int? To,
    int Images,
    int Boxes,
    double AveragePrecision,
    double AveragePrecisionAtIou,
    double AverageRecall
)
{
    /// <summary>Evaluates the images of each bin by themselves, as COCO would evaluate a set that had only these.</summary>
    public static IReadOnlyList<CrowdingBin> Of(
        Judgement judgement,
        GroundTruth truth,
        Detections detections,
        EvaluationParameters parameters,
        AnalysisParameters analysis
    )
    {
        var objects = new int[judgement.Images.Count];
        for (var b = 0; b < judgement.ToBeFound.Length; b++)
        {
            if (judgement.ToBeFound[b])
            {
                objects[judgement.BoxImage[b]]++;
            }
        }
        // The last threshold is the analysis' own.
        var plain = parameters with
        {
            IouThresholds = [.. parameters.IouThresholds, analysis.Iou],
            AreaRanges = [.. parameters.AreaRanges.Where(r => r.Label == AreaRange.All)],
            MaxDetections = [parameters.MaxDetections.Max()],
        };
        var bins = new List<CrowdingBin>();
        for (var i = 0; i < analysis.CrowdingBounds.Count; i++)
        {
            var from = analysis.CrowdingBounds[i];
            int? to = i + 1 < analysis.CrowdingBounds.Count ? analysis.CrowdingBounds[i + 1] - 1 : null;
            var members = Enumerable
                .Range(0, objects.Length)
                .Where(image => objects[image] >= from && !(objects[image] > to))
                .ToArray();
            if (members.Length == 0)
            {
                bins.Add(new(from, to, 0, 0, -1, -1, -1));
                continue;
            }
            var ids = members.Select(image => judgement.Images[image]).ToArray();
            var result = Evaluator.Evaluate(truth, detections, plain with { ImageIds = ids });
            var (precisions, recalls) = (
                result.Precision.Length / plain.IouThresholds.Count,
                result.Recall.Length / plain.IouThresholds.Count
            );
            bins.Add(
                new(
                    from,
                    to,
                    members.Length,
                    members.Sum(image => objects[image]),
                    Mean(result.Precision[..^precisions]),
                    Mean(result.Precision[^precisions..]),
                    Mean(result.Recall[..^recalls])
                )
            );
        }
        return bins;
    }

    private static double Mean(double[] values) => values.Where(v => v > -1).DefaultIfEmpty(-1).Average();
}
