using System.Buffers;

namespace DeqDet.Coco.Evaluation;

/// <summary>
/// COCO's box evaluation: a pure function of ground truth, detections and parameters, computed on all cores. The result does not
/// depend on their number: every entry of the arrays is written by one work item, and means are taken afterwards in a fixed order.
/// </summary>
public static class Evaluator
{
    private const int CellsOfAnItem = 64;

    /// <summary>
    /// Evaluates with COCO's parameters. Detections of categories that the ground truth does not have are left out, with a note.
    /// Raises <see cref="InputError"/> for detections on images that it does not have.
    /// </summary>
    public static EvaluationResult Evaluate(GroundTruth truth, Detections detections) =>
        Evaluate(truth, detections, EvaluationParameters.Coco);

    /// <summary>Evaluates with the given parameters, on at most so many threads (null: as many as there are cores).</summary>
    public static EvaluationResult Evaluate(
        GroundTruth truth,
        Detections detections,
        EvaluationParameters parameters,
        int? threads = null
    )
    {
        parameters = parameters.Checked();
        var selection = new Selection(truth, detections, parameters);
        ObjectClass[] classes = parameters.ClassAgnostic ? [new ObjectClass(-1, "all classes")] : selection.Categories;
        var result = new EvaluationResult(
            parameters with
            {
                ImageIds = selection.Images,
                CategoryIds = [.. selection.Categories.Select(c => c.Id)],
            },
            classes,
            Count(selection, truth),
            [.. classes.Select((_, k) => Positives(selection.Boxes.Class(k), truth, null))],
            Notes(selection, truth, detections)
        );
        var options = new ParallelOptions { MaxDegreeOfParallelism = threads ?? -1 };

        var plans = new ClassPlan[classes.Length];
        Parallel.For(
            0,
            plans.Length,
            options,
            k => plans[k] = ClassPlan.Build(selection, detections, k, parameters.MaxDetections[^1])
        );

        var outcomes = new Outcome[plans.Length][];
        Parallel.For(0, plans.Length, options, k => outcomes[k] = Unmatched(plans[k], detections, parameters));

        var items = Items(plans);
        Parallel.For(
            0,
            items.Count,
            options,
            () => new BoxMatcher(truth, detections, parameters.IouThresholds),
            (i, _, matcher) =>
            {
                var (k, from, to) = items[i];
                Match(plans[k], from, to, matcher, parameters, outcomes[k]);
                return matcher;
            },
            _ => { }
        );

        var ranges = parameters.AreaRanges.Count;
        Parallel.For(
            0,
            plans.Length * ranges,
            options,
            i =>
            {
                var (k, a) = (i / ranges, i % ranges);
                var plane = parameters.IouThresholds.Count * plans[k].Ranked.Length;
                PrecisionCurves.Fill(
                    result,
                    plans[k],
                    detections.Score,
                    outcomes[k].AsSpan(a * plane, plane),
                    Positives(selection.Boxes.Class(k), truth, parameters.AreaRanges[a]),
                    k,
                    a
                );
            }
        );
        foreach (var pooled in outcomes)
        {
            ArrayPool<Outcome>.Shared.Return(pooled);
        }
        result.Statistics = Summary.OfAll(result);
        result.PerClass = Summary.PerClass(result);
        return result;
    }

    /// <summary>
    /// Who was matched with whom: one entry for every class, size range and image that has boxes or detections, in this order.
    /// </summary>
    public static IEnumerable<ImageMatches> Matches(
        GroundTruth truth,
        Detections detections,
        EvaluationParameters parameters
    )
    {
        parameters = parameters.Checked();
        var selection = new Selection(truth, detections, parameters);
        var matcher = new BoxMatcher(truth, detections, parameters.IouThresholds);
        for (var k = 0; k < (parameters.ClassAgnostic ? 1 : selection.Categories.Length); k++)
        {
            var plan = ClassPlan.Build(selection, detections, k, parameters.MaxDetections[^1]);
            foreach (var range in parameters.AreaRanges)
            {
                foreach (var cell in plan.Cells)
                {
                    matcher.Load(plan, cell);
                    matcher.Match(range);
                    yield return ImageMatches.Of(
                        matcher,
                        selection.Images[cell.Image],
                        parameters.ClassAgnostic ? -1 : selection.Categories[k].Id,
                        range,
                        parameters.IouThresholds.Count,
                        detections
                    );
                }
            }
        }
    }

