using DeqDet.Coco.Evaluation;

namespace DeqDet.Coco.Analysis;

/// <summary>What is imagined to be mended: nothing, one kind of mistake, or all false positives or negatives.</summary>
internal readonly record struct Repair(ErrorKind? Kind, bool FalsePositives, bool FalseNegatives)
{
    public static Repair Nothing => default;
    public static Repair AllFalsePositives => new(null, true, false);
    public static Repair AllFalseNegatives => new(null, false, true);

    public static Repair Only(ErrorKind kind) => new(kind, false, false);
}

/// <summary>
/// The ranked detections of every class together with those that would come to it if their class were mended, so that each repair is
/// one walk through a list that is already sorted.
/// </summary>
internal sealed class Mending
{
    private readonly record struct Slot(int Detection, ErrorKind? Error, bool IsHeir, bool IsArrival);

    private readonly record struct Class(Slot[] Slots, int Boxes, int Found, int Missed);

    private readonly Class[] classes;
    private readonly IReadOnlyList<double> recallPoints;

    private Mending(Class[] classes, IReadOnlyList<double> recallPoints)
    {
        this.classes = classes;
        this.recallPoints = recallPoints;
    }

    public static Mending Of(Judgement judgement, Detections detections, IReadOnlyList<double> recallPoints)
    {
        var slots = judgement.Classes.Select(_ => new List<Slot>()).ToArray();
        var (boxes, found, missed) = (new int[slots.Length], new int[slots.Length], new int[slots.Length]);
        for (var k = 0; k < slots.Length; k++)
        {
            foreach (var d in judgement.Ranked[k].Where(judgement.Counts))
            {
                var target = judgement.Target[d];
                var heir = target >= 0 && judgement.Heir[target] == d;
                slots[k].Add(new Slot(d, ErrorKinds.Of(judgement.Verdicts[d]), heir, false));
            }
        }
        for (var b = 0; b < judgement.ToBeFound.Length; b++)
        {
            if (!judgement.ToBeFound[b])
            {
                continue;
            }
            var (k, heir) = (judgement.BoxClass[b], judgement.Heir[b]);
            boxes[k]++;
            found[k] += judgement.FoundBy[b] >= 0 ? 1 : 0;
            missed[k] += judgement.IsMissed(b) ? 1 : 0;
            if (heir >= 0 && judgement.Verdicts[heir] == Verdict.WrongClass)
            {
                slots[k].Add(new Slot(heir, null, false, true));
            }
        }
        return new Mending(
            [
                .. slots.Select(
                    (list, k) => new Class(Sorted(list, judgement, detections), boxes[k], found[k], missed[k])
                ),
            ],
            recallPoints
        );
    }

    /// <summary>
    /// The mean over classes, -1 without a box to be found. A class that has no boxes left after the correction keeps an AP of 0 if it has
    /// detections and is ignored otherwise; the mean over no classes at all is 1. (TIDE's rule.)
    /// </summary>
    public double AveragePrecision(Repair repair)
    {
        var (sum, count, any) = (0.0, 0, false);
        foreach (var entry in classes.Where(entry => entry.Boxes > 0))
        {
            any = true;
            var right = Walk(entry, repair);
            var positives =
                repair.FalseNegatives ? entry.Found
                : repair.Kind == ErrorKind.Missed ? entry.Boxes - entry.Missed
                : entry.Boxes;
            if (positives == 0 && right.Length == 0)
            {
                continue;
            }
            sum += positives == 0 ? 0 : RankedCurve.AveragePrecision(right, positives, recallPoints);
            count++;
        }
        return !any ? -1
            : count == 0 ? 1
            : sum / count;
    }

    // Right or wrong by descending score; detections that the repair takes away are not in it.
    private static bool[] Walk(Class entry, Repair repair)
    {
        var right = new List<bool>(entry.Slots.Length);
        foreach (var slot in entry.Slots)
        {
            if (slot.IsArrival)
            {
                if (repair.Kind == ErrorKind.WrongClass)
                {
                    right.Add(true);
                }
            }
            else if (slot.Error is not { } error)
            {
                right.Add(true);
            }
            else if (error != repair.Kind)
            {
                // A false positive behind all right ones is as good as none.
                if (!repair.FalsePositives)
                {
                    right.Add(false);
                }
            }
            else if (error == ErrorKind.BadlyPlaced && slot.IsHeir)
            {
                right.Add(true);
            }
        }
        return [.. right];
    }

    // The ranking stays; arrivals go where their score puts them (equal scores: by image, then by the order of the file).
    private static Slot[] Sorted(List<Slot> slots, Judgement judgement, Detections detections)
    {
        var arrivals = slots.Where(slot => slot.IsArrival).ToList();
        if (arrivals.Count == 0)
        {
            return [.. slots];
        }
        var keys = new (double, int, int)[slots.Count];
        for (var i = 0; i < keys.Length; i++)
        {
            var d = slots[i].Detection;
            keys[i] = (-detections.Score[d], judgement.ImageOf[d], d);
        }
        var sorted = slots.ToArray();
        Array.Sort(keys, sorted);
        return sorted;
    }
}
