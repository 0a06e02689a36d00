using DeqDet.Coco.Evaluation;

namespace DeqDet.Coco.Analysis;

/// <summary>One class at the operating point.</summary>
/// <param name="Class">Position among the evaluated classes.</param>
/// <param name="Right">Right detections of the class.</param>
/// <param name="Wrong">Wrong detections of the class by kind, in the order of <see cref="ErrorKinds.All"/> (none is missed).</param>
/// <param name="Unfound">Boxes of the class that were not found.</param>
public sealed record ClassMistakes(int Class, int Right, IReadOnlyList<int> Wrong, int Unfound)
{
    /// <summary>All classes, in their order.</summary>
    public static IReadOnlyList<ClassMistakes> Of(Judgement judgement, Detections detections, double score)
    {
        var classes = judgement.Classes.Count;
        var (right, unfound) = (new int[classes], new int[classes]);
        var wrong = judgement.Classes.Select(_ => new int[ErrorKinds.All.Count]).ToArray();
        for (var d = 0; d < detections.Count; d++)
        {
            if (!judgement.Counts(d) || detections.Score[d] < score)
            {
                continue;
            }
            var k = judgement.ClassOf[d];
            if (ErrorKinds.Of(judgement.Verdicts[d]) is { } kind)
            {
                wrong[k][(int)kind]++;
            }
            else
            {
                right[k]++;
            }
        }
        for (var b = 0; b < judgement.ToBeFound.Length; b++)
        {
            if (judgement.ToBeFound[b])
            {
                unfound[judgement.BoxClass[b]]++;
            }
        }
        return [.. right.Select((hits, k) => new ClassMistakes(k, hits, wrong[k], unfound[k] - hits))];
    }
}
