using DeqDet.Coco.Evaluation;

namespace DeqDet.Coco.Analysis;

/// <summary>What a detector does when only detections from a score on are taken, all classes together.</summary>
/// <param name="Score">The score.</param>
/// <param name="Right">Right detections.</param>
/// <param name="Wrong">Wrong detections.</param>
/// <param name="Missed">Boxes to be found that were not.</param>
/// <param name="IsChosen">Whether the score was asked for; else it is that of the highest F1.</param>
public readonly record struct OperatingPoint(double Score, int Right, int Wrong, int Missed, bool IsChosen)
{
    /// <summary>Right ones among the detections; 0 without detections.</summary>
    public double Precision => Ratio(Right, Right + Wrong);

    /// <summary>Boxes found among those to be found; 0 without boxes.</summary>
    public double Recall => Ratio(Right, Right + Missed);

    /// <summary>The harmonic mean of precision and recall: 2 right / (2 right + wrong + missed).</summary>
    public double F1 => Ratio(2L * Right, 2L * Right + Wrong + Missed);

    /// <summary>The point at a score, or at the score of the highest F1 (the highest such score) for null.</summary>
    public static OperatingPoint Of(Judgement judgement, Detections detections, double? score)
    {
        var boxes = judgement.ToBeFound.Count(wanted => wanted);
        if (score is { } chosen)
        {
            var (right, wrong) = (0, 0);
            for (var d = 0; d < detections.Count; d++)
            {
                if (judgement.Counts(d) && detections.Score[d] >= chosen)
                {
                    right += judgement.Verdicts[d] == Verdict.Right ? 1 : 0;
                    wrong += judgement.Verdicts[d] == Verdict.Right ? 0 : 1;
                }
            }
            return new(chosen, right, wrong, boxes - right, true);
        }
        return Best(judgement, detections, [.. Enumerable.Range(0, detections.Count)], boxes);
    }

    /// <summary>The point of the highest F1 among detections and boxes of each class by itself, in the order of the judgement's classes.</summary>
    public static IReadOnlyList<OperatingPoint> OfClasses(Judgement judgement, Detections detections)
    {
        var boxes = new int[judgement.Classes.Count];
        for (var box = 0; box < judgement.ToBeFound.Length; box++)
        {
            if (judgement.ToBeFound[box])
            {
                boxes[judgement.BoxClass[box]]++;
            }
        }
        return [.. judgement.Ranked.Select((ranked, k) => Best(judgement, detections, ranked, boxes[k]))];
    }

    private static OperatingPoint Best(Judgement judgement, Detections detections, int[] candidates, int boxes)
    {
        var counted = candidates.Where(judgement.Counts).ToArray();
        var keys = new double[counted.Length];
        for (var i = 0; i < keys.Length; i++)
        {
            keys[i] = -detections.Score[counted[i]];
        }
        Array.Sort(keys, counted);
        var best = new OperatingPoint(keys.Length == 0 ? 0 : -keys[0], 0, 0, boxes, false);
        var right = 0;
        for (var i = 0; i < counted.Length; i++)
        {
            right += judgement.Verdicts[counted[i]] == Verdict.Right ? 1 : 0;
            // Equal scores are taken together: no threshold separates them.
            if (i + 1 < keys.Length && keys[i + 1] == keys[i])
            {
                continue;
            }
            var point = new OperatingPoint(-keys[i], right, i + 1 - right, boxes - right, false);
            best = i == 0 || keys[i] == keys[0] || point.F1 > best.F1 ? point : best;
        }
        return best;
    }

    private static double Ratio(long part, long whole) => whole == 0 ? 0 : part / (double)whole;
}
