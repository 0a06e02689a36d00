namespace DeqDet.Coco.Analysis;

/// <summary>Average precision of a ranked list, read as <see cref="Evaluation.PrecisionCurves"/> reads it.</summary>
internal static class RankedCurve
{
    // The guard against 0 / 0 of the COCO evaluation.
    private const double Epsilon = 2.220446049250313e-16;

    /// <summary>The mean of interpolated precision over the recall points.</summary>
    /// <param name="right">By descending score: whether the detection is right.</param>
    /// <param name="positives">Boxes to be found, at least 1.</param>
    /// <param name="recallPoints">Ascending.</param>
    public static double AveragePrecision(ReadOnlySpan<bool> right, int positives, IReadOnlyList<double> recallPoints)
    {
        var precision = new double[right.Count(true)];
        var hits = 0;
        for (var i = 0; i < right.Length; i++)
        {
            if (right[i])
            {
                precision[hits] = ++hits / (i + 1 + Epsilon);
            }
        }
        for (var i = hits - 2; i >= 0; i--)
        {
            precision[i] = Math.Max(precision[i], precision[i + 1]);
        }
        var (sum, next) = (0.0, 0);
        foreach (var point in recallPoints)
        {
            while (next < hits && (next + 1) / (double)positives < point)
            {
                next++;
            }
            sum += next < hits ? precision[next] : 0;
        }
        return sum / recallPoints.Count;
    }
}
