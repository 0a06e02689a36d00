/// The kernels' backward passes against libtorch's, operation by operation in float64.
module DeqDet.Model.Tests.KernelGradientTests

open System
open System.Runtime.Intrinsics.X86
open Expecto
open TorchSharp
open DeqDet.Kernels
open DeqDet.Model

let private config =
    { FsCheckConfig.defaultConfig with
        maxTest = 20
    }

/// The instructions that this processor has.
let private instructions =
    [
        Instructions.Vector128
        if Avx2.IsSupported then
            Instructions.Avx2
        if Avx512F.IsSupported && Avx512DQ.IsSupported && Avx512BW.IsSupported then
            Instructions.Avx512
    ]

/// What two applications of a head, one after the other, leave behind: the last queries, the gradients by name.
let private run
    (settings: DetectorSettings)
    (images: int)
    (seed: int)
    (computation: Computation)
    (dtype: torch.ScalarType)
    =
    use generator = Small.generator seed
    let _, leaves = Small.decoder settings generator
    let levels = (Small.pyramid settings images generator).Levels
    let mine = Collections.Generic.Dictionary<string, Tensor>()

    let convert (tensor: Tensor) =
        tensor.detach().``to``(dtype).clone().requires_grad_ tensor.requires_grad

    let weights =
        Decoder.create settings
        |> WeightSource.buildFor computation ignore (fun spec ->
            let leaf = convert leaves[spec.Name]
            mine[spec.Name] <- leaf
            leaf)

    let pyramid =
        Sampling.arrange
            computation
            {
                Levels = List.map convert levels
                Strides = Detector.strides
            }

    let pyramid =
        { pyramid with
            Levels =
                pyramid.Levels
                |> List.map (fun level ->
                    let leaf = level.detach().requires_grad_ true
                    leaf.grad <- torch.zeros_like leaf
                    leaf)
        }

    let normal shape =
        (Small.normal shape generator).``to`` dtype

    let queries, channels = settings.Queries.Count, settings.Head.Channels

    let position =
        // some of the queries look beyond the image's border
        torch.cat (
            [|
                normal [ images; queries; 2 ] * scalar 40.0 + scalar 32.0
                normal [ images; queries; 2 ] + scalar 4.0
            |],
            -1L
        )

    let content = (normal [ images; queries; channels ]).requires_grad_ true

    let start =
        {
            Position = position
            Content = content
            Box = Boxes.decode position
        }

    let last =
        start
        |> Refinement.apply weights.Heads[0] pyramid
        |> Refinement.apply weights.Heads[1] pyramid

    let logits = Refinement.classify weights.Heads[1] last.Content

    let weigh (tensor: Tensor) =
        (tensor * normal [ for s in tensor.shape -> int s ]).sum()

    (weigh last.Content + weigh last.Position + weigh logits).backward()

    [
        "content", last.Content.detach ()
        "position", last.Position.detach ()
        "gradient of the content", content.grad
        for KeyValue(name, leaf) in mine do
            if not (isNull leaf.grad) then
                $"gradient of {name}", leaf.grad
        for i, level in List.indexed pyramid.Levels do
            $"gradient of level {i}", level.grad
    ]

[<Tests>]
let tests =
    testList
        "Kernels' gradients"
        [
            testPropertyWithConfig config "applications in a row give what libtorch gives"
            <| fun (seed: int) ->
                use _ = torch.NewDisposeScope()
                let random = Random seed
                let groups = 1 + random.Next 3
                let small = Small.settings DeqDet

                let settings =
                    { small with
                        Queries =
                            { small.Queries with
                                Count = 1 + random.Next 9
                            }
                        Head =
                            { small.Head with
                                Channels = groups * (if random.Next 3 = 0 then 64 else 16)
                                Heads = 1
                                Groups = groups
                                PointsIn = 1 + random.Next 20
                                PointsOut = 4 * (1 + random.Next 12)
                                FeedForward = 32
                            }
                    }

                let images = 1 + random.Next 2
                let truth = run settings images seed Computation.Plain torch.float64
                let plain = run settings images seed Computation.Plain torch.float32

                for instructions in instructions do
                    let fast =
                        run settings images seed (Computation(instructions, Precision.Fp32, true)) torch.float32

                    Expect.equal (List.map fst fast) (List.map fst truth) "the same gradients are there"

                    for (name, expected), (_, plain), (_, actual) in List.zip3 truth plain fast do
                        let wide (tensor: Tensor) = tensor.``to`` torch.float64
                        let byKernel = Small.difference expected (wide actual)
                        let byLibtorch = Small.difference expected (wide plain)
                        // both round; the kernel must not round much more
                        Expect.isLessThan byKernel (8.0 * byLibtorch + 2e-5) $"{name}, {instructions}"

            testCase "the kernels are used: samples and mixed features are no nodes of their own"
            <| fun () ->
                use _ = torch.NewDisposeScope()
                use generator = Small.generator 5

                let levels =
                    [ torch.zeros(1L, 8L, 8L, 32L).permute(0L, 3L, 1L, 2L).requires_grad_ true ]

                levels.Head.grad <- torch.zeros_like levels.Head
                let points = (torch.rand (1L, 3L, 2L * 4L, 3L)).requires_grad_ true
                let content = (torch.rand (1L, 3L, 32L)).requires_grad_ true

                let mixing =
                    Mixing.create
                        { (Small.settings DeqDet).Head with
                            Channels = 32
                            Groups = 2
                            PointsIn = 4
                            PointsOut = 8
                        }
                    |> WeightSource.buildFor
                        (Computation(Instructions.Vector128, Precision.Fp32, true))
                        ignore
                        (fun spec -> (Initialiser.draw generator spec).requires_grad_ true)

                let pyramid = { Levels = levels; Strides = [ 8 ] }
                Expect.isSome (Mixing.trySampled mixing 2 pyramid points content) "gradients by kernels"
                use _ = torch.no_grad ()
                Expect.isNone (Mixing.trySampled mixing 2 pyramid points content) "nothing is recorded"

            testCase "a second backward pass is an error, and the process lives"
            <| fun () ->
                use _ = torch.NewDisposeScope()
                use generator = Small.generator 5
                let level = torch.zeros(1L, 8L, 8L, 32L).permute(0L, 3L, 1L, 2L)
                let points = (torch.rand (1L, 3L, 8L, 3L)).requires_grad_ true
                let content = (torch.rand (1L, 3L, 32L)).requires_grad_ true

                let mixing =
                    Mixing.create
                        { (Small.settings DeqDet).Head with
                            Channels = 32
                            Groups = 2
                            PointsIn = 4
                            PointsOut = 8
                        }
                    |> WeightSource.buildFor
                        (Computation(Instructions.Vector128, Precision.Fp32, true))
                        ignore
                        (Initialiser.draw generator)

                match Mixing.trySampled mixing 2 { Levels = [ level ]; Strides = [ 8 ] } points content with
                | None -> failtest "the kernels were not used"
                | Some(struct (mixed, _)) ->
                    let backward () =
                        torch.autograd.backward ([| mixed |], [| torch.ones_like mixed |], retain_graph = true)

                    backward ()
                    Expect.isFalse (isNull points.grad) "the first one leaves gradients"
                    Expect.throws backward "what the first one needed is freed"
        ]
