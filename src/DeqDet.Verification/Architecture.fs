/// What a detector must be like to have the tensors of a given state dict.
module DeqDet.Verification.Architecture

open System
open System.Collections.Generic
open DeqDet
open DeqDet.Model

let private shapeOf file (shapes: IReadOnlyDictionary<string, int64[]>) name =
    match shapes.TryGetValue name with
    | true, shape -> Array.map int shape
    | _ -> raise (InputError $"{file} lists no tensor '{name}': it is none of the known detectors")

let private backbone (shapes: IReadOnlyDictionary<string, int64[]>) shape =
    /// How many of `name 0`, `name 1`, ... there are.
    let count (name: int -> string) =
        Seq.initInfinite name |> Seq.takeWhile shapes.ContainsKey |> Seq.length

    if shapes.ContainsKey "backbone.patch_embed.projection.weight" then
        let width = Array.head (shape "backbone.patch_embed.projection.weight")
        let depth = count (fun i -> $"backbone.stages.2.blocks.{i}.norm1.weight")

        if width = 128 then SwinB
        elif depth = 6 then SwinT
        else SwinS
    elif shapes.ContainsKey "backbone.features.0.0.weight" then
        MobileNetV2
    else
        let depth = count (fun i -> $"backbone.layer3.{i}.conv1.weight")

        if shapes.ContainsKey "backbone.layer1.0.conv3.weight" then
            if depth = 23 then ResNet101 else ResNet50
        elif depth = 6 then
            ResNet34
        else
            ResNet18

/// The settings of the detector with these names and shapes; `file` names their source in errors. How often the refinement head is
/// applied and what is kept of the result stand in no state dict: `steps` and `detections`.
let ofShapes
    (file: string)
    (steps: int)
    (detections: int)
    (shapes: IReadOnlyDictionary<string, int64[]>)
    : DetectorSettings =
    let shape = shapeOf file shapes
    let head part = shape $"roi_head.bbox_head.0.{part}"
    let sampling part = head $"sampling_n_mixing.{part}"

    let heads =
        Seq.initInfinite (fun h -> $"roi_head.bbox_head.{h}.iof_tau")
        |> Seq.takeWhile shapes.ContainsKey
        |> Seq.length

    let adaMixer = shapes.ContainsKey "rpn_head.init_content_features.weight"
    let contents = if adaMixer then "content" else "proposal"
    let queries = shape $"rpn_head.init_{contents}_features.weight"
    let channels = queries[1]
    let classOut = head "fc_cls.weight"
    // the offsets give groups * points, the projection the points out, the generator then the groups
    let pointsOut = (sampling "adaptive_mixing.out_proj.weight")[1] / channels
    let allPoints = (sampling "sampling_offset_generator.0.bias")[0] / 3

    let groups =
        match
            (sampling "adaptive_mixing.parameter_generator.0.bias")[0]
            - allPoints * pointsOut
        with
        | width when width > 0 -> channels * channels / width
        | _ -> raise (InputError $"{file}: the shapes of the adaptive mixing belong to no detector")

    let published = DetectorSettings.published

    { published with
        Kind =
            if adaMixer then AdaMixer
            elif heads = 2 then DeqDet
            else FfnDet
        Classes = classOut[0]
        Backbone =
            { published.Backbone with
                Kind = backbone shapes shape
                FrozenStages = -1
                Width =
                    if shapes.ContainsKey "backbone.conv1.weight" then
                        Array.head (shape "backbone.conv1.weight")
                    elif shapes.ContainsKey "backbone.features.0.0.weight" then
                        // 32 channels at the width of 64
                        2 * Array.head (shape "backbone.features.0.0.weight")
                    else
                        64
            }
        Queries =
            {
                Count = queries[0]
                Detections = detections
                Inject = false
            }
        Head =
            {
                Channels = channels
                Heads = (head "iof_tau")[0]
                Groups = max 1 groups
                PointsIn = allPoints / max 1 groups
                PointsOut = pointsOut
                FeedForward = (head "ffn.layers.0.0.weight")[0]
                Stages = heads
                StageWeights = []
            }
        Solver = SolverSettings.ofSteps steps
    }
