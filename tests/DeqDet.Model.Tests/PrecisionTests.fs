/// Predictions whose large layers compute in bfloat16.
module DeqDet.Model.Tests.PrecisionTests

open Expecto
open TorchSharp
open DeqDet.Kernels
open DeqDet.Model

let private reduced = Computation(Computation.Best.Instructions, Precision.Bf16)

let private settings =
    let small = Small.settings DeqDet

    { small with
        Head =
            { small.Head with
                Channels = 64
                Groups = 4
                PointsIn = 9
                PointsOut = 16
                FeedForward = 128
            }
    }

/// The decoder of a seed in float32, its leaves by name, a pyramid and queries.
let private decoder (computation: Computation) (seed: int) =
    use generator = Small.generator seed
    let _, leaves = Small.decoder settings generator
    let mine = System.Collections.Generic.Dictionary<string, Tensor>()

    let weights =
        Decoder.create settings
        |> WeightSource.buildFor computation ignore (fun spec ->
            let leaf = leaves[spec.Name].detach().``to`` torch.float32
            mine[spec.Name] <- leaf
            leaf)

    let pyramid =
        Sampling.arrange
            computation
            {
                Levels =
                    [
                        for level in (Small.pyramid settings 2 generator).Levels -> level.detach().``to`` torch.float32
                    ]
                Strides = Detector.strides
            }

    let normal shape =
        (Small.normal shape generator).``to`` torch.float32

    let position =
        torch.cat (
            [|
                normal [ 2; 6; 2 ] * scalar 20.0 + scalar 32.0
                normal [ 2; 6; 2 ] + scalar 4.0
            |],
            -1L
        )

    weights,
    mine,
    pyramid,
    {
        Position = position
        Content = normal [ 2; 6; 64 ]
        Box = Boxes.decode position
    }

/// How near a tensor is to another: the cosine between them, and the length of the first relative to the second's.
let private nearness (a: Tensor) (b: Tensor) : struct (float * float) =
    use _ = torch.NewDisposeScope()
    let a, b = a.``to``(torch.float64).flatten(), b.``to``(torch.float64).flatten()
    let length (x: Tensor) = x.norm().ToDouble()
    struct ((a * b).sum().ToDouble() / (length a * length b), length a / length b)

/// Contents with samples mixed in, and the gradients that their product with noise leaves, all at the same points.
let private mixed (computation: Computation) (seed: int) =
    let weights, leaves, pyramid, query = decoder computation seed
    let head = weights.Heads[1]
    use generator = Small.generator (seed + 100)

    let normal (shape: int list) =
        (Small.normal shape generator).``to`` torch.float32

    let levels =
        [
            for level in pyramid.Levels do
                let leaf = level.detach().requires_grad_ true
                leaf.grad <- torch.zeros_like leaf
                leaf
        ]

    let points =
        torch.cat (
            [|
                normal [ 2; 6; 36; 2 ] * scalar 20.0 + scalar 32.0
                normal [ 2; 6; 36; 1 ] + scalar 4.0
            |],
            -1L
        )

    let points = points.detach().requires_grad_ true
    let content = query.Content.detach().requires_grad_ true

    for leaf in leaves.Values do
        leaf.requires_grad_ true |> ignore

    match Mixing.trySampled head.Mixing head.Groups { pyramid with Levels = levels } points content with
    | None -> failtest "the kernels were not used"
    | Some(struct (mixed, _)) ->
        (mixed * normal [ 2; 6; 64 ]).sum().backward()

        [
            "mixed contents", mixed.detach ()
            "gradient of the contents", content.grad
            "gradient of the points", points.grad
            for i, level in List.indexed levels do
                $"gradient of level {i}", level.grad
            for KeyValue(name, leaf) in leaves do
                if not (isNull leaf.grad) then
                    $"gradient of {name}", leaf.grad
        ]

/// Precisions, their types, and how near their gradients come in a model of random weights on noise, where a point that moves by the rounding reads
/// something else. (Gradients that have nothing to do with each other have cosines below 0.1.)
let private reducedTypes =
    [ Precision.Bf16, torch.bfloat16, 0.8; Precision.Fp16, torch.float16, 0.95 ]

