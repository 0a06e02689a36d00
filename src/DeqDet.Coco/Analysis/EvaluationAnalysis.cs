using DeqDet.Coco.Evaluation;

namespace DeqDet.Coco.Analysis;

/// <summary>What lies behind an average precision, as data.</summary>
/// <param name="Parameters">The thresholds that were used.</param>
/// <param name="Judgement">What every detection and box turned out to be.</param>
/// <param name="Point">The score from which detections are counted one by one, and how good the detector is there.</param>
/// <param name="Errors">The kinds of mistakes and what mending them would give.</param>
/// <param name="Classes">Every class at the operating point.</param>
/// <param name="Confusion">Which class was taken for which.</param>
/// <param name="Curves">Precision over recall.</param>
/// <param name="Crowding">Average precision by number of objects in an image.</param>
/// <param name="Images">All images, the worst first.</param>
public sealed record EvaluationAnalysis(
    AnalysisParameters Parameters,
    Judgement Judgement,
    OperatingPoint Point,
    ErrorBreakdown Errors,
    IReadOnlyList<ClassMistakes> Classes,
    ConfusionMatrix Confusion,
    IReadOnlyList<PrecisionRecallCurve> Curves,
    IReadOnlyList<CrowdingBin> Crowding,
    IReadOnlyList<ImageMistakes> Images
)
{
    /// <summary>
    /// Analyses what was evaluated: a pure function. <paramref name="result"/> is the evaluation of the same boxes and detections.
    /// </summary>
    public static EvaluationAnalysis Of(
        GroundTruth truth,
        Detections detections,
        EvaluationResult result,
        AnalysisParameters analysis
    )
    {
        var parameters = result.Parameters;
        var judgement = Judge.Decide(truth, detections, parameters, analysis);
        var point = OperatingPoint.Of(judgement, detections, analysis.Score);
        return new EvaluationAnalysis(
            analysis,
            judgement,
            point,
            ErrorBreakdown.Of(judgement, detections, parameters, analysis, point.Score),
            ClassMistakes.Of(judgement, detections, point.Score),
            ConfusionMatrix.Of(judgement, truth, detections, point.Score, analysis.Iou),
            PrecisionRecallCurve.Of(result),
            CrowdingBin.Of(judgement, truth, detections, parameters, analysis),
            ImageMistakes.WorstFirst(judgement, detections, point.Score)
        );
    }
}
