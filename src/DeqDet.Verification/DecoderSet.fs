namespace DeqDet.Verification

open System
open System.Collections.Generic
open System.Text.Json
open TorchSharp
open DeqDet.Kernels
open DeqDet
open DeqDet.Model

/// A decoder with its weights and inputs: what the `*_config`, `*_state` and `*_inputs` files of one set hold.
type DecoderSet =
    {
        Settings: DetectorSettings
        /// Parameters that get no gradient.
        NoGradient: string list
        State: GoldenFile
        Inputs: GoldenFile
    }

module DecoderSet =

    let private terms file name config : TermWeights =
        let section = GoldenJson.section file name config

        {
            Focal = GoldenJson.number file "focal" section
            L1 = GoldenJson.number file "l1" section
            GIoU = GoldenJson.number file "giou" section
        }

    /// The kind of a decoder: only the equilibrium one counts steps, only AdaMixer calls its contents so.
    let private kindOf sizes state =
        if (GoldenJson.tryNumber "steps" sizes).IsSome then
            DeqDet
        elif GoldenFile.has "rpn_head.init_content_features.weight" state then
            AdaMixer
        else
            FfnDet

    /// The published numbers of a batch without boxes, not what training does about it: DEQDet's code divides by float32's epsilon,
    /// AdaMixer's by zero.
    let private emptyBatchDivisor kind =
        if kind = AdaMixer then Double.Epsilon else 0.0

    /// Reads what decides the computation from the set's configuration (`file` names it in errors).
    let read (file: string) (config: JsonElement) (state: GoldenFile) (inputs: GoldenFile) : DecoderSet =
        let sizes = GoldenJson.section file "config" config
        let integer name = GoldenJson.integer file name sizes

        let numberOr fallback name =
            GoldenJson.tryNumber name sizes |> Option.defaultValue fallback

        let kind = kindOf sizes state
        let loss = GoldenJson.section file "loss_weights" config

        let info =
            match config.TryGetProperty "info" with
            | true, info -> GoldenJson.strings "no_grad" (GoldenJson.section file "train" info)
            | _ -> []

        {
            Settings =
                { DetectorSettings.published with
                    Kind = kind
                    Classes = integer "num_classes"
                    Queries =
                        {
                            Count = integer "num_proposals"
                            Detections = integer "num_proposals"
                            Inject = false
                        }
                    Head =
                        {
                            Channels = integer "content_dim"
                            Heads = integer "num_heads"
                            Groups = integer "n_groups"
                            PointsIn = integer "in_points"
                            PointsOut = integer "out_points"
                            FeedForward = integer "feedforward"
                            Stages = if kind = DeqDet then 0 else integer "num_stages"
                            StageWeights = GoldenJson.numbers file "stage_loss_weights" sizes
                        }
                    Solver = SolverSettings.ofSteps (if kind = DeqDet then integer "steps" else 0)
                    Rag =
                        { DetectorSettings.published.Rag with
                            Supervised = GoldenJson.numbers file "sup" sizes |> List.map int
                            Unroll = if kind = DeqDet then integer "rag" else 0
                            Extra = if kind = DeqDet then integer "extra" else 0
                            Immediate = true
                        }
                    Rap =
                        {
                            ContentProbability = numberOr 0.0 "pc"
                            ContentIntensity = numberOr 0.0 "pci"
                            PositionProbability = numberOr 0.0 "pp"
                            PositionIntensity = numberOr 0.0 "ppi"
                        }
                    Matching = terms file "cost_weights" config
                    Loss =
                        {
                            Weights = terms file "loss_weights" config
                            FocalGamma = GoldenJson.number file "focal_gamma" loss
                            FocalAlpha = GoldenJson.number file "focal_alpha" loss
                            EmptyBatchDivisor = emptyBatchDivisor kind
                            Jacobian = 0.0
                            Residual = 0.0
                        }
                }
            NoGradient = info
            State = state
            Inputs = inputs
        }

    /// The decoder with weights of its own, and those by name; trainable ones are leaves.
    let decoder (set: DecoderSet) : DecoderWeights * IReadOnlyDictionary<string, Tensor> =
        let leaves = Dictionary()

        // Pyramids may be wider than contents; these weights alone know of it, and their shapes are all that is computed with.
        let mixesOtherChannels (name: string) =
            (GoldenFile.find "feat0" set.Inputs).size 1 <> int64 set.Settings.Head.Channels
            && name.Contains("adaptive_mixing", StringComparison.Ordinal)

        let find (spec: Spec) =
            let stored = GoldenFile.find spec.Name set.State

            if stored.shape <> spec.Shape && not (mixesOtherChannels spec.Name) then
                raise (
                    InputError
                        $"{set.State.Name}: '{spec.Name}' is %A{stored.shape}, the configuration asks for %A{spec.Shape}"
                )

            let leaf = stored.clone ()
            leaf.requires_grad <- spec.Trainable && spec.Role = Parameter
            leaves[spec.Name] <- leaf
            leaf

        WeightSource.buildFor Computation.Training ignore find (Decoder.create set.Settings), leaves

    /// The pyramid of the inputs; its levels are leaves.
    let pyramid (set: DecoderSet) : Pyramid =
        let levels = GoldenFile.count (fun i -> $"feat{i}") set.Inputs

        {
            Levels =
                [
                    for i in 0 .. levels - 1 -> (GoldenFile.find $"feat{i}" set.Inputs).clone().requires_grad_ true
                ]
            Strides =
                [
                    for stride in GoldenFile.integers (GoldenFile.find "strides" set.Inputs) -> int stride
                ]
        }

    /// Targets of the images that a file describes by `gt{b}.bboxes`, `gt{b}.labels` and `img_shapes_hw`.
    let targetsOf (file: GoldenFile) : Target list =
        let shapes = GoldenFile.floats (GoldenFile.find "img_shapes_hw" file)

        [
            for b in 0 .. shapes.Length / 2 - 1 ->
                {
                    Boxes = GoldenFile.find $"gt{b}.bboxes" file
                    Labels = GoldenFile.find $"gt{b}.labels" file
                    Size = struct (shapes[2 * b + 1], shapes[2 * b])
                }
        ]

    /// Valid sizes [B, 1, 4] of the input images.
    let sizes (set: DecoderSet) : Tensor =
        Matching.sizes (targetsOf set.Inputs) (GoldenFile.find "feat0" set.Inputs)

    /// The queries that every image starts from.
    let start (set: DecoderSet) (weights: DecoderWeights) : Query =
        Decoder.initial (Family.ofSettings set.Settings).Initial weights.Initial (sizes set)
