namespace DeqDet.Coco.Evaluation;

/// <summary>
/// Who was matched with whom in one image, for one class and size range, at every IoU threshold.
/// Detections stand by descending score, boxes in the order in which they are offered: ignored ones last.
/// </summary>
/// <param name="CategoryId">Id of the class; -1 in a class-agnostic evaluation.</param>
/// <param name="Found">Indices of the detections.</param>
/// <param name="Boxes">Indices of the boxes of the ground truth.</param>
/// <param name="BoxIgnored">Boxes that cannot be missed: crowds, and sizes out of range.</param>
/// <param name="Partner">[T][detection]: position in <paramref name="Boxes"/>, or -1.</param>
/// <param name="FoundIgnored">[T][detection]: counts neither as right nor as wrong.</param>
/// <param name="BoxPartner">[T][box]: position in <paramref name="Found"/> (of a crowd the last one), or -1.</param>
public sealed record ImageMatches(
    CocoId ImageId,
    CocoId CategoryId,
    AreaRange Range,
    int[] Found,
    int[] Boxes,
    bool[] BoxIgnored,
    int[][] Partner,
    bool[][] FoundIgnored,
    int[][] BoxPartner
)
{
    internal static ImageMatches Of(
        BoxMatcher matcher,
        CocoId imageId,
        CocoId categoryId,
        AreaRange range,
        int thresholds,
        Detections detections
    )
    {
        var found = matcher.Found.ToArray();
        var boxes = matcher.Boxes.ToArray();
        var ignored = matcher.Ignored.ToArray();
        var offered = Enumerable.Range(0, boxes.Length).OrderBy(b => ignored[b]).ToArray();
        var position = new int[boxes.Length];
        for (var i = 0; i < offered.Length; i++)
        {
            position[offered[i]] = i;
        }
        var partner = new int[thresholds][];
        var foundIgnored = new bool[thresholds][];
        var boxPartner = new int[thresholds][];
        for (var t = 0; t < thresholds; t++)
        {
            var raw = matcher.Partners(t).ToArray();
            var rawOfBoxes = matcher.BoxPartners(t).ToArray();
            partner[t] = [.. raw.Select(b => b == BoxMatcher.NoPartner ? b : position[b])];
            foundIgnored[t] =
            [
                .. raw.Select(
                    (b, f) =>
                        b == BoxMatcher.NoPartner
                            ? range.Excludes(detections.Width[found[f]] * detections.Height[found[f]])
                            : ignored[b]
                ),
            ];
            boxPartner[t] = [.. offered.Select(b => rawOfBoxes[b])];
        }
        return new ImageMatches(
            imageId,
            categoryId,
            range,
            found,
            [.. offered.Select(b => boxes[b])],
            [.. offered.Select(b => ignored[b])],
            partner,
            foundIgnored,
            boxPartner
        );
    }
}