/// Every gradient of a whole training step of a small detector, by name, and the losses.
let private trained (kind: BackboneKind) (precision: Precision) =
    let settings =
        { settings with
            Backbone =
                { settings.Backbone with
                    Kind = kind
                    Width = (if kind = SwinT then 64 else 16)
                }
            Rap =
                { settings.Rap with
                    ContentProbability = 0.0
                    PositionProbability = 0.0
                }
        }

    let detector =
        Detector.initialise settings 7UL torch.CPU |> Detector.forTraining precision

    // a layer that is zero has no gradient to hand on
    use generator = Small.generator 3

    using (torch.no_grad ()) (fun _ ->
        for spec, tensor in detector.Tensors do
            if spec.Role = Parameter && spec.Name.Contains "roi_head" then
                tensor.add_ (torch.randn (tensor.shape, generator = generator) * scalar 0.03)
                |> ignore)

    let random = System.Random 5
    let targets = Small.targets [ 2; 3 ] random

    let targets =
        [
            for target in targets ->
                { target with
                    Boxes = target.Boxes.``to`` torch.float32
                }
        ]

    let batch =
        {
            Images = torch.randn ([| 2L; 3L; 64L; 64L |], generator = generator)
            Sizes = [ for target in targets -> target.Size ]
        }

    let losses = Detector.trainStep detector batch targets generator

    let gradients =
        [
            for spec, tensor in Detector.trainable detector do
                if not (isNull tensor.grad) then
                    spec.Name, tensor.grad
        ]

    detector, losses, gradients

let private part (name: string) = name.Split('.')[0]

/// All gradients of a part of the detector in a row.
let private together (gradients: (string * Tensor) list) =
    gradients
    |> List.groupBy (fst >> part)
    |> List.map (fun (part, gradients) -> part, torch.cat [| for _, gradient in gradients -> gradient.flatten () |])
    |> Map

let private apply computation seed =
    let weights, _, pyramid, query = decoder computation seed
    use _ = torch.no_grad ()
    Refinement.apply weights.Heads[1] pyramid query

