/// Whole detectors, exported and run by ONNX Runtime, against themselves.
module DeqDet.Export.Tests.DetectorTests

open System
open Expecto
open TorchSharp
open DeqDet
open DeqDet.Export
open DeqDet.Model
open DeqDet.Verification

/// A detector of small width; its heads differ from their initial weights, so that no part is neutral.
let private detectorWith
    (inject: bool)
    (kind: DetectorKind)
    (backbone: BackboneKind)
    (padding: PaddingMode)
    : Detector =
    let published = DetectorSettings.published

    let settings =
        { published with
            Kind = kind
            Classes = 4
            Backbone =
                { published.Backbone with
                    Kind = backbone
                    FrozenStages = -1
                    Width = 16
                    Padding = padding
                }
            Queries =
                {
                    Count = 12
                    Detections = 20
                    Inject = inject
                }
            Head =
                {
                    Channels = 32
                    Heads = 4
                    Groups = 2
                    PointsIn = 8
                    PointsOut = 12
                    FeedForward = 48
                    Stages = 3
                    StageWeights = []
                }
            Solver = SolverSettings.ofSteps 6
        }

    use generator = new torch.Generator(7UL, torch.CPU)

    Detector.buildFixed settings (fun spec ->
        use scope = torch.NewDisposeScope()
        let drawn = Initialiser.draw generator spec

        if spec.Integer then
            drawn.MoveToOuterDisposeScope()
        else
            let noise = torch.randn (spec.Shape, dtype = torch.float32, generator = generator)
            // variances stay positive
            let noise = if spec.Role = Buffer then noise.abs () else noise
            (drawn + noise * scalar 0.02).MoveToOuterDisposeScope())

/// The same as published models are: nothing is injected.
let detector = detectorWith false

/// Two images in a batch, padded to one size.
let batch () : ImageBatch =
    use generator = new torch.Generator(3UL, torch.CPU)

    let images =
        torch.randn ([| 2L; 3L; 96L; 128L |], dtype = torch.float32, generator = generator)

    {
        Images = torch.nn.functional.avg_pool2d (images, 5L, stride = 1L, padding = 2L)
        Sizes = [ struct (120.0, 96.0); struct (128.0, 70.0) ]
    }

let private sizesOf (batch: ImageBatch) =
    torch
        .tensor(
            [|
                for struct (w, h) in batch.Sizes do
                    float32 w
                    float32 h
            |]
        )
        .view(-1L, 2L)

let private iterationOf (detector: Detector) =
    Looped(detector.Settings.Solver.Steps + 1, detector.Settings.Solver.Tolerance)

let private exported (form: Form) iteration (detector: Detector) (batch: ImageBatch) =
    Written.run
        (Written.ofGraph form (DetectorGraph.ofDetector form iteration detector))
        [ Names.Images, batch.Images; Names.Sizes, sizesOf batch ]

let private withSolver change (detector: Detector) =
    Detector.withSettings
        { detector.Settings with
            Solver = change detector.Settings.Solver
        }
        detector

// what differs by rounding alone
let private near = 1e-4

