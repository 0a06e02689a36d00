/// Matching costs, assignments, targets, losses and their gradients on given predictions, and the single loss functions.
module DeqDet.Verification.AssignLoss

open System
open System.Text.RegularExpressions
open TorchSharp
open DeqDet.Model

let private integers (values: int64 seq) = torch.tensor (Array.ofSeq values)

/// Costs of each image against its own boxes, each term weighted.
let private costs (set: DecoderSet) (file: GoldenFile) (targets: Target list) (logits: Tensor) (boxes: Tensor) =
    let weights, loss = set.Settings.Matching, set.Settings.Loss

    let image b (target: Target) =
        let logits, boxes = logits.narrow (0L, int64 b, 1L), boxes.narrow (0L, int64 b, 1L)
        let labels, truth = target.Labels.unsqueeze 0L, target.Boxes.unsqueeze 0L

        let terms =
            [
                "focal",
                Matching.focalCost loss.FocalAlpha loss.FocalGamma logits labels
                * scalar weights.Focal
                "l1",
                Matching.l1Cost (Matching.sizes [ target ] boxes) boxes truth
                * scalar weights.L1
                "giou", Matching.giouCost boxes truth * scalar weights.GIoU
                "total", Matching.cost weights loss [ target ] logits boxes
            ]

        terms
        |> List.choose (fun (part, cost: Tensor) ->
            let name = $"img{b}.cost_{part}"

            GoldenFile.tryFind name file
            |> Option.map (fun expected -> Check.relative Tolerances.given file.Name name expected (cost.squeeze 0L)))

    List.collect id (List.mapi image targets)

let private assignments (file: GoldenFile) (targets: Target list) (matching: int[] list) =
    let image b (target: Target, boxOf: int[]) =
        let check part ours =
            let name = $"img{b}.{part}"
            Check.exact file.Name name (GoldenFile.find name file) (integers ours)

        let labels = GoldenFile.integers target.Labels

        let matched =
            [
                for q in 0 .. boxOf.Length - 1 do
                    if boxOf[q] >= 0 then
                        int64 q
            ]

        let free =
            [
                for q in 0 .. boxOf.Length - 1 do
                    if boxOf[q] < 0 then
                        int64 q
            ]

        [
            check "assigned_gt_inds" [ for box in boxOf -> int64 (box + 1) ]
            check "assigned_labels" [ for box in boxOf -> if box < 0 then -1L else labels[box] ]
            check "pos_inds" matched
            check "neg_inds" free
            check "pos_assigned_gt_inds" [ for q in matched -> int64 boxOf[int q] ]
        ]

    List.zip targets matching |> List.mapi image |> List.collect id

/// What the reference hands to its loss functions, made from the matching.
let private targetChecks (file: GoldenFile) name (classes: int) (targets: Target list) (matching: int[] list) =
    let check part (shape: int64[]) (values: float32[]) =
        let name = $"{name}.target_{part}"
        Check.exact file.Name name (GoldenFile.find name file) (torch.tensor(values).reshape shape)

    let rows =
        [|
            for target, boxOf in List.zip targets matching do
                let labels, boxes =
                    GoldenFile.integers target.Labels, GoldenFile.floats target.Boxes

                for box in boxOf do
                    if box < 0 then
                        struct (int64 classes, Array.zeroCreate 4, 0.0f)
                    else
                        struct (labels[box], Array.init 4 (fun k -> float32 boxes[4 * box + k]), 1.0f)
        |]

    let n = int64 rows.Length

    [
        check "labels" [| n |] [| for struct (label, _, _) in rows -> float32 label |]
        check "label_weights" [| n |] (Array.create rows.Length 1.0f)
        check "bbox_targets" [| n; 4L |] (Array.collect (fun struct (_, box, _) -> box) rows)
        check "bbox_weights" [| n; 4L |] (Array.collect (fun struct (_, _, weight) -> Array.create 4 weight) rows)
    ]

