using DeqDet.Coco.Evaluation;

namespace DeqDet.Coco.Analysis;

/// <summary>One kind of mistake.</summary>
/// <param name="Kind">Which.</param>
/// <param name="Count">How many there are among all evaluated detections, or boxes.</param>
/// <param name="CountAtScore">How many there are when only detections from the score of the operating point on are looked at.</param>
/// <param name="Gain">Average precision (0 to 1) that would be gained if only this kind were mended: TIDE's dAP.</param>
public readonly record struct ErrorShare(ErrorKind Kind, int Count, int CountAtScore, double Gain);

/// <summary>What stands between a detector and a perfect one, at one IoU threshold.</summary>
/// <param name="Iou">IoU from which a detection is right.</param>
/// <param name="BackgroundIou">IoU up to which a detection lies on the background.</param>
/// <param name="MaxDetections">Detections of an image and class that are looked at.</param>
/// <param name="AveragePrecision">The mean over classes at this IoU (0 to 1), nothing mended; -1 without a box to be found.</param>
/// <param name="Errors">One entry a kind, in the order of <see cref="ErrorKinds.All"/>.</param>
/// <param name="FalsePositivesGain">Gained if every wrong detection were ranked behind all right ones.</param>
/// <param name="FalseNegativesGain">Gained if no box were left unfound, at unchanged precision.</param>
public sealed record ErrorBreakdown(
    double Iou,
    double BackgroundIou,
    int MaxDetections,
    double AveragePrecision,
    IReadOnlyList<ErrorShare> Errors,
    double FalsePositivesGain,
    double FalseNegativesGain
)
{
    /// <summary>The entry of a kind.</summary>
    public ErrorShare this[ErrorKind kind] => Errors[(int)kind];

    /// <summary>Counts the mistakes of a judgement and computes what mending each kind would give.</summary>
    public static ErrorBreakdown Of(
        Judgement judgement,
        Detections detections,
        EvaluationParameters parameters,
        AnalysisParameters analysis,
        double score
    )
    {
        var (all, some) = (new int[ErrorKinds.All.Count], new int[ErrorKinds.All.Count]);
        // Boxes that a detection from the score on would find, were its class or place right.
        var near = new bool[judgement.ToBeFound.Length];
        for (var d = 0; d < detections.Count; d++)
        {
            if (ErrorKinds.Of(judgement.Verdicts[d]) is not { } kind)
            {
                continue;
            }
            var counts = detections.Score[d] >= score;
            all[(int)kind]++;
            some[(int)kind] += counts ? 1 : 0;
            if (counts && judgement.Target[d] >= 0)
            {
                near[judgement.Target[d]] = true;
            }
        }
        for (var b = 0; b < near.Length; b++)
        {
            var found = judgement.FoundBy[b] >= 0 && detections.Score[judgement.FoundBy[b]] >= score;
            all[(int)ErrorKind.Missed] += judgement.IsMissed(b) ? 1 : 0;
            some[(int)ErrorKind.Missed] += judgement.ToBeFound[b] && !found && !near[b] ? 1 : 0;
        }
        var mending = Mending.Of(judgement, detections, parameters.RecallPoints);
        var plain = mending.AveragePrecision(Repair.Nothing);
        double Gain(Repair repair) => plain < 0 ? 0 : mending.AveragePrecision(repair) - plain;
        return new ErrorBreakdown(
            analysis.Iou,
            analysis.BackgroundIou,
            parameters.MaxDetections[^1],
            plain,
            [
                .. ErrorKinds.All.Select(kind => new ErrorShare(
                    kind,
                    all[(int)kind],
                    some[(int)kind],
                    Gain(Repair.Only(kind))
                )),
            ],
            Gain(Repair.AllFalsePositives),
            Gain(Repair.AllFalseNegatives)
        );
    }
}
