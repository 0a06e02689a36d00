namespace DeqDet.Coco.Evaluation;

/// <summary>
/// A mean over the entries of precision or recall that are known (above -1); -1 where there are none.
/// </summary>
/// <param name="Name">AP, AP50, AP75, AP_small, ..., AR1, AR10, AR100, AR_small, ...</param>
/// <param name="IsRecall">Average recall instead of precision.</param>
/// <param name="Iou">The only IoU threshold looked at, or null for all.</param>
/// <param name="Area">Label of the size range.</param>
/// <param name="MaxDetections">Detections of an image and class that are looked at.</param>
public readonly record struct Statistic(
    string Name,
    double Value,
    bool IsRecall,
    double? Iou,
    string Area,
    int MaxDetections
);

/// <summary>The statistics of one class, with its number of boxes to be found.</summary>
public sealed record ClassStatistics(ObjectClass Category, int Boxes, IReadOnlyList<Statistic> Statistics);
