/// Detectors of which a part does not train.
module DeqDet.Model.Tests.FreezeTests

open System
open Expecto
open TorchSharp
open DeqDet.Kernels
open DeqDet.Model

let private settings (gradient: GradientKind) (norm: BatchNormMode) : DetectorSettings =
    let small = Small.settings DetectorKind.DeqDet

    { small with
        Backbone =
            { small.Backbone with
                Width = 8
                Norm = norm
            }
        Head =
            { small.Head with
                Channels = 32
                PointsOut = 8
                FeedForward = 32
            }
        Rag = { small.Rag with Gradient = gradient }
    }

/// A detector in training after one forward and backward pass.
let private trained (settings: DetectorSettings) (computation: Detector -> Detector) (frozen: string list) =
    let detector =
        Detector.initialise settings 5UL torch.CPU
        |> computation
        |> Detector.freeze (fun name -> frozen |> List.exists (fun part -> name.Contains part))

    use generator = Small.generator 3

    let batch =
        {
            Images = (Small.normal [ 2; 3; 64; 64 ] generator).``to`` torch.float32
            Sizes = Small.sizes 2
        }

    let targets =
        [
            for target in Small.targets [ 2; 1 ] (Random 1) ->
                { target with
                    Boxes = target.Boxes.``to`` torch.float32
                }
        ]

    Detector.trainStep detector batch targets generator |> ignore
    detector

let private kernels = Detector.forTraining Precision.Fp32
let private plain = Detector.withComputation Computation.Plain

let private isIn (frozen: string list) (name: string) =
    frozen |> List.exists (fun (part: string) -> name.Contains part)

let private parts =
    [
        [ "backbone" ]
        [ "backbone."; "neck." ]
        // gradients reach neck and backbone through heads that do not train
        [ "bbox_head" ]
        [ "bbox_head"; "rpn_head" ]
        [ "backbone"; "neck"; "bbox_head" ]
        [ "attention"; "conv1"; "fc_cls.bias" ]
        [ "adaptive_mixing"; "layer2" ]
    ]

[<Tests>]
let tests =
    testList
        "Frozen parts"
        [
            for gradient in [ RagGradient; ImplicitGradient ] do
                for name, computation in [ "kernels", kernels; "libtorch", plain ] do
                    testCase $"what trains gets the gradients that it gets without them ({gradient}, {name})"
                    <| fun () ->
                        use _ = torch.NewDisposeScope()
                        let settings = settings gradient Frozen
                        let whole = trained settings computation []

                        let expected = dict [ for spec, tensor in whole.Tensors -> spec.Name, tensor.grad ]

                        for frozen in parts do
                            let detector = trained settings computation frozen
                            let what = String.concat ", " frozen

                            for spec, tensor in detector.Tensors do
                                if spec.Role = Parameter then
                                    let expected = expected[spec.Name]

                                    if isIn frozen spec.Name then
                                        Expect.isFalse tensor.requires_grad $"{what}: {spec.Name} trains"
                                        Expect.isTrue (isNull tensor.grad) $"{what}: {spec.Name} has a gradient"
                                    elif spec.Trainable && not (isNull expected) then
                                        let actual =
                                            match tensor.grad with
                                            | null -> torch.zeros_like tensor
                                            | gradient -> gradient

                                        // kernels and libtorch round otherwise
                                        Expect.isLessThan
                                            (Small.difference expected actual)
                                            2e-3
                                            $"{what}: gradient of {spec.Name}"

            testCase
                "batch normalisations keep their statistics where they do not train, and follow the batch elsewhere"
            <| fun () ->
                use _ = torch.NewDisposeScope()
                let settings = settings RagGradient Batch
                let detector = trained settings kernels [ "layer1"; "bn1" ]

                for spec, tensor in detector.Tensors do
                    if spec.Name.EndsWith "running_mean" then
                        let still = tensor.eq(0.0f.ToScalar()).all().ToBoolean()
                        Expect.equal still (isIn [ "layer1"; "bn1" ] spec.Name) spec.Name

            testCase "the pyramid of a frozen backbone and neck carries no graph"
            <| fun () ->
                use _ = torch.NewDisposeScope()
                let detector = trained (settings RagGradient Batch) kernels [ "backbone"; "neck" ]

                let pass =
                    {
                        Share = Share.whole 6 [ 1 ]
                        Generator = Small.generator 1
                    }

                let levels =
                    (Detector.pyramid (Some pass) detector (torch.zeros (1L, 3L, 64L, 64L))).Levels

                Expect.isFalse (levels |> List.exists _.requires_grad) "needs gradients"
        ]