[<Tests>]
let tests =
    testList
        "Precision"
        [
            testCase "an application in bfloat16 differs by its rounding, and no more"
            <| fun () ->
                use _ = torch.NewDisposeScope()

                for seed in 1..5 do
                    let exact, rounded = apply Computation.Best seed, apply reduced seed
                    let ofContent = Small.difference exact.Content rounded.Content
                    Expect.isGreaterThan ofContent 1e-5 "large layers are computed in bfloat16"
                    // 8 bits a number, over five layers in a row
                    Expect.isLessThan ofContent 0.03 "content"
                    Expect.isLessThan (Small.difference exact.Box rounded.Box) 0.03 "box"
                    Expect.equal rounded.Content.dtype torch.float32 "states stay float32"

            testCase "weights that change are seen at once"
            <| fun () ->
                use _ = torch.NewDisposeScope()
                let weights, leaves, pyramid, query = decoder reduced 3
                use _ = torch.no_grad ()
                let before = Refinement.apply weights.Heads[1] pyramid query

                for name in
                    [
                        "parameter_generator.0.weight"
                        "parameter_generator.0.bias"
                        "out_proj.weight"
                    ] do
                    let leaf = leaves[$"roi_head.bbox_head.1.sampling_n_mixing.adaptive_mixing.{name}"]
                    leaf.add_ (torch.ones_like leaf) |> ignore
                    let after = Refinement.apply weights.Heads[1] pyramid query
                    Expect.isGreaterThan (Small.difference before.Content after.Content) 1e-3 $"{name} was changed"

                    let afresh =
                        Decoder.create settings
                        |> WeightSource.buildFor reduced ignore (fun spec -> leaves[spec.Name])

                    let expected = Refinement.apply afresh.Heads[1] pyramid query

                    Expect.equal
                        (Small.difference expected.Content after.Content)
                        0.0
                        $"as if {name} had always been so"

            testCase "what is recorded for a gradient is computed in float32"
            <| fun () ->
                use _ = torch.NewDisposeScope()

                let run computation =
                    let weights, _, pyramid, query = decoder computation 4

                    let query =
                        { query with
                            Content = query.Content.requires_grad_ true
                        }

                    (Refinement.apply weights.Heads[1] pyramid query).Content.detach()

                Expect.equal (Small.difference (run Computation.Best) (run reduced)) 0.0 "content"

            testCase "other settings change how a detector computes where they say so, and only there"
            <| fun () ->
                use _ = torch.NewDisposeScope()

                let detector =
                    Detector.initialise
                        { settings with
                            Backbone = { settings.Backbone with Width = 4 }
                        }
                        1UL
                        torch.CPU
                    |> Detector.withComputation reduced

                let slower =
                    { detector.Settings with
                        Solver = SolverSettings.ofSteps 7
                    }

                Expect.equal (Detector.withSettings slower detector).Computation reduced "the chosen one stays"

                let exact =
                    detector
                    |> Detector.withSettings (detector.Settings.WithPrecision BFloat16)
                    |> Detector.withSettings (detector.Settings.WithPrecision Float32)

                Expect.equal exact.Computation Computation.Best "as the settings say"
                Detector.dispose detector

            testCase "gradients of sampling and mixing in bfloat16 point where those in float32 do"
            <| fun () ->
                use _ = torch.NewDisposeScope()

                for seed in 1..4 do
                    let exact, rounded =
                        mixed Computation.Training seed, mixed (Computation.ForTraining Precision.Bf16) seed

                    for (name, exact), (_, rounded) in List.zip exact rounded do
                        Expect.equal rounded.dtype torch.float32 $"{name} is float32"
                        let struct (cosine, length) = nearness rounded exact
                        Expect.isGreaterThan cosine 0.99 $"{name}: direction"
                        Expect.isLessThan (abs (length - 1.0)) 0.02 $"{name}: length"
                        Expect.isGreaterThan (Small.difference exact rounded) 1e-4 $"{name} is computed in bfloat16"

            testCase
                "a training step in bfloat16 or float16 has the losses and gradients of float32, up to its rounding"
            <| fun () ->
                use _ = torch.NewDisposeScope()

                for kind in [ ResNet18; SwinT ] do
                    let detector, losses, gradients = trained kind Precision.Fp32
                    let exact = together gradients

                    for precision, _, least in reducedTypes do
                        let ours, rounded, mine = trained kind precision

                        for before, after in List.zip losses rounded do
                            if before.Name.Contains "loss" then
                                let expected = before.Value.ToDouble()

                                Expect.isLessThan
                                    (abs (after.Value.ToDouble() - expected))
                                    (0.03 * expected)
                                    before.Name

                        Expect.equal (List.map fst mine) (List.map fst gradients) "the same gradients are there"

                        for name, gradient in mine do
                            Expect.equal gradient.dtype torch.float32 $"{name}: float32 masters have float32 gradients"

                        for KeyValue(part, gradient) in together mine do
                            let struct (cosine, length) = nearness gradient exact[part]
                            Expect.isGreaterThan cosine least $"{kind}, {precision}, {part}: direction"
                            Expect.isLessThan (abs (length - 1.0)) 0.2 $"{kind}, {precision}, {part}: length"

                        Detector.dispose ours

                    Detector.dispose detector

            testCase "images enter in the precision's type with the channels last, and in float32 as they are"
            <| fun () ->
                use _ = torch.NewDisposeScope()
                let images = torch.randn (2L, 3L, 8L, 8L)

                Expect.equal
                    (Activations.ofImages Computation.Training images).Handle
                    images.Handle
                    "float32: the tensor itself"

                for precision, dtype, _ in reducedTypes do
                    let entered = Activations.ofImages (Computation.ForTraining precision) images
                    Expect.equal entered.dtype dtype "type"
                    Expect.isTrue (entered.permute(0L, 2L, 3L, 1L).is_contiguous()) "channels last"
        ]
