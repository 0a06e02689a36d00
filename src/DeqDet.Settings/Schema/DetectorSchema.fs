namespace DeqDet.Settings.Schema

open DeqDet.Settings
open DeqDet.Model
open Codec

/// Keys, ranges and explanations of what makes the detector.
module DetectorSchema =

    let kinds =
        [
            "deqdet", DetectorKind.DeqDet
            "ffndet", DetectorKind.FfnDet
            "adamixer", DetectorKind.AdaMixer
        ]

    let backboneKinds =
        [
            "resnet18", ResNet18
            "resnet34", ResNet34
            "resnet50", ResNet50
            "resnet101", ResNet101
            "swin_t", SwinT
            "swin_s", SwinS
            "swin_b", SwinB
        ]

    let private isSwin kind =
        List.contains kind [ SwinT; SwinS; SwinB ]

    let private backboneChecks (backbone: BackboneSettings) =
        [
            if isSwin backbone.Kind && backbone.Norm = Batch then
                {
                    Keys = [ "norm"; "kind" ]
                    Text = "is \"batch\", but a Swin has no batch normalisation; leave it at \"frozen\""
                }
            if isSwin backbone.Kind && backbone.Width <> 64 then
                {
                    Keys = [ "width"; "kind" ]
                    Text = $"is {backbone.Width}, but only a ResNet's width can be set; leave it at 64"
                }
            if not (isSwin backbone.Kind) && backbone.DropPath > 0.0 then
                {
                    Keys = [ "drop_path"; "kind" ]
                    Text = $"is {backbone.DropPath}, but only Swins drop paths; set it to 0"
                }
        ]

    let backbone: Section<BackboneSettings> =
        {
            Fields =
                [
                    Field.value
                        "kind"
                        (oneOf backboneKinds)
                        _.Kind
                        (fun v r -> { r with Kind = v })
                        "The network that turns an image into feature maps at strides 4, 8, 16 and 32."
                    Field.value
                        "width"
                        (integer 8 256)
                        _.Width
                        (fun v r -> { r with Width = v })
                        "Channels of a ResNet's stem and first stage; each further stage has twice as many. 64 in every published model."
                    Field.value
                        "weights"
                        (optional text)
                        _.Weights
                        (fun v r -> { r with Weights = v })
                        "File with backbone weights to start training from. null: random weights."
                    Field.value
                        "frozen_stages"
                        (integer -1 4)
                        _.FrozenStages
                        (fun v r -> { r with FrozenStages = v })
                        "Stages that do not train: -1 none, 0 the stem, 1 the stem and the first stage, ... Use -1 with random weights."
                    Field.value
                        "norm"
                        (oneOf [ "frozen", Frozen; "batch", Batch ])
                        _.Norm
                        (fun v r -> { r with Norm = v })
                        "Batch normalisation of a ResNet in training: \"frozen\" uses the stored statistics (published models, with pretrained weights), \"batch\" those of the batch (random weights)."
                    Field.value
                        "drop_path"
                        belowOne
                        _.DropPath
                        (fun v r -> { r with DropPath = v })
                        "Stochastic depth of a Swin: probability at its last block, growing linearly from 0."
                ]
            Checks = [ backboneChecks ]
        }

    let queries: Section<QuerySettings> =
        {
            Fields =
                [
                    Field.value
                        "count"
                        (integer 1 10_000)
                        _.Count
                        (fun v r -> { r with Count = v })
                        "Object queries: the most objects that can be told apart in an image."
                    Field.value
                        "detections"
                        (integer 1 100_000)
                        _.Detections
                        (fun v r -> { r with Detections = v })
                        "Pairs of query and class kept as detections of an image; all of them where queries x classes are fewer."
                ]
            Checks = []
        }

    /// Groups of the neck's group normalisation.
    let private neckGroups = 32

    let rec private greatestCommonDivisor a b =
        if b = 0 then a else greatestCommonDivisor b (a % b)

    let private leastCommonMultiple a b = a / greatestCommonDivisor a b * b

    let private headChecks (head: HeadSettings) =
        [
            let unit =
                [ neckGroups; head.Heads; head.Groups ] |> List.reduce leastCommonMultiple

            if head.Channels % unit <> 0 then
                let next = (head.Channels / unit + 1) * unit

                {
                    Keys = [ "channels"; "heads"; "groups" ]
                    Text =
                        $"is {head.Channels}, but must be a multiple of {neckGroups} (groups of the neck's normalisation), "
                        + $"of heads = {head.Heads} and of groups = {head.Groups}; use for example {next}"
                }

            if not head.StageWeights.IsEmpty && head.StageWeights.Length <> head.Stages then
                {
                    Keys = [ "stage_weights"; "stages" ]
                    Text =
                        $"holds {head.StageWeights.Length} weights for {head.Stages} stages; "
                        + "give one a stage, or [] for 1 everywhere"
                }
        ]

    let head: Section<HeadSettings> =
        {
            Fields =
                [
                    Field.value
                        "channels"
                        (integer 32 4096)
                        _.Channels
                        (fun v r -> { r with Channels = v })
                        "Width of the query contents and of the pyramid; a multiple of 32, of `heads` and of `groups`."
                    Field.value "heads" (integer 1 256) _.Heads (fun v r -> { r with Heads = v }) "Attention heads."
                    Field.value
                        "groups"
                        (integer 1 256)
                        _.Groups
                        (fun v r -> { r with Groups = v })
                        "Groups of channels that sample and mix on their own."
                    Field.value
                        "points_in"
                        (integer 1 4096)
                        _.PointsIn
                        (fun v r -> { r with PointsIn = v })
                        "Points that each group samples. A square number starts as a regular grid, others at random."
                    Field.value
                        "points_out"
                        (integer 1 4096)
                        _.PointsOut
                        (fun v r -> { r with PointsOut = v })
                        "Points after spatial mixing."
                    Field.value
                        "feed_forward"
                        (integer 1 65_536)
                        _.FeedForward
                        (fun v r -> { r with FeedForward = v })
                        "Hidden width of the feed-forward network."
                    Field.value
                        "stages"
                        (integer 1 64)
                        _.Stages
                        (fun v r -> { r with Stages = v })
                        "Stages that share no weights (ffndet, adamixer; deqdet always has two heads)."
                    Field.value
                        "stage_weights"
                        (list "a list of numbers, at least 0" nonNegative)
                        _.StageWeights
                        (fun v r -> { r with StageWeights = v })
                        "Loss weight of each stage (ffndet, adamixer). []: 1 everywhere."
                ]
            Checks = [ headChecks ]
        }

    let schemes =
        [ "picard", PicardScheme; "anderson", AndersonScheme; "broyden", BroydenScheme ]

    let gradients =
        [
            "rag", RagGradient
            "jfb", JfbGradient
            "phantom", PhantomGradient
            "implicit", ImplicitGradient
        ]

    let solver: Section<SolverSettings> =
        {
            Fields =
                [
                    Field.value
                        "steps"
                        (integer 1 10_000)
                        _.Steps
                        (fun v r -> { r with Steps = v })
                        "Refinement steps towards the equilibrium (deqdet); prediction reads out after one step more."
                    Field.value
                        "scheme"
                        (oneOf schemes)
                        _.Scheme
                        (fun v r -> { r with Scheme = v })
                        "How prediction finds the equilibrium: plain iteration, or a method that remembers. Training follows the plain path."
                    Field.value
                        "damping"
                        (positive |> where (fun t -> t < 2.0) "a number above 0 and below 2")
                        _.Damping
                        (fun v r -> { r with Damping = v })
                        "How far a step goes of what the head proposes: 1 all the way; less calms queries that swing."
                    Field.value
                        "memory"
                        (optional (integer 1 100))
                        _.Memory
                        (fun v r -> { r with Memory = v })
                        "Earlier states that anderson and broyden remember. null: 5 and 30."
                    Field.value
                        "tolerance"
                        (optional positive)
                        _.Tolerance
                        (fun v r -> { r with Tolerance = v })
                        "Residual at which a query has settled in prediction: the part of its size by which its box still moves, or of its length by which its content does, whichever is larger. null: every query takes all steps."
                    Field.value
                        "budget_ms"
                        (optional positive)
                        _.BudgetMs
                        (fun v r -> { r with BudgetMs = v })
                        "Milliseconds that the refinement of one batch of images may take in prediction. null: no limit."
                ]
            Checks = []
        }

    let rag: Section<RagSettings> =
        let isAscending (steps: int list) =
            not steps.IsEmpty && steps |> List.pairwise |> List.forall (fun (a, b) -> a < b)

        {
            Fields =
                [
                    Field.value
                        "supervised"
                        (list "" (integer 1 10_000)
                         |> where isAscending "an ascending list of whole numbers, at least one, from 1 to solver.steps")
                        _.Supervised
                        (fun v r -> { r with Supervised = v })
                        "Refinement steps after which the state is supervised."
                    Field.value
                        "gradient"
                        (oneOf gradients)
                        _.Gradient
                        (fun v r -> { r with Gradient = v })
                        "Gradient at every supervised step: \"rag\" the paper's, `unroll` further applications; \"jfb\" one; \"phantom\" `unroll` damped ones; \"implicit\" the limit of rag for many, by an equation that is solved on the way back."
                    Field.value
                        "unroll"
                        (integer 1 100)
                        _.Unroll
                        (fun v r -> { r with Unroll = v })
                        "Unrolled applications of the head that carry gradients at every supervised step (rag, phantom)."
                    Field.value
                        "phantom_damping"
                        (positive |> where (fun t -> t < 2.0) "a number above 0 and below 2")
                        _.PhantomDamping
                        (fun v r -> { r with PhantomDamping = v })
                        "How far each unrolled application goes (phantom)."
                    Field.value
                        "extra"
                        (integer 0 100)
                        _.Extra
                        (fun v r -> { r with Extra = v })
                        "Further supervised applications of the refinement head right after the init head."
                    Field.value
                        "immediate"
                        boolean
                        _.Immediate
                        (fun v r -> { r with Immediate = v })
                        "Back-propagate every supervised step at once: the same gradients in less memory."
                ]
            Checks = []
        }

    let rap: Section<RapSettings> =
        {
            Fields =
                [
                    Field.value
                        "content_probability"
                        fraction
                        _.ContentProbability
                        (fun v r -> { r with ContentProbability = v })
                        "Probability, at each step of the training path, that query contents are perturbed."
                    Field.value
                        "content_intensity"
                        fraction
                        _.ContentIntensity
                        (fun v r -> { r with ContentIntensity = v })
                        "Weight of the noise relative to the content's norm."
                    Field.value
                        "position_probability"
                        fraction
                        _.PositionProbability
                        (fun v r -> { r with PositionProbability = v })
                        "Probability, at each step of the training path, that boxes are perturbed."
                    Field.value
                        "position_intensity"
                        nonNegative
                        _.PositionIntensity
                        (fun v r -> { r with PositionIntensity = v })
                        "Standard deviation of the noise on box coordinates, pixels."
                ]
            Checks = []
        }

    let private terms what : Field<TermWeights> list =
        [
            Field.value
                "focal"
                nonNegative
                _.Focal
                (fun v (r: TermWeights) -> { r with Focal = v })
                $"Weight of the focal classification term {what}."
            Field.value
                "l1"
                nonNegative
                _.L1
                (fun v r -> { r with L1 = v })
                $"Weight of the L1 distance of boxes, relative to the image size, {what}."
            Field.value
                "giou"
                nonNegative
                _.GIoU
                (fun v r -> { r with GIoU = v })
                $"Weight of the generalised IoU {what}."
        ]

    let private someWeight (weights: TermWeights) =
        [
            if weights.Focal + weights.L1 + weights.GIoU = 0.0 then
                {
                    Keys = [ "focal"; "l1"; "giou" ]
                    Text = "is 0, and so are l1 and giou; at least one weight must be above 0"
                }
        ]

    let matching: Section<TermWeights> =
        {
            Fields = terms "in the cost of matching a query to an object"
            Checks = [ someWeight ]
        }

    let loss: Section<LossSettings> =
        {
            Fields =
                [
                    Field.section
                        "weights"
                        {
                            Fields = terms "in the loss"
                            Checks = [ someWeight ]
                        }
                        _.Weights
                        (fun v r -> { r with Weights = v })
                        "Weights of the terms of the loss."
                    Field.value
                        "focal_gamma"
                        nonNegative
                        _.FocalGamma
                        (fun v r -> { r with FocalGamma = v })
                        "Exponent of the focal loss: how much easy examples are discounted."
                    Field.value
                        "focal_alpha"
                        fraction
                        _.FocalAlpha
                        (fun v r -> { r with FocalAlpha = v })
                        "Weight of objects in the focal loss; background has 1 - alpha."
                    Field.value
                        "empty_batch_divisor"
                        positive
                        _.EmptyBatchDivisor
                        (fun v r -> { r with EmptyBatchDivisor = v })
                        "What the loss is divided by, in place of the number of matched queries, where a whole batch has no box."
                ]
            Checks = []
        }

    /// Rules between the sections of the detector; keys are those of the top level.
    let checks (detector: DetectorSettings) : Finding list =
        let steps = detector.Solver.Steps

        [
            match detector.Rag.Supervised |> List.filter (fun step -> step > steps) with
            | [] -> ()
            | beyond ->
                let words = beyond |> List.map string |> String.concat ", "

                let suggestion =
                    (detector.Rag.Supervised |> List.filter (fun step -> step < steps)) @ [ steps ]
                    |> List.map string
                    |> String.concat ","

                {
                    Keys = [ "rag.supervised"; "solver.steps" ]
                    Text = $"names steps beyond solver.steps = {steps}: {words}; use for example [{suggestion}]"
                }
        ]
