module DeqDet.Model.Tests.SupervisionTests

open System
open System.Collections.Generic
open Expecto
open TorchSharp
open DeqDet.Model

let private config =
    { FsCheckConfig.defaultConfig with
        maxTest = 8
    }

/// What a training step leaves behind.
type private Outcome =
    {
        Losses: (string * float) list
        Gradients: (string * Tensor) list
    }

let private outcome losses (leaves: IReadOnlyDictionary<string, Tensor>) (pyramid: Pyramid) =
    let gradient name (leaf: Tensor) =
        name,
        (if isNull leaf.grad then
             torch.zeros_like leaf
         else
             leaf.grad)

    {
        Losses = losses
        Gradients =
            [
                for KeyValue(name, leaf) in leaves do
                    gradient name leaf
                for i, level in List.indexed pyramid.Levels do
                    gradient $"level {i}" level
            ]
    }

let private compare (expected: Outcome) (actual: Outcome) =
    Expect.equal (List.map fst actual.Losses) (List.map fst expected.Losses) "names of the losses"

    for (name, expected), (_, actual) in List.zip expected.Losses actual.Losses do
        Expect.isLessThanOrEqual (abs (actual - expected)) (1e-9 * (1.0 + abs expected)) name

    for (name, expected), (_, actual) in List.zip expected.Gradients actual.Gradients do
        Expect.isLessThan (Small.difference expected actual) 1e-8 $"gradient of {name}"

/// One random step of training, to be run in several ways on weights of its own.
type private Step(kind: DetectorKind, seed: int) =
    let random = Random seed
    let images = 1 + random.Next 2
    let boxes = [ for _ in 1..images -> random.Next 9 ]

    let settings =
        let small = Small.settings kind

        { small with
            Rag =
                { small.Rag with
                    Unroll = 1 + random.Next 3
                    Extra = random.Next 3
                    Supervised = List.filter (fun _ -> random.Next 2 = 0) [ 1 .. small.Solver.Steps ]
                    Discount = [ 1.0; 0.75 ][random.Next 2]
                }
            Loss =
                { small.Loss with
                    Jacobian = [ 0.0; 0.5 ][random.Next 2]
                    Residual = [ 0.0; 2.0 ][random.Next 2]
                }
            Head =
                { small.Head with
                    StageWeights = [ 1.0; 0.5; 2.0 ]
                }
        }

    let targetSeed = random.Next()
    let drawSeed = random.Next()

    let prepare () =
        use generator = Small.generator seed
        let weights, leaves = Small.decoder settings generator
        let pyramid = Small.pyramid settings images generator
        let targets = Small.targets boxes (Random targetSeed)
        let start = Small.start settings weights targets
        let draws = Small.draws settings images (Random drawSeed) generator

        let probes =
            [
                if settings.Loss.Jacobian > 0.0 then
                    for _ in settings.Rag.Supervised do
                        Small.normal [ images; settings.Queries.Count; 4 + settings.Head.Channels ] generator
            ]

        weights, leaves, pyramid, targets, start, draws, probes

    /// The program's own way.
    member _.Run(immediate: bool) : Outcome =
        let weights, leaves, pyramid, targets, start, draws, probes = prepare ()
        let share = Share.whole settings.Queries.Count boxes

        let plan =
            { Family.plan settings with
                Immediate = immediate
            }

        let log =
            Supervision.runShare Supervision.silent share settings plan weights pyramid start draws probes targets

        outcome [ for entry in log -> entry.Name, entry.Value.ToDouble() ] leaves pyramid

    /// Word for word: nothing computed once and used twice, one graph, one backward pass.
    member _.Plainly() : Outcome =
        let weights, leaves, pyramid, targets, start, draws, probes = prepare ()
        let plan = Family.plan settings
        let log, totals = ResizeArray(), ResizeArray()

        let supervise (stage: SupervisedStage) (query: Query) =
            let logits = Refinement.classify weights.Heads[stage.Head] query.Content
            let matching = Matching.run settings.Matching settings.Loss targets logits query.Box
            let terms = Losses.compute settings.Loss targets matching logits query.Box

            for name, term: Tensor in
                [
                    "loss_cls", terms.Classification
                    "pos_acc", terms.Accuracy
                    "loss_bbox", terms.Box
                    "loss_iou", terms.GIoU
                ] do
                log.Add(stage.Name + name, stage.Weight * term.ToDouble())

            totals.Add(Losses.total terms * scalar stage.Weight)

        let mutable query = start
        let mutable first = None

        for stage in plan.Chain do
            query <- Refinement.apply weights.Heads[stage.Head] pyramid query
            supervise stage query

            if first.IsNone then
                first <- Some(Query.detach query)

        query <- first.Value

        for step in 1 .. plan.Steps do
            query <-
                use _ = torch.no_grad ()
                Refinement.apply weights.Heads[1] pyramid (Perturbation.apply settings.Rap draws[step - 1] query)

            for number, (at, stage) in List.indexed plan.Rag do
                if at = step then
                    let mutable unrolled = query

                    for _ in 1 .. settings.Rag.Unroll do
                        unrolled <- Refinement.apply weights.Heads[1] pyramid unrolled

                    supervise stage unrolled

                    let map =
                        QueryState.unpack
                        >> Refinement.apply weights.Heads[1] pyramid
                        >> QueryState.pack

                    let rows = QueryState.pack query
                    let units = QueryState.units rows

                    let add name (weight: float) (values: Tensor) =
                        let penalty = values.mean () * scalar weight
                        log.Add($"{stage.Name}loss_{name}", penalty.ToDouble())
                        totals.Add penalty

                    if settings.Loss.Jacobian > 0.0 then
                        let moved = map (rows + probes[number] * units * scalar 0.001)
                        add "jacobian" settings.Loss.Jacobian (((moved - map rows) * scalar 1000.0 / units).square())

                    if settings.Loss.Residual > 0.0 then
                        let squares = ((map rows - rows) / units).square()
                        add "residual" settings.Loss.Residual (squares / (squares + scalar 1.0))

        (Seq.reduce (fun (a: Tensor) b -> a + b) totals).backward()
        outcome (List.ofSeq log) leaves pyramid

