/// A whole detector: numbers that are not finite are found, and none come up where a batch says nothing about its variance.
module DeqDet.Model.Tests.DetectorTests

open Expecto
open TorchSharp
open DeqDet.Model

let private settings (norm: BatchNormMode) : DetectorSettings =
    let small = Small.settings DetectorKind.DeqDet

    { small with
        Backbone =
            { small.Backbone with
                Width = 8
                Norm = norm
            }
        Head = { small.Head with Channels = 32 }
    }

let private dispose (detector: Detector) =
    for _, tensor in detector.Tensors do
        tensor.Dispose()

/// One step of plain gradient descent on so many random images of 32 px.
let private descend (detector: Detector) (generator: torch.Generator) (images: int) =
    use _ = torch.NewDisposeScope()

    let batch =
        {
            Images = (Small.normal [ images; 3; 32; 32 ] generator).``to`` torch.float32
            Sizes = List.replicate images (struct (32.0, 32.0))
        }

    let targets =
        [
            for image in 0 .. images - 1 ->
                {
                    Boxes = torch.tensor([| 4.0f; 6.0f; 20.0f; 28.0f |]).view(1L, 4L)
                    Labels = torch.tensor [| int64 (image % 3) |]
                    Size = struct (32.0, 32.0)
                }
        ]

    let log = Detector.trainStep detector batch targets generator

    for entry in log do
        Expect.isTrue (System.Double.IsFinite(entry.Value.ToDouble())) $"{entry.Name} of {images} images"

    use _ = torch.no_grad ()

    for _, leaf in Detector.trainable detector do
        if not (isNull leaf.grad) then
            leaf.sub_ (leaf.grad * scalar 1e-4) |> ignore
            leaf.grad.zero_ () |> ignore

[<Tests>]
let tests =
    testList
        "Detectors"
        [
            testCase "33 images of 32 px in batches of 8, statistics of the batch: every number stays finite"
            <| fun () ->
                let detector = Detector.initialise (settings Batch) 3UL torch.CPU
                use generator = Small.generator 4

                for images in [ 8; 8; 8; 8; 1 ] do
                    descend detector generator images
                    Expect.equal (Detector.nonFinite detector) None $"after {images} images"

                dispose detector

            testCase "the first tensor that is not finite is named"
            <| fun () ->
                let detector = Detector.initialise (settings Frozen) 3UL torch.CPU
                Expect.equal (Detector.nonFinite detector) None "a new one"

                let spoil index (value: float) =
                    use _ = torch.NewDisposeScope()
                    use _ = torch.no_grad ()
                    let spec, tensor = detector.Tensors[index]
                    let last = tensor.view(-1L).narrow(0L, tensor.numel () - 1L, 1L)
                    let kept = last.item<float32>()
                    last.fill_ (scalar value) |> ignore
                    Expect.equal (Detector.nonFinite detector) (Some spec.Name) $"{spec.Name} = {value}"
                    last.fill_ (scalar (float kept)) |> ignore

                let buffer =
                    detector.Tensors |> List.findIndexBack (fun (spec, _) -> spec.Role = Buffer)

                for index in [ 0; buffer; detector.Tensors.Length - 1 ] do
                    for value in [ nan; infinity; -infinity ] do
                        spoil index value

                use _ = torch.NewDisposeScope()
                use _ = torch.no_grad ()
                // the largest numbers of float32 are finite, their sums are not
                let _, tensor = detector.Tensors[buffer]
                tensor.fill_ (scalar 3e38) |> ignore
                Expect.equal (Detector.nonFinite detector) None "large numbers"
                dispose detector
        ]
