using DeqDet.Coco.Evaluation;

namespace DeqDet.Coco.Analysis;

/// <summary>The score from which detections of a class are taken.</summary>
/// <param name="Score">The score.</param>
/// <param name="F1">F1 of the class from there on; null where the class had nothing to go by, and the score is that of all classes together.</param>
public readonly record struct ClassThreshold(double Score, double? F1)
{
    /// <summary>
    /// The scores at which the F1 of each class is highest (the highest such score), at an IoU of 0.5, in the order of <paramref name="classes"/>. A class without a
    /// right detection, for which any score is as good, gets the score at which the F1 of all classes together is highest. Null where no detection is right.
    /// </summary>
    public static IReadOnlyList<ClassThreshold>? Of(
        GroundTruth truth,
        Detections detections,
        IReadOnlyList<ObjectClass> classes
    )
    {
        var judgement = Judge.Decide(truth, detections, EvaluationParameters.Coco, AnalysisParameters.Default);
        var all = OperatingPoint.Of(judgement, detections, score: null);
        if (all.Right == 0)
        {
            return null;
        }
        var points = OperatingPoint
            .OfClasses(judgement, detections)
            .Zip(judgement.Classes)
            .ToDictionary(pair => pair.Second.Id, pair => pair.First);
        return
        [
            .. classes.Select(c =>
                points.TryGetValue(c.Id, out var point) && point.Right > 0
                    ? new ClassThreshold(point.Score, point.F1)
                    : new ClassThreshold(all.Score, null)
            ),
        ];
    }
}
