namespace DeqDet.Coco.Evaluation;

/// <summary>What to evaluate. <see cref="Coco"/> is the standard every published number uses.</summary>
public sealed record EvaluationParameters
{
    /// <summary>The COCO standard: IoU 0.50:0.05:0.95, 101 recall points, four size ranges, 1, 10 and 100 detections.</summary>
    public static EvaluationParameters Coco { get; } = new();

    /// <summary>Overlaps (0 to 1) from which a detection counts as right.</summary>
    public IReadOnlyList<double> IouThresholds { get; init; } = EvenlySpaced(0.5, 0.95, 10);

    /// <summary>Recalls (0 to 1, ascending) at which precision is read.</summary>
    public IReadOnlyList<double> RecallPoints { get; init; } = EvenlySpaced(0, 1, 101);

    /// <summary>Size ranges with different labels, one of them <see cref="AreaRange.All"/>.</summary>
    public IReadOnlyList<AreaRange> AreaRanges { get; init; } = AreaRange.Coco;

    /// <summary>Numbers of best detections of an image and class that are looked at, ascending.</summary>
    public IReadOnlyList<int> MaxDetections { get; init; } = [1, 10, 100];

    /// <summary>Images to evaluate; null for all.</summary>
    public IReadOnlyList<CocoId>? ImageIds { get; init; }

    /// <summary>Categories to evaluate; null for all.</summary>
    public IReadOnlyList<CocoId>? CategoryIds { get; init; }

    /// <summary>Treats all evaluated categories as one.</summary>
    public bool ClassAgnostic { get; init; }

    /// <summary>
    /// Numbers from first to last, computed as numpy's linspace does, so that thresholds are the reference's to the last bit.
    /// </summary>
    public static double[] EvenlySpaced(double first, double last, int count)
    {
        var step = (last - first) / Math.Max(1, count - 1);
        var numbers = new double[count];
        for (var i = 0; i < count; i++)
        {
            numbers[i] = i == count - 1 && i > 0 ? last : first + (i * step);
        }
        return numbers;
    }

    /// <summary>Raises <see cref="InputError"/> when a value makes no sense; returns the parameters with sorted detection counts.</summary>
    public EvaluationParameters Checked()
    {
        Require(IouThresholds.Count > 0, "no IoU threshold is given");
        foreach (var threshold in IouThresholds)
        {
            Require(threshold is >= 0 and <= 1, $"IoU threshold {threshold} is not between 0 and 1");
        }
        Require(RecallPoints.Count > 0, "no recall point is given");
        Require(
            RecallPoints.All(r => r is >= 0 and <= 1)
                && RecallPoints.Zip(RecallPoints.Skip(1)).All(pair => pair.First < pair.Second),
            "recall points have to ascend from 0 to 1"
        );
        Require(MaxDetections.Count > 0, "no maximum of detections is given");
        Require(MaxDetections.All(m => m > 0), "a maximum of detections is below 1");
        foreach (var range in AreaRanges)
        {
            Require(range.Min <= range.Max, $"area range '{range.Label}' ends before it begins");
        }
        Require(
            AreaRanges.Select(r => r.Label).Distinct().Count() == AreaRanges.Count,
            "two area ranges have the same label"
        );
        Require(
            AreaRanges.Any(r => r.Label == AreaRange.All),
            $"no area range is called '{AreaRange.All}', from which the plain AP is read; add {AreaRange.All}=0:"
        );
        return this with { MaxDetections = [.. MaxDetections.Distinct().Order()] };
    }

    private static void Require(bool condition, string message)
    {
        if (!condition)
        {
            throw new InputError("evaluation: " + message);
        }
    }
}
