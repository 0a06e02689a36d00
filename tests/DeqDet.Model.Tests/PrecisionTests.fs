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
        ]