    // [A, T, detections of the class]: what every detection is as long as it has no partner.
    private static Outcome[] Unmatched(ClassPlan plan, Detections detections, EvaluationParameters parameters)
    {
        var thresholds = parameters.IouThresholds.Count;
        var count = plan.Ranked.Length;
        var outcomes = ArrayPool<Outcome>.Shared.Rent(
            checked(Math.Max(1, parameters.AreaRanges.Count * thresholds * count))
        );
        for (var a = 0; a < parameters.AreaRanges.Count; a++)
        {
            var plane = outcomes.AsSpan(a * thresholds * count, thresholds * count);
            for (var i = 0; i < count; i++)
            {
                var area = detections.Width[plan.Ranked[i]] * detections.Height[plan.Ranked[i]];
                plane[i] = parameters.AreaRanges[a].Excludes(area) ? Outcome.Ignored : Outcome.Wrong;
            }
            for (var t = 1; t < thresholds; t++)
            {
                plane[..count].CopyTo(plane[(t * count)..]);
            }
        }
        return outcomes;
    }

    // Runs of cells small enough to be shared out evenly even when one class has most of the boxes.
    private static List<(int Class, int From, int To)> Items(ClassPlan[] plans)
    {
        var items = new List<(int, int, int)>();
        for (var k = 0; k < plans.Length; k++)
        {
            for (var from = 0; from < plans[k].Cells.Length; from += CellsOfAnItem)
            {
                items.Add((k, from, Math.Min(from + CellsOfAnItem, plans[k].Cells.Length)));
            }
        }
        return items;
    }

    private static void Match(
        ClassPlan plan,
        int from,
        int to,
        BoxMatcher matcher,
        EvaluationParameters parameters,
        Outcome[] outcomes
    )
    {
        var count = plan.Ranked.Length;
        var thresholds = parameters.IouThresholds.Count;
        for (var c = from; c < to; c++)
        {
            var cell = plan.Cells[c];
            if (cell.FoundCount == 0 || cell.BoxCount == 0 || !matcher.Load(plan, cell))
            {
                continue;
            }
            var positions = plan.InCell.AsSpan(cell.FoundStart, cell.FoundCount);
            for (var a = 0; a < parameters.AreaRanges.Count; a++)
            {
                matcher.Match(parameters.AreaRanges[a]);
                for (var t = 0; t < thresholds; t++)
                {
                    var partners = matcher.Partners(t);
                    var column = outcomes.AsSpan(((a * thresholds) + t) * count, count);
                    for (var f = 0; f < partners.Length; f++)
                    {
                        if (partners[f] != BoxMatcher.NoPartner)
                        {
                            column[positions[f]] = matcher.Ignored[partners[f]] ? Outcome.Ignored : Outcome.Right;
                        }
                    }
                }
            }
        }
    }

    // Boxes to be found: no crowds, and of the size range if one is given.
    private static int Positives(ReadOnlySpan<int> boxes, GroundTruth truth, AreaRange? range)
    {
        var count = 0;
        foreach (var box in boxes)
        {
            count += truth.IsCrowd[box] || (range?.Excludes(truth.Area[box]) ?? false) ? 0 : 1;
        }
        return count;
    }

    private static EvaluationCounts Count(Selection selection, GroundTruth truth)
    {
        var crowds = 0;
        foreach (var box in selection.Boxes.Order)
        {
            crowds += truth.IsCrowd[box] ? 1 : 0;
        }
        return new EvaluationCounts(
            selection.Images.Length,
            selection.Categories.Length,
            selection.Boxes.Order.Length,
            crowds,
            selection.Found.Order.Length
        );
    }

    private static string[] Notes(Selection selection, GroundTruth truth, Detections detections)
    {
        var (unknown, plain, negative) = (selection.UnknownCategories, truth.WithoutArea, detections.NegativeBoxes);
        return
        [
            .. Note(
                unknown > 0,
                unknown == 1
                    ? "1 detection of a category that the ground truth does not have is left out."
                    : $"{unknown} detections of categories that the ground truth does not have are left out."
            ),
            .. Note(
                plain > 0,
                plain == 1
                    ? "1 box of the ground truth has no \"area\"; width x height decides on its size range."
                    : $"{plain} boxes of the ground truth have no \"area\"; width x height decides on their size range."
            ),
            .. Note(
                negative > 0,
                $"{Counted.Of(negative, "detection")} {(negative == 1 ? "has a box" : "have boxes")} of negative width or height; "
                    + $"as in pycocotools {(negative == 1 ? "it overlaps" : "they overlap")} nothing (--strict refuses such a file)."
            ),
            .. Note(truth.BoxesLook(), "the boxes of the ground truth"),
            .. Note(selection.FoundLook, "the boxes of the detections"),
        ];
    }

    private static string[] Note(bool applies, string text) => applies ? [text] : [];

    private static string[] Note(string? look, string what) => look is null ? [] : [$"{what} {look}."];
}
