using System.Buffers;

namespace DeqDet.Coco.Evaluation;

/// <summary>What became of a detection at one threshold and size range.</summary>
internal enum Outcome : byte
{
    Wrong,
    Right,
    Ignored,
}

/// <summary>Precision and recall of one class and size range from the outcomes of its ranked detections.</summary>
internal static class PrecisionCurves
{
    // The reference's guard against 0 / 0: the spacing of doubles at 1.
    private const double Epsilon = 2.220446049250313e-16;

    /// <summary>
    /// Fills the entries of class <paramref name="k"/> and size range <paramref name="a"/> in the arrays of the result.
    /// </summary>
    /// <param name="outcomes">[T, detections], in the order of <paramref name="plan"/>'s ranking.</param>
    /// <param name="positives">Boxes that can be missed; zero leaves the entries at -1.</param>
    public static void Fill(
        EvaluationResult result,
        ClassPlan plan,
        ReadOnlySpan<double> scores,
        ReadOnlySpan<Outcome> outcomes,
        int positives,
        int k,
        int a
    )
    {
        if (positives == 0)
        {
            return;
        }
        var count = plan.Ranked.Length;
        // Only boxes that can be missed are ever matched rightly, so there are at most that many right detections.
        var precision = ArrayPool<double>.Shared.Rent(positives);
        var score = ArrayPool<double>.Shared.Rent(positives);
        for (var t = 0; t < result.Parameters.IouThresholds.Count; t++)
        {
            var column = outcomes.Slice(t * count, count);
            for (var m = 0; m < result.Parameters.MaxDetections.Count; m++)
            {
                var right = Walk(plan, scores, column, result.Parameters.MaxDetections[m], precision, score);
                result.Recall[result.RecallIndex(t, k, a, m)] = right / (double)positives;
                for (var i = right - 2; i >= 0; i--)
                {
                    precision[i] = Math.Max(precision[i], precision[i + 1]);
                }
                ReadOff(result, precision.AsSpan(0, right), score, positives, t, k, a, m);
                if (count > 0)
                {
                    ReadFirst(result, plan, scores, t, k, a, m);
                }
            }
        }
        ArrayPool<double>.Shared.Return(precision);
        ArrayPool<double>.Shared.Return(score);
    }

    // Precision and score at each right detection; returns their number.
    private static int Walk(
        ClassPlan plan,
        ReadOnlySpan<double> scores,
        ReadOnlySpan<Outcome> outcomes,
        int most,
        double[] precision,
        double[] score
    )
    {
        var (right, seen) = (0, 0);
        var rank = plan.Rank.AsSpan(0, outcomes.Length);
        for (var i = 0; i < outcomes.Length; i++)
        {
            if (rank[i] >= most || outcomes[i] == Outcome.Ignored)
            {
                continue;
            }
            seen++;
            if (outcomes[i] == Outcome.Right)
            {
                score[right] = scores[plan.Ranked[i]];
                precision[right] = ++right / (seen + Epsilon);
            }
        }
        return right;
    }

    // At each recall point, the first right detection whose recall reaches it; 0 where none does. Recall only grows at right
    // detections, and so does not have to be looked at between them.
    private static void ReadOff(
        EvaluationResult result,
        ReadOnlySpan<double> precision,
        ReadOnlySpan<double> score,
        int positives,
        int t,
        int k,
        int a,
        int m
    )
    {
        var i = 0;
        for (var r = 0; r < result.Parameters.RecallPoints.Count; r++)
        {
            while (i < precision.Length && (i + 1) / (double)positives < result.Parameters.RecallPoints[r])
            {
                i++;
            }
            var index = result.PrecisionIndex(t, r, k, a, m);
            result.Precision[index] = i < precision.Length ? precision[i] : 0;
            result.Scores[index] = i < precision.Length ? score[i] : 0;
        }
    }

    // Recall 0 is reached by the very first detection, right or not.
    private static void ReadFirst(
        EvaluationResult result,
        ClassPlan plan,
        ReadOnlySpan<double> scores,
        int t,
        int k,
        int a,
        int m
    )
    {
        if (result.Parameters.RecallPoints[0] == 0)
        {
            result.Scores[result.PrecisionIndex(t, 0, k, a, m)] = scores[plan.Ranked[0]];
        }
    }
}