let private compare form iteration (detector: Detector) =
    use _ = torch.NewDisposeScope()
    let batch = batch ()
    let expected = Detector.detect Effort.Unhurried detector batch
    let found = exported form iteration detector batch
    Expect.isLessThan (Written.difference expected.Scores found[Names.Scores]) near "scores"

    for image in 0..1 do
        let of' (x: Tensor) = x.select (0L, int64 image)

        let compared =
            Detected.compare
                near
                (Detected.ofTensors (of' expected.Scores) (of' expected.Labels) (of' expected.Boxes))
                (Detected.ofTensors (of' found[Names.Scores]) (of' found[Names.Labels]) (of' found[Names.Boxes]))

        Expect.isLessThanOrEqual compared.Missing 1 "detections without a partner"

        if compared.Missing = 0 then
            Expect.isLessThan compared.Box 0.05 "boxes, px"

    if expected.Reports.Length > 0 then
        let reports = Array.concat expected.Reports
        let residuals = GoldenFile.floats found[Names.Residuals]
        let steps = GoldenFile.integers found[Names.Steps]
        Expect.equal (Array.map int steps) [| for report in reports -> report.Evaluations |] "steps"

        for query, report in Array.indexed reports do
            Expect.isLessThan
                (abs (residuals[query] - report.Residual))
                (2e-3 * report.Residual + 1e-6)
                $"residual of query {query}"

    found

let private test name (f: unit -> unit) = testCase name f

[<Tests>]
let tests =
    testList
        "Detector"
        [
            for kind, backbone, padding in
                [
                    DetectorKind.DeqDet, ResNet18, Symmetric
                    FfnDet, ResNet50, Symmetric
                    AdaMixer, MobileNetV2, Symmetric
                    DetectorKind.DeqDet, MobileNetV2, Same
                    DetectorKind.DeqDet, SwinT, Symmetric
                ] do
                test $"{kind} on {backbone}, padding {padding}"
                <| fun () ->
                    use _ = torch.NewDisposeScope()
                    let detector = detector kind backbone padding
                    compare Form.standard (iterationOf detector) detector |> ignore

            for form, inject in
                [
                    { Form.standard with Operators = 17 }, false
                    { Form.standard with
                        Runtime = TensorRt
                    },
                    false
                    { Form.standard with Runtime = Web }, false
                    Form.standard, true
                    { Form.standard with
                        Runtime = TensorRt
                    },
                    true
                ] do
                let what = if inject then ", contents injected" else ""

                test $"steps and tolerances by operators {form.Operators} for {form.Runtime}{what}"
                <| fun () ->
                    use _ = torch.NewDisposeScope()
                    let detector = detectorWith inject DetectorKind.DeqDet ResNet18 Symmetric

                    compare form (Unrolled 3) (withSolver (fun solver -> { solver with Steps = 2 }) detector)
                    |> ignore

                    compare form (Looped(7, None)) detector |> ignore

                    for tolerance in [ 0.3; 0.05 ] do
                        let settling =
                            withSolver
                                (fun solver ->
                                    { solver with
                                        Tolerance = Some tolerance
                                    })
                                detector

                        compare form (iterationOf settling) settling |> ignore

            test "the states on the way are those of the path"
            <| fun () ->
                use _ = torch.NewDisposeScope()
                use _ = torch.no_grad ()
                let detector = detector DetectorKind.DeqDet ResNet18 Symmetric
                let batch = batch ()
                let pyramid = Detector.pyramid None detector batch.Images
                let decoder = detector.Weights.Decoder

                let path =
                    Decoder.path detector.Settings decoder pyramid (Detector.start detector batch)
                    |> Seq.tail
                    |> List.ofSeq

                for iteration in [ Unrolled 7; Looped(7, None) ] do
                    let found = exported { Form.standard with Runtime = Web } iteration detector batch
                    let boxes = torch.stack [| for query in path -> query.Box |]
                    Expect.isLessThan (Written.difference boxes found["path_boxes"]) near $"boxes, {iteration}"

                    let scores =
                        torch.stack
                            [|
                                for query in path ->
                                    (Refinement.classify decoder.Heads[1] query.Content).sigmoid().amax [| -1L |]
                            |]

                    Expect.isLessThan (Written.difference scores found["path_scores"]) near $"scores, {iteration}"

            test "rounded weights give nearly the same, and take less room"
            <| fun () ->
                use _ = torch.NewDisposeScope()
                let detector = detector DetectorKind.DeqDet ResNet18 Symmetric
                let batch = batch ()
                let expected = Detector.detect Effort.Unhurried detector batch

                let size form =
                    (Written.bytes (
                        Written.ofGraph form (DetectorGraph.ofDetector form (iterationOf detector) detector)
                    ))
                        .Length

                let full = size Form.standard

                for weights, share, accepted in [ Half, 0.75, 0.01; Bytes, 0.97, 0.2 ] do
                    let form = { Form.standard with Weights = weights }
                    let found = exported form (iterationOf detector) detector batch
                    let error = Written.difference expected.Scores found[Names.Scores]
                    Expect.isLessThan error accepted $"scores, {weights}"
                    Expect.isGreaterThan error 0.0 $"{weights} rounds"
                    Expect.isLessThan (float (size form)) (share * float full) $"bytes, {weights}"

            test "a shared head is written once, however often it is applied"
            <| fun () ->
                use _ = torch.NewDisposeScope()
                let detector = detector DetectorKind.DeqDet ResNet18 Symmetric

                let weights applications =
                    let graph = DetectorGraph.ofDetector Form.standard (Unrolled applications) detector
                    graph.Initialisers |> Seq.sumBy _.ByteCount

                Expect.equal (weights 9) (weights 2) "bytes of the weights"

            test "only an equilibrium has a depth"
            <| fun () ->
                let settings kind =
                    { DetectorSettings.published with
                        Kind = kind
                        Solver =
                            { SolverSettings.ofSteps 20 with
                                Tolerance = Some 0.01
                            }
                    }

                let of' kind depth =
                    ExportFile.iteration (settings kind) depth

                Expect.equal (of' DetectorKind.DeqDet AsSettings) (Some(Looped(21, Some 0.01))) "settings"
                Expect.equal (of' DetectorKind.DeqDet (Steps 5)) (Some(Unrolled 6)) "steps"
                Expect.equal (of' DetectorKind.DeqDet (Tolerance 0.1)) (Some(Looped(21, Some 0.1))) "tolerance"
                Expect.equal (of' FfnDet AsSettings) None "no equilibrium"
                Expect.throwsT<InputError> (fun () -> of' AdaMixer (Steps 5) |> ignore) "steps without equilibrium"

                Expect.throwsT<InputError>
                    (fun () -> of' FfnDet (Tolerance 0.1) |> ignore)
                    "tolerance without equilibrium"
        ]
