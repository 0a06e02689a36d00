using DeqDet.Coco.Evaluation;

namespace DeqDet.Coco.Analysis;

/// <summary>
/// Detections and boxes with their verdicts at one IoU threshold. Columns of detections and of boxes are indexed as those of
/// <see cref="Detections"/> and <see cref="GroundTruth"/>; -1 stands for none. Matching is COCO's.
/// </summary>
public sealed class Judgement
{
    internal Judgement(IReadOnlyList<CocoId> images, IReadOnlyList<ObjectClass> classes, int detections, int boxes)
    {
        Images = images;
        Classes = classes;
        Ranked = new int[classes.Count][];
        Verdicts = new Verdict[detections];
        ClassOf = Filled(detections);
        ImageOf = Filled(detections);
        Target = Filled(detections);
        BoxClass = Filled(boxes);
        BoxImage = Filled(boxes);
        FoundBy = Filled(boxes);
        Heir = Filled(boxes);
        ToBeFound = new bool[boxes];
    }

    /// <summary>Ids of the evaluated images, ascending.</summary>
    public IReadOnlyList<CocoId> Images { get; }

    /// <summary>The evaluated classes.</summary>
    public IReadOnlyList<ObjectClass> Classes { get; }

    /// <summary>[K]: detections of each class by descending score, as COCO ranks them; only those that are evaluated.</summary>
    public int[][] Ranked { get; }

    /// <summary>Of each detection: what it turned out to be.</summary>
    public Verdict[] Verdicts { get; }

    /// <summary>Of each detection: its class, a position in <see cref="Classes"/>.</summary>
    public int[] ClassOf { get; }

    /// <summary>Of each detection: its image, a position in <see cref="Images"/>.</summary>
    public int[] ImageOf { get; }

    /// <summary>
    /// Of each detection: the box that it has found (right), that it would be right for with the right class or place, or by which
    /// it is ignored.
    /// </summary>
    public int[] Target { get; }

    /// <summary>Of each box: its class.</summary>
    public int[] BoxClass { get; }

    /// <summary>Of each box: its image.</summary>
    public int[] BoxImage { get; }

    /// <summary>Of each box: whether it is evaluated and can be missed (crowds and boxes of other sizes cannot).</summary>
    public bool[] ToBeFound { get; }

    /// <summary>Of each box to be found: the right detection.</summary>
    public int[] FoundBy { get; }

    /// <summary>
    /// Of each box that was not found: the surest of the detections whose class or place is wrong and that would have found it
    /// otherwise. Boxes without one are missed.
    /// </summary>
    public int[] Heir { get; }

    /// <summary>Whether a box counts as <see cref="ErrorKind.Missed"/>.</summary>
    public bool IsMissed(int box) => ToBeFound[box] && FoundBy[box] < 0 && Heir[box] < 0;

    /// <summary>Whether a detection counts as right or wrong.</summary>
    public bool Counts(int detection) => Verdicts[detection] >= Verdict.Right;

    private static int[] Filled(int length)
    {
        var column = new int[length];
        Array.Fill(column, -1);
        return column;
    }
}
