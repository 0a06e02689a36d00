namespace DeqDet.Coco.Evaluation;

/// <summary>
/// Matches the detections of one image and class with its boxes, at every IoU threshold. Holds scratch memory: one for each thread.
/// The rules: detections choose in the order of their scores; each takes the free box of highest IoU (the later one of equals) that
/// reaches the threshold; ignored boxes (crowds, sizes out of range) only when no other is left; a crowd can be taken many times.
/// </summary>
internal sealed class BoxMatcher(GroundTruth truth, Detections detections, IReadOnlyList<double> iouThresholds)
{
    public const int NoPartner = -1;

    // A threshold of exactly 1 would lose perfect overlaps to rounding; the reference lowers it by this much.
    private readonly double[] thresholds = [.. iouThresholds.Select(t => Math.Min(t, 1 - 1e-10))];

    private int[] found = [];
    private int[] boxes = [];
    private bool[] crowd = [];
    private bool[] ignored = [];
    private int[] candidateStart = [];
    private int[] candidateBox = [];
    private double[] candidateIou = [];
    private int[] partner = [];
    private int[] boxPartner = [];
    private int foundCount;
    private int boxCount;

    /// <summary>Indices of the detections loaded, by descending score.</summary>
    public ReadOnlySpan<int> Found => found.AsSpan(0, foundCount);

    /// <summary>Indices of the boxes loaded, in the order of the file.</summary>
    public ReadOnlySpan<int> Boxes => boxes.AsSpan(0, boxCount);

    /// <summary>Boxes (positions among those loaded) that cannot be missed in the size range matched last.</summary>
    public ReadOnlySpan<bool> Ignored => ignored.AsSpan(0, boxCount);

    /// <summary>The box of each detection at a threshold, or <see cref="NoPartner"/>.</summary>
    public ReadOnlySpan<int> Partners(int threshold) => partner.AsSpan(threshold * foundCount, foundCount);

    /// <summary>The detection of each box at a threshold (the last of several on a crowd), or <see cref="NoPartner"/>.</summary>
    public ReadOnlySpan<int> BoxPartners(int threshold) => boxPartner.AsSpan(threshold * boxCount, boxCount);

    /// <summary>
    /// Takes the detections and boxes of a cell. False when none overlap enough for the lowest threshold.
    /// </summary>
    public bool Load(ClassPlan plan, Cell cell)
    {
        foundCount = cell.FoundCount;
        boxCount = cell.BoxCount;
        Reserve(ref found, foundCount);
        Reserve(ref boxes, boxCount);
        Reserve(ref crowd, boxCount);
        Reserve(ref ignored, boxCount);
        Reserve(ref candidateStart, foundCount + 1);
        Reserve(ref partner, thresholds.Length * foundCount);
        Reserve(ref boxPartner, thresholds.Length * boxCount);
        for (var f = 0; f < foundCount; f++)
        {
            found[f] = plan.Ranked[plan.InCell[cell.FoundStart + f]];
        }
        for (var b = 0; b < boxCount; b++)
        {
            boxes[b] = plan.Boxes[cell.BoxStart + b];
            crowd[b] = truth.IsCrowd[boxes[b]];
        }
        return FindCandidates();
    }

    /// <summary>Matches what was loaded, for objects of one size range.</summary>
    public void Match(AreaRange range)
    {
        for (var b = 0; b < boxCount; b++)
        {
            ignored[b] = crowd[b] || range.Excludes(truth.Area[boxes[b]]);
        }
        partner.AsSpan(0, thresholds.Length * foundCount).Fill(NoPartner);
        boxPartner.AsSpan(0, thresholds.Length * boxCount).Fill(NoPartner);
        for (var t = 0; t < thresholds.Length; t++)
        {
            var taken = boxPartner.AsSpan(t * boxCount, boxCount);
            for (var f = 0; f < foundCount; f++)
            {
                if (candidateStart[f] == candidateStart[f + 1])
                {
                    continue;
                }
                var best = Best(f, thresholds[t], taken, wantIgnored: false);
                best = best == NoPartner ? Best(f, thresholds[t], taken, wantIgnored: true) : best;
                partner[(t * foundCount) + f] = best;
                if (best != NoPartner)
                {
                    taken[best] = f;
                }
            }
        }
    }

    private bool FindCandidates()
    {
        var lowest = thresholds.Min();
        var count = 0;
        for (var f = 0; f < foundCount; f++)
        {
            candidateStart[f] = count;
            Reserve(ref candidateBox, count + boxCount);
            Reserve(ref candidateIou, count + boxCount);
            for (var b = 0; b < boxCount; b++)
            {
                var iou = Overlap(detections, found[f], truth, boxes[b]);
                if (iou >= lowest)
                {
                    candidateBox[count] = b;
                    candidateIou[count++] = iou;
                }
            }
        }
        candidateStart[foundCount] = count;
        return count > 0;
    }

    private int Best(int detection, double threshold, ReadOnlySpan<int> taken, bool wantIgnored)
    {
        var best = NoPartner;
        var reached = threshold;
        for (var c = candidateStart[detection]; c < candidateStart[detection + 1]; c++)
        {
            var box = candidateBox[c];
            if (ignored[box] == wantIgnored && candidateIou[c] >= reached && (taken[box] == NoPartner || crowd[box]))
            {
                best = box;
                reached = candidateIou[c];
            }
        }
        return best;
    }

    /// <summary>
    /// Intersection over union; with a crowd, over the detection's own area. Written as the reference computes it, operation by operation.
    /// </summary>
    internal static double Overlap(Detections detections, int d, GroundTruth truth, int g)
    {
        var width =
            Math.Min(detections.Width[d] + detections.X[d], truth.Width[g] + truth.X[g])
            - Math.Max(detections.X[d], truth.X[g]);
        if (width <= 0)
        {
            return 0;
        }
        var height =
            Math.Min(detections.Height[d] + detections.Y[d], truth.Height[g] + truth.Y[g])
            - Math.Max(detections.Y[d], truth.Y[g]);
        if (height <= 0)
        {
            return 0;
        }
        var intersection = width * height;
        var area = detections.Width[d] * detections.Height[d];
        return intersection / (truth.IsCrowd[g] ? area : area + (truth.Width[g] * truth.Height[g]) - intersection);
    }

    private static void Reserve<T>(ref T[] array, int length)
    {
        if (array.Length < length)
        {
            Array.Resize(ref array, Math.Max(length, array.Length * 2));
        }
    }
}
