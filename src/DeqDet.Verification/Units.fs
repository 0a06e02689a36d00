/// Single functions: boxes, sampling, embedding, mixing, overlaps.
module DeqDet.Verification.Units

open TorchSharp
open DeqDet.Kernels
open DeqDet.Model

let private leaf name file =
    (GoldenFile.find name file).clone().requires_grad_ true

let private boxes (file: GoldenFile) =
    let find name = GoldenFile.find name file

    let check name actual =
        Check.ofScale Tolerances.forward file.Name name (find name) actual

    let position = find "decode.in_xyzr"
    let moved = Boxes.move position (find "refine.in_delta")

    [
        check "encode.out_xyzr" (Boxes.encode (find "encode.in_roi"))
        check "decode.out_roi" (Boxes.decode position)
        check "refine.out_xyzr" moved
        check "refine.out_roi" (Boxes.decode moved)
    ]

let private sampling (set: DecoderSet) (file: GoldenFile) =
    let find name = GoldenFile.find name file

    let check name actual =
        Check.ofScale Tolerances.forward file.Name name (find name) actual

    let gradient name (leaf: Tensor) =
        Check.ofScale Tolerances.headGradient file.Name name (find name) leaf.grad

    let strides = (DecoderSet.pyramid set).Strides
    let points = leaf "points.out" file

    let levels =
        [
            for i in 0 .. GoldenFile.count (fun i -> $"sample3d.in_feat{i}") file - 1 ->
                leaf $"sample3d.in_feat{i}" file
        ]

    let sampled =
        Sampling.sample
            Computation.Best
            set.Settings.Head.Groups
            { Levels = levels; Strides = strides }
            (points.squeeze 2L)

    (sampled * find "sample3d.cotangent").sum().backward()

    [
        check "points.out" (Sampling.points (find "points.in_offset") (find "decode.in_xyzr"))
        check "levelweight.out" (Sampling.levelWeights strides (points.detach().select(-1L, 2L)))
        check "sample3d.out" sampled
        gradient "sample3d.grad_points" points
        yield! levels |> List.mapi (fun i level -> gradient $"sample3d.grad_feat{i}" level)
    ]

let private mixing (set: DecoderSet) (file: GoldenFile) =
    let find name = GoldenFile.find name file
    let decoder, _ = DecoderSet.decoder set
    // the files use the refinement head's
    let head = decoder.Heads |> List.tryItem 1 |> Option.defaultValue decoder.Heads.Head
    let x, query = leaf "mixing.in_x" file, leaf "mixing.in_query" file
    let mixed = Mixing.apply head.Mixing x query
    (mixed * find "mixing.cotangent").sum().backward()

    [
        Check.ofScale Tolerances.forward file.Name "mixing.out" (find "mixing.out") mixed
        Check.ofScale Tolerances.headGradient file.Name "mixing.grad_x" (find "mixing.grad_x") x.grad
        Check.ofScale Tolerances.headGradient file.Name "mixing.grad_query" (find "mixing.grad_query") query.grad
    ]

let private overlaps (set: DecoderSet) (file: GoldenFile) =
    let find name = GoldenFile.find name file

    let check name actual =
        Check.ofScale Tolerances.forward file.Name name (find name) actual

    let a, b, rois = find "overlaps.in_a", find "overlaps.in_b", find "encode.in_roi"
    // the reference's default, px^2
    let eps = 1e-6

    [
        for name, overlap in [ "iou", Boxes.iou eps; "giou", Boxes.giou eps; "iof", Boxes.iof ] do
            check $"overlaps.{name}_pairwise" (Boxes.pairwise overlap a b)
            check $"overlaps.{name}_aligned" (overlap a b)
        check "overlaps.iof_batched_self" (Boxes.pairwise Boxes.iof rois rois)
        check "overlaps.log_bias" (Attention.overlapBias rois rois)
        check "posembed.out" (Attention.positionEmbedding (int64 set.Settings.Head.Channels) (find "decode.in_xyzr"))
    ]

/// Checks of a `*_units` file.
let check (set: DecoderSet) (file: GoldenFile) : Check list =
    boxes file @ sampling set file @ mixing set file @ overlaps set file
