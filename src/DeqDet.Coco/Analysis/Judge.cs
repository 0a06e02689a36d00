using DeqDet.Coco.Evaluation;

namespace DeqDet.Coco.Analysis;

/// <summary>Classifies every detection by TIDE's definitions, and finds the detection that each box is matched with.</summary>
public static class Judge
{
    /// <summary>
    /// Matches by COCO's rules at the given IoU among boxes of all sizes, then classifies what is left. Pure; raises
    /// <see cref="InputError"/> as <see cref="Evaluator"/> does.
    /// </summary>
    public static Judgement Decide(
        GroundTruth truth,
        Detections detections,
        EvaluationParameters parameters,
        AnalysisParameters analysis
    )
    {
        parameters = parameters.Checked();
        analysis = analysis.Checked();
        var selection = new Selection(truth, detections, parameters);
        ObjectClass[] classes = parameters.ClassAgnostic ? [new ObjectClass(-1, "all classes")] : selection.Categories;
        var judgement = new Judgement(selection.Images, classes, detections.Count, truth.Count);
        var range = parameters.AreaRanges.First(r => r.Label == AreaRange.All);
        Parallel.For(
            0,
            classes.Length,
            () => new BoxMatcher(truth, detections, [analysis.Iou]),
            (k, _, matcher) =>
            {
                var plan = ClassPlan.Build(selection, detections, k, parameters.MaxDetections[^1]);
                judgement.Ranked[k] = plan.Ranked;
                foreach (var cell in plan.Cells)
                {
                    matcher.Load(plan, cell);
                    matcher.Match(range);
                    Record(judgement, matcher, k, cell.Image, range, detections);
                }
                return matcher;
            },
            _ => { }
        );
        Classify(judgement, truth, detections, analysis);
        return judgement;
    }

    // The matches of one cell; wrong detections are called Background until they are looked at closely.
    private static void Record(
        Judgement judgement,
        BoxMatcher matcher,
        int k,
        int image,
        AreaRange range,
        Detections detections
    )
    {
        for (var b = 0; b < matcher.Boxes.Length; b++)
        {
            var box = matcher.Boxes[b];
            (judgement.BoxClass[box], judgement.BoxImage[box]) = (k, image);
            judgement.ToBeFound[box] = !matcher.Ignored[b];
        }
        var partners = matcher.Partners(0);
        for (var f = 0; f < partners.Length; f++)
        {
            var detection = matcher.Found[f];
            (judgement.ClassOf[detection], judgement.ImageOf[detection]) = (k, image);
            if (partners[f] == BoxMatcher.NoPartner)
            {
                var area = detections.Width[detection] * detections.Height[detection];
                judgement.Verdicts[detection] = range.Excludes(area) ? Verdict.Ignored : Verdict.Background;
                continue;
            }
            var partner = matcher.Boxes[partners[f]];
            judgement.Target[detection] = partner;
            judgement.Verdicts[detection] = matcher.Ignored[partners[f]] ? Verdict.Ignored : Verdict.Right;
            if (judgement.ToBeFound[partner])
            {
                judgement.FoundBy[partner] = detection;
            }
        }
    }

    private static void Classify(
        Judgement judgement,
        GroundTruth truth,
        Detections detections,
        AnalysisParameters analysis
    )
    {
        var images = judgement.Images.Count;
        var boxes = ByImage([.. judgement.BoxImage.Select((i, b) => judgement.ToBeFound[b] ? i : -1)], images);
        var found = ByImage(judgement.ImageOf, images);
        for (var i = 0; i < images; i++)
        {
            foreach (var detection in found.Class(i))
            {
                if (judgement.Verdicts[detection] == Verdict.Background)
                {
                    Classify(judgement, truth, detections, analysis, detection, boxes.Class(i));
                }
            }
        }
    }

    /// <summary>
    /// TIDE's conditions in TIDE's order: the first that holds decides. The bounds are
    /// those of its published code, which includes both ends of a range.
    /// </summary>
    private static void Classify(
        Judgement judgement,
        GroundTruth truth,
        Detections detections,
        AnalysisParameters analysis,
        int detection,
        ReadOnlySpan<int> boxes
    )
    {
        var (same, other) = (new Nearest(), new Nearest());
        var taken = 0.0;
        foreach (var box in boxes)
        {
            var iou = BoxMatcher.Overlap(detections, detection, truth, box);
            if (judgement.BoxClass[box] != judgement.ClassOf[detection])
            {
                other = other.Or(box, iou);
                continue;
            }
            same = same.Or(box, iou);
            taken = judgement.FoundBy[box] >= 0 ? Math.Max(taken, iou) : taken;
        }
        var (verdict, target) =
            same.Iou >= analysis.BackgroundIou && same.Iou <= analysis.Iou ? (Verdict.BadlyPlaced, same.Box)
            : other.Iou >= analysis.Iou ? (Verdict.WrongClass, other.Box)
            : taken >= analysis.Iou ? (Verdict.Duplicate, -1)
            : Math.Max(same.Iou, other.Iou) <= analysis.BackgroundIou ? (Verdict.Background, -1)
            : (Verdict.Both, -1);
        (judgement.Verdicts[detection], judgement.Target[detection]) = (verdict, target);
        if (target < 0 || judgement.FoundBy[target] >= 0)
        {
            return;
        }
        var heir = judgement.Heir[target];
        // Detections come in the order of the file, so the earlier one of equals stays.
        if (heir < 0 || detections.Score[detection] > detections.Score[heir])
        {
            judgement.Heir[target] = detection;
        }
    }

    /// <summary>Entries of each image in the order of the file; those with a negative image are left out.</summary>
    internal static Ordering ByImage(int[] imageOf, int images) =>
        Ordering.By(imageOf, images, new int[imageOf.Length], 1, asOneClass: false);

    /// <summary>The box of highest IoU so far, the first one of equals; -1 and 0 when there is none.</summary>
    private readonly record struct Nearest(int Box, double Iou)
    {
        public Nearest()
            : this(-1, 0) { }

        public Nearest Or(int box, double iou) => iou > Iou ? new(box, iou) : this;
    }
}
