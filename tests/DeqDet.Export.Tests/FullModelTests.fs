/// Whole detectors against golden numbers too large for this repository, looked for in ../shared/golden beside it: exported, and run by ONNX Runtime.
module DeqDet.Export.Tests.FullModelTests

open System.IO
open Expecto
open TorchSharp
open DeqDet.Export
open DeqDet.Model
open DeqDet.Verification

let private folder = Golden.shared ""

let private test name =
    testCase name
    <| fun () ->
        if not (File.Exists(Path.Combine(folder, name + ".safetensors"))) then
            skiptest $"{name} is not in ../shared/golden"

        // one of the two takes 15 s: enough for every day
        if
            name = "full_swins_2x"
            && System.Environment.GetEnvironmentVariable "DEQDET_ALL" <> "1"
        then
            skiptest "DEQDET_ALL=1 runs it, too"

        use _ = torch.NewDisposeScope()
        use _ = torch.no_grad ()
        let file = GoldenFile.load torch.CPU folder $"{name}.safetensors"
        let json = $"{name}.json"

        let made =
            FullModel.make torch.CPU json (GoldenJson.load (Path.Combine(folder, json))) file

        let path = Path.Combine(Path.GetTempPath(), $"{System.Guid.NewGuid():N}.onnx")

        try
            let form = { Form.standard with Runtime = Web }
            let applications = made.Detector.Settings.Solver.Steps + 1

            DeqDet.Checkpoints.Onnx.OnnxWriter.Write(
                path,
                Written.ofGraph form (DetectorGraph.ofDetector form (Looped(applications, None)) made.Detector)
            )

            Detector.dispose made.Detector
            use session = OnnxSession.Open(path, 2)
            let struct (w, h) = made.Batch.Sizes.Head
            let sizes = torch.tensor([| float32 w; float32 h |]).view(1L, 2L)
            let found = session.Run [ Names.Images, made.Batch.Images; Names.Sizes, sizes ]

            let checks =
                FullModel.ofBoxes file (found["path_boxes"].squeeze 1L)
                :: FullModel.ofDetections file found[Names.Scores] found[Names.Labels] found[Names.Boxes]

            for check in checks do
                if System.Environment.GetEnvironmentVariable "DEQDET_ERRORS" = "1" then
                    printfn $"{name} {check.Tensor}: error %.3g{check.Error}, accepted %.3g{check.Accepted}"

                Expect.isTrue check.Passed $"{check.Tensor}: error %.3g{check.Error}, accepted %.3g{check.Accepted}"
        finally
            File.Delete path

[<Tests>]
let tests = testList "Full models" [ test "full_r50_1x"; test "full_swins_2x" ]