/// `batch<images>[_comment].*`: the losses of some of the images together; each digit is an image.
let private batches (set: DecoderSet) (file: GoldenFile) (targets: Target list) (logits: Tensor) (boxes: Tensor) =
    let names =
        file.Tensors.Keys
        |> Seq.map (fun name -> Regex.Match(name, @"^(batch(\d+)[^.]*)\.loss_cls$"))
        |> Seq.filter (fun found -> found.Success)
        |> Seq.map (fun found -> found.Groups[1].Value, [ for c in found.Groups[2].Value -> int c - int '0' ])

    let batch (name: string, images: int list) =
        let pick (x: Tensor) =
            x.index_select(0L, (integers [ for i in images -> int64 i ]).``to`` x.device).clone().requires_grad_ true

        let logits, boxes = pick logits, pick boxes
        let targets = [ for i in images -> List.item i targets ]

        let matching =
            Matching.run set.Settings.Matching set.Settings.Loss targets logits boxes

        let terms = Losses.compute set.Settings.Loss targets matching logits boxes
        (Losses.total terms).backward()

        let check part (actual: Tensor) =
            let name = $"{name}.{part}"
            Check.relative Tolerances.given file.Name name (GoldenFile.find name file) actual

        let gradient part (leaf: Tensor) =
            let name = $"{name}.{part}"
            Check.ofScale Tolerances.given file.Name name (GoldenFile.find name file) (leaf.grad.flatten (0L, 1L))

        targetChecks file name set.Settings.Classes targets matching
        @ [
            check "loss_cls" terms.Classification
            check "pos_acc" terms.Accuracy
            check "loss_bbox" terms.Box
            check "loss_iou" terms.GIoU
            gradient "grad_cls" logits
            gradient "grad_bbox" boxes
        ]

    List.collect batch (List.ofSeq names)

/// The divisor in names such as `focal.out_avg3.5`.
let private divisor (file: GoldenFile) (prefix: string) =
    file.Tensors.Keys
    |> Seq.tryPick (fun name ->
        if name.StartsWith(prefix, StringComparison.Ordinal) then
            match Double.TryParse(name.Substring prefix.Length, Globalization.CultureInfo.InvariantCulture) with
            | true, value -> Some(name, value)
            | _ -> None
        else
            None)

let private functions (set: DecoderSet) (file: GoldenFile) =
    let find name = GoldenFile.find name file
    let loss = set.Settings.Loss
    let leaf name = (find name).clone().requires_grad_ true

    /// One loss function: its value and the gradient of what it was given.
    let one prefix gradientName (leaf: Tensor) (value: float -> Tensor) =
        match divisor file prefix with
        | None -> []
        | Some(name, divisor) ->
            let value = value divisor
            value.backward ()

            [
                Check.relative Tolerances.given file.Name name (find name) value
                Check.ofScale Tolerances.given file.Name gradientName (find gradientName) leaf.grad
            ]

    let focal () =
        let logits = leaf "focal.in_logits"
        let k = logits.size 1
        // the label K means background: a column that is cut off
        let oneHot =
            torch.nn.functional.one_hot(find "focal.in_labels", k + 1L).narrow(1, 0L, k).``to`` logits.dtype

        let elements = Losses.focal loss.FocalAlpha loss.FocalGamma logits oneHot

        Check.relative
            Tolerances.given
            file.Name
            "focal.none_reduced"
            (find "focal.none_reduced")
            (elements * scalar loss.Weights.Focal)
        :: one "focal.out_avg" "focal.grad_logits" logits (fun divisor ->
            (elements * (find "focal.in_weight").unsqueeze -1L).sum()
            * scalar (loss.Weights.Focal / divisor))

    let boxes () =
        let truth, weight = find "box.in_target", find "box.in_weight"
        let forL1, forGiou = leaf "box.in_pred", leaf "box.in_pred"

        one "l1.out_div100_avg" "l1.grad_pred" forL1 (fun divisor ->
            (((forL1 - truth) / scalar 100.0).abs() * weight).sum()
            * scalar (loss.Weights.L1 / divisor))
        @ one "giou.out_avg" "giou.grad_pred" forGiou (fun divisor ->
            (Losses.giou forGiou truth * weight.mean [| -1L |]).sum()
            * scalar (loss.Weights.GIoU / divisor))

    (if GoldenFile.has "focal.in_logits" file then
         focal ()
     else
         [])
    @ (if GoldenFile.has "box.in_pred" file then boxes () else [])

/// Checks of a `*_assign_loss` file.
let check (set: DecoderSet) (file: GoldenFile) : Check list =
    let logits, boxes =
        GoldenFile.find "pred.cls_logits" file, GoldenFile.find "pred.bboxes" file

    let targets = DecoderSet.targetsOf file

    let matching =
        Matching.run set.Settings.Matching set.Settings.Loss targets logits boxes

    costs set file targets logits boxes
    @ assignments file targets matching
    @ batches set file targets logits boxes
    @ functions set file
