namespace DeqDet.Model

open TorchSharp

/// The terms of one supervised state, 0-dimensional tensors with gradients; accuracy of the matched queries in percent.
type LossTerms =
    {
        Classification: Tensor
        Box: Tensor
        GIoU: Tensor
        Accuracy: Tensor
    }

/// Focal, L1 and GIoU losses of matched predictions.
module Losses =

    /// The reference divides by (matched queries + this): float32's epsilon.
    let private epsilon = 1.1920928955078125e-07

    /// Sigmoid focal loss (Lin et al. 2017), elementwise, of logits [N, K] against one-hot targets [N, K].
    let focal (alpha: float) (gamma: float) (logits: Tensor) (oneHot: Tensor) =
        let p = logits.sigmoid ()
        let wrong = (scalar 1.0 - p) * oneHot .+ p * (scalar 1.0 - oneHot)
        let weight = oneHot * scalar alpha .+ (scalar 1.0 - oneHot) * scalar (1.0 - alpha)

        let entropy =
            torch.nn.functional.binary_cross_entropy_with_logits (logits, oneHot, reduction = torch.nn.Reduction.None)

        entropy * weight * wrong.pow (scalar gamma)

    /// 1 - GIoU, elementwise, of boxes [N, 4] in px (eps 1e-7).
    let giou (boxes: Tensor) (targets: Tensor) =
        scalar 1.0 - Boxes.giou 1e-7 boxes targets

    /// Loss of one supervised state: logits [B, Q, K] and boxes [B, Q, 4] of a share with the matching of each image (box index or -1).
    /// Sums are divided by the number of matched queries in the whole batch, or by `EmptyBatchDivisor` where there is none (float32's
    /// epsilon if that is 0).
    let ofShare
        (share: Share)
        (loss: LossSettings)
        (targets: Target list)
        (matching: int[] list)
        (logits: Tensor)
        (boxes: Tensor)
        : LossTerms =
        let b, q, k = logits.size 0, logits.size 1, logits.size 2

        // indices of matched queries in the flattened batch, and of their boxes in the concatenated targets
        let offsets = targets |> List.scan (fun sum t -> sum + t.Labels.size 0) 0L

        let pairs =
            [|
                for image, (matched, offset) in List.indexed (List.zip matching (List.take targets.Length offsets)) do
                    for query in 0 .. matched.Length - 1 do
                        if matched[query] >= 0 then
                            struct (int64 image * q + int64 query, offset + int64 matched[query], image)
            |]

        let index (values: int64[]) =
            torch.tensor (values, dtype = torch.int64) |> onDevice logits.device

        let flat = logits.reshape (b * q, k)
        let oneHot = torch.zeros_like (flat)

        let divisor =
            if share.Matched > 0L then
                float share.Matched + epsilon
            elif loss.EmptyBatchDivisor > 0.0 then
                loss.EmptyBatchDivisor
            else
                epsilon

        let focalWeight = if share.Counts then loss.Weights.Focal / divisor else 0.0

        if pairs.Length = 0 then
            let nothing = boxes.sum () * scalar 0.0

            {
                Classification = (focal loss.FocalAlpha loss.FocalGamma flat oneHot).sum() * scalar focalWeight
                Box = nothing
                GIoU = nothing
                Accuracy = torch.zeros ([||], dtype = logits.dtype, device = logits.device)
            }
        else
            let rows = index [| for struct (row, _, _) in pairs -> row |]
            let columns = index [| for struct (_, column, _) in pairs -> column |]
            let images = index [| for struct (_, _, image) in pairs -> int64 image |]

            let labels =
                torch.cat([| for t in targets -> t.Labels |], 0L).index_select(0L, columns)

            let truth =
                torch.cat([| for t in targets -> t.Boxes |], 0L).index_select(0L, columns)

            let truth = truth.``to`` boxes.dtype
            let size = (Matching.sizes targets boxes).squeeze(1L).index_select(0L, images)
            let found = boxes.reshape(b * q, 4L).index_select(0L, rows)

            oneHot.index_put_ (torch.ones ([||], dtype = oneHot.dtype, device = oneHot.device), rows, labels)
            |> ignore

            {
                Classification = (focal loss.FocalAlpha loss.FocalGamma flat oneHot).sum() * scalar focalWeight
                Box = (found / size - truth / size).abs().sum() * scalar (loss.Weights.L1 / divisor)
                GIoU = (giou found truth).sum() * scalar (loss.Weights.GIoU / divisor)
                Accuracy =
                    use _ = torch.no_grad ()

                    // the share's part of the mean over the batch's pairs
                    (flat.detach().index_select(0L, rows).argmax(-1L).eq labels).``to``(logits.dtype).sum()
                    / scalar (float share.Matched)
                    * scalar 100.0
            }

    /// The same of a whole batch.
    let compute
        (loss: LossSettings)
        (targets: Target list)
        (matching: int[] list)
        (logits: Tensor)
        (boxes: Tensor)
        : LossTerms =
        let matched =
            matching |> List.sumBy (Array.sumBy (fun box -> if box >= 0 then 1L else 0L))

        let share =
            { Share.whole 0 [ for _ in targets -> 0 ] with
                Matched = matched
            }

        ofShare share loss targets matching logits boxes

    /// The sum that is differentiated.
    let total (terms: LossTerms) =
        terms.Classification .+ terms.Box .+ terms.GIoU
