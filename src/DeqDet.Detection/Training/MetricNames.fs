namespace DeqDet.Detection

open System

/// Names in metrics.jsonl, as mmdetection's CocoMetric writes them.
module MetricNames =

    /// The numbers of a validation's line with the names that the evaluation has for them; the first one tells such a line.
    let scores: (string * string) list =
        [
            "coco/bbox_mAP", "AP"
            "coco/bbox_mAP_50", "AP50"
            "coco/bbox_mAP_75", "AP75"
            "coco/bbox_mAP_s", "AP_small"
            "coco/bbox_mAP_m", "AP_medium"
            "coco/bbox_mAP_l", "AP_large"
        ]

    /// Why a run has ended early; tells the line that says so.
    let ended = "ended"

    let private before, private behind = "coco/", "_precision"

    /// The names of classes' AP, in their order. Of equal names those after the first have their number, from 1.
    let ofClasses (classes: string list) : string list =
        classes
        |> List.mapi (fun i name ->
            let earlier = classes |> List.truncate i |> List.contains name
            let shown = if earlier then $"{name} ({i + 1})" else name
            before + shown + behind)

    /// The class whose AP has this name; None for any other name.
    let classOf (name: string) : string option =
        if
            name.StartsWith(before, StringComparison.Ordinal)
            && name.EndsWith(behind, StringComparison.Ordinal)
            && name.Length >= before.Length + behind.Length
        then
            Some(name.Substring(before.Length, name.Length - before.Length - behind.Length))
        else
            None
