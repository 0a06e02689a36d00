namespace DeqDet.Coco.Analysis;

/// <summary>At which overlap and score the mistakes of a detector are looked at.</summary>
public sealed record AnalysisParameters
{
    /// <summary>TIDE's thresholds, the score of the highest F1, and six bins of crowding.</summary>
    public static AnalysisParameters Default { get; } = new();

    /// <summary>IoU from which a detection is right; TIDE's foreground threshold.</summary>
    public double Iou { get; init; } = 0.5;

    /// <summary>IoU up to which a detection lies on the background; above 0, at most <see cref="Iou"/>.</summary>
    public double BackgroundIou { get; init; } = 0.1;

    /// <summary>
    /// Score from which detections count where they are counted one by one (confusion, mistakes of images); null for that of the
    /// highest F1.
    /// </summary>
    public double? Score { get; init; }

    /// <summary>Least numbers of objects in an image for each bin of crowding, ascending from 1; the last one is open.</summary>
    public IReadOnlyList<int> CrowdingBounds { get; init; } = [1, 2, 5, 10, 20, 40];

    /// <summary>Raises <see cref="InputError"/> when a value makes no sense.</summary>
    public AnalysisParameters Checked()
    {
        Require(BackgroundIou > 0, $"the background IoU {BackgroundIou} is not above 0");
        Require(
            Iou >= BackgroundIou && Iou <= 1,
            $"the IoU {Iou} from which detections are right is not between {BackgroundIou} and 1"
        );
        Require(Score is null || double.IsFinite(Score.Value), $"the score {Score} is not finite");
        Require(
            CrowdingBounds.Count > 0
                && CrowdingBounds[0] == 1
                && CrowdingBounds.Zip(CrowdingBounds.Skip(1)).All(pair => pair.First < pair.Second),
            "the bounds of crowding have to ascend from 1"
        );
        return this;
    }

    private static void Require(bool condition, string message)
    {
        if (!condition)
        {
            throw new InputError("analysis: " + message);
        }
    }
}