[<Tests>]
let tests =
    testList
        "Supervision"
        [
            testPropertyWithConfig
                config
                "computing the path's next state once, and back-propagating at once, changes nothing"
            <| fun (seed: int) ->
                use _ = torch.NewDisposeScope()
                let step = Step(DetectorKind.DeqDet, seed)
                let plain = step.Plainly()
                compare plain (step.Run true)
                compare plain (step.Run false)

            testPropertyWithConfig config "models without equilibrium: every stage supervised, with its weight"
            <| fun (seed: int) ->
                use _ = torch.NewDisposeScope()

                for kind in [ FfnDet; AdaMixer ] do
                    let step = Step(kind, seed)
                    compare (step.Plainly()) (step.Run true)

            testCase "names and number of the losses are the official ones"
            <| fun () ->
                let names kind =
                    let plan = Family.plan (Small.settings kind)

                    [ for stage in plan.Chain -> stage.Name ]
                    @ [ for step, stage in plan.Rag -> $"{step}:{stage.Name}" ]

                Expect.equal
                    (names DetectorKind.DeqDet)
                    [ "init_"; "init^1_"; "init^2_"; "1:iter1_"; "3:iter3_"; "5:iter5_" ]
                    "DEQDet"

                Expect.equal (names FfnDet) [ "stage_0"; "stage_1"; "stage_2" ] "FFNDet"
                Expect.equal (names AdaMixer) [ "stage0_"; "stage1_"; "stage2_" ] "AdaMixer"

            testCase "of several supervised steps the early ones count less where they are discounted"
            <| fun () ->
                let small = Small.settings DetectorKind.DeqDet

                let plan =
                    Family.plan
                        { small with
                            Rag = { small.Rag with Discount = 0.5 }
                        }

                Expect.equal [ for _, stage in plan.Rag -> stage.Weight ] [ 0.25; 0.5; 1.0 ] "weights"
                Expect.allEqual [ for stage in plan.Chain -> stage.Weight ] 1.0 "the chain's"

            testCase "the penalty on the Jacobian is its mean square row, for a linear map exactly and in every share"
            <| fun () ->
                use _ = torch.NewDisposeScope()
                use generator = Small.generator 11
                let images, queries, width = 3, 4, 9
                let matrix = (Small.normal [ width; width ] generator).requires_grad_ true
                let map (rows: Tensor) = rows.matmul matrix
                let state = Small.normal [ images; queries; width ] generator
                let units = QueryState.units state

                // the Jacobian of each row in its units, as a matrix of its own
                let scaled =
                    matrix.detach().view(1L, 1L, int64 width, int64 width) * units.unsqueeze -1
                    / units.unsqueeze -2

                let exact = scaled.square().sum(-1L).mean().ToDouble()
                let whole = Share.whole queries [ 0; 0; 0 ]

                let estimate share (state: Tensor) (noise: Tensor) =
                    Stability.jacobian share map state (map state) noise

                // the expectation over normal noise is the sum over the unit vectors
                let overUnitVectors =
                    [
                        for i in 0L .. int64 width - 1L do
                            let noise = torch.zeros_like state
                            noise.select(-1L, i).fill_(scalar 1.0) |> ignore
                            (estimate whole state noise).ToDouble()
                    ]
                    |> List.sum

                Expect.isLessThan (abs (overUnitVectors / exact - 1.0)) 1e-9 $"{overUnitVectors} for {exact}"
                let noise = Small.normal [ images; queries; width ] generator

                let parts =
                    [
                        for first, count in [ 0L, 1L; 1L, 2L ] do
                            let share =
                                { whole with
                                    First = first
                                    Count = count
                                }

                            estimate share (Share.narrow share 0 state) (Share.narrow share 0 noise)
                    ]

                let together = (estimate whole state noise).ToDouble()
                Expect.floatClose Accuracy.high (parts |> List.sumBy _.ToDouble()) together "shares"
                (estimate whole state noise).backward()
                Expect.isGreaterThan (matrix.grad.norm().ToDouble()) 0.0 "it can be trained on"

                let residual = (Stability.residual whole state (map state)).ToDouble()
                let squares = ((map state - state) / units).square()
                let expected = (squares / (squares + scalar 1.0)).mean().ToDouble()
                Expect.floatClose Accuracy.high residual expected "residual"

                let idle = { whole with Counts = false }

                Expect.equal ((Stability.residual idle state (map state)).ToDouble()) 0.0 "a share that does not count"

            testCase "a batch without boxes has finite losses and gradients"
            <| fun () ->
                use _ = torch.NewDisposeScope()
                let settings = Small.settings DetectorKind.DeqDet
                use generator = Small.generator 5
                let weights, leaves = Small.decoder settings generator
                let pyramid = Small.pyramid settings 2 generator
                let targets = Small.targets [ 0; 0 ] (Random 1)
                let draws = List.replicate settings.Solver.Steps Perturbation.none
                let start = Small.start settings weights targets

                let log =
                    Supervision.run settings (Family.plan settings) weights pyramid start draws targets

                for entry in log do
                    let value = entry.Value.ToDouble()
                    Expect.isTrue (Double.IsFinite value && value < 1e4) $"{entry.Name} = {value}"

                for name, gradient in (outcome [] leaves pyramid).Gradients do
                    Expect.isTrue ((gradient.isfinite ()).all().ToBoolean()) $"gradient of {name}"

                Expect.isGreaterThan
                    (leaves["roi_head.bbox_head.1.fc_cls.weight"].grad.abs().sum().ToDouble())
                    0.0
                    "learning"

            testPropertyWithConfig
                config
                "perturbation: drawn from the seed, one decision for the batch, off where the probability is 0"
            <| fun (seed: int) ->
                use _ = torch.NewDisposeScope()
                let content = torch.zeros ([| 2L; 6L; 16L |])
                let rap = (Small.settings DetectorKind.DeqDet).Rap

                let draw rap =
                    use generator = Small.generator seed
                    Perturbation.draw rap 40 content generator

                let numbers (noise: Tensor option) =
                    noise |> Option.map (fun noise -> noise.data<float32>().ToArray())

                let all draws =
                    [ for draw in draws -> numbers draw.ContentNoise, numbers draw.PositionNoise ]

                Expect.equal (all (draw rap)) (all (draw rap)) "the same again"

                let struck =
                    draw rap |> List.filter (fun draw -> draw.ContentNoise.IsSome) |> List.length

                Expect.isTrue (struck > 4 && struck < 36) $"{struck} of 40 with probability one half"

                let never =
                    { rap with
                        ContentProbability = 0.0
                        PositionProbability = 0.0
                    }

                Expect.all (draw never) Perturbation.isNone "never"

                for shape in draw rap |> List.choose (fun draw -> draw.PositionNoise) do
                    Expect.sequenceEqual shape.shape [ 2L; 6L; 4L ] "shape"
        ]
