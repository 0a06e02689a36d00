using DeqDet.Coco.Evaluation;

namespace DeqDet.Coco.Analysis;

/// <summary>
/// Which class was taken for which, at one score and IoU. Rows are classes of boxes, columns classes of detections; the last of either
/// is the background: a box in the last column was not found, a detection in the last row is on nothing. The diagonal holds the right
/// detections of the evaluation itself, so that a row adds up to the boxes of its class and a column to its detections.
/// </summary>
/// <param name="Score">Score from which detections count.</param>
/// <param name="Iou">IoU from which a detection is on a box.</param>
/// <param name="Classes">The classes without the background.</param>
/// <param name="Counts">Row by row, (classes + 1) squared.</param>
public sealed record ConfusionMatrix(double Score, double Iou, IReadOnlyList<ObjectClass> Classes, int[] Counts)
{
    /// <summary>Rows, and columns.</summary>
    public int Size => Classes.Count + 1;

    /// <summary>Boxes of a class that detections of a class are on; the background is the class behind the last.</summary>
    public int this[int boxClass, int detectedClass] => Counts[boxClass * Size + detectedClass];

    /// <summary>
    /// Counts. What the evaluation matched stays matched; then, by descending score, each wrong detection takes the free box of any
    /// class that it overlaps most, if that reaches the IoU.
    /// </summary>
    public static ConfusionMatrix Of(
        Judgement judgement,
        GroundTruth truth,
        Detections detections,
        double score,
        double iou
    )
    {
        var size = checked(judgement.Classes.Count + 1);
        var counts = new int[checked(size * size)];
        var background = size - 1;
        var images = judgement.Images.Count;
        var boxes = Judge.ByImage([.. judgement.BoxImage.Select((i, b) => judgement.ToBeFound[b] ? i : -1)], images);
        var found = Judge.ByImage(judgement.ImageOf, images);
        for (var i = 0; i < images; i++)
        {
            var free = new List<int>();
            foreach (var box in boxes.Class(i))
            {
                var by = judgement.FoundBy[box];
                if (by >= 0 && detections.Score[by] >= score)
                {
                    counts[judgement.BoxClass[box] * (size + 1)]++;
                }
                else
                {
                    free.Add(box);
                }
            }
            var wrong = new List<int>();
            foreach (var d in found.Class(i))
            {
                if (ErrorKinds.Of(judgement.Verdicts[d]) is not null && detections.Score[d] >= score)
                {
                    wrong.Add(d);
                }
            }
            foreach (var d in wrong.OrderByDescending(d => detections.Score[d]))
            {
                var box = Take(free, truth, detections, d, iou);
                counts[(box < 0 ? background : judgement.BoxClass[box]) * size + judgement.ClassOf[d]]++;
            }
            foreach (var box in free)
            {
                counts[judgement.BoxClass[box] * size + background]++;
            }
        }
        return new ConfusionMatrix(score, iou, judgement.Classes, counts);
    }

    // Removes and returns the free box of highest IoU (the first of equals), or -1.
    private static int Take(List<int> free, GroundTruth truth, Detections detections, int detection, double iou)
    {
        var (best, reached) = (-1, 0.0);
        for (var b = 0; b < free.Count; b++)
        {
            var overlap = BoxMatcher.Overlap(detections, detection, truth, free[b]);
            if (overlap >= iou && overlap > reached)
            {
                (best, reached) = (b, overlap);
            }
        }
        if (best < 0)
        {
            return -1;
        }
        var box = free[best];
        free.RemoveAt(best);
        return box;
    }
}
