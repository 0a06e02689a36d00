/// Whole detectors against golden numbers too large for this repository, looked for in ../shared/golden beside it.
module DeqDet.Model.Tests.FullModelTests

open System.IO
open Expecto
open TorchSharp
open DeqDet.Model
open DeqDet.Verification

let private folder = Golden.shared ""

/// Network input computed with tensors; the program's own way is verified by the program.
let private preprocessing =
    { new IPreprocessing with
        member _.Normalise pictures =
            let numbers (values: float list) =
                torch.tensor([| for v in values -> float32 v |]).view(3L, 1L, 1L)

            let mean, std =
                numbers [ 123.675; 116.28; 103.53 ], numbers [ 58.395; 57.12; 57.375 ]

            let padded (side: int64) = (side + 31L) / 32L * 32L

            torch.stack
                [|
                    for picture in pictures do
                        let rgb = (picture.flip 0L).``to`` torch.float32

                        let missing d =
                            padded (picture.size d) - picture.size d

                        torch.nn.functional.pad ((rgb - mean) / std, [| 0L; missing 2; 0L; missing 1 |])
                |]

        member _.ResizedSize(_, _, _) = invalidOp "no resizing in full models"
        member _.Resize(_, _, _) = invalidOp "no resizing in full models"
    }

let private test name =
    testCase name
    <| fun () ->
        if not (File.Exists(Path.Combine(folder, name + ".safetensors"))) then
            skiptest $"{name} is not in ../shared/golden"

        let jobs =
            Catalogue.jobs
                { GoldenTests.surroundings folder with
                    Preprocessing = Some preprocessing
                }
                [ name + ".json"; name + ".safetensors" ]

        Expect.equal jobs.Length 1 "jobs"
        jobs |> List.iter GoldenTests.run

let private ruleTests =
    [
        testCase "the integer rule gives the published numbers"
        <| fun () ->
            use _ = torch.NewDisposeScope()

            let rule: IntegerRule.Rule = { Index = 0; Offset = 0.0; Scale = 0.1 }

            let first =
                [
                    -0.05290897190570831
                    -0.03934542089700699
                    0.09166906774044037
                    0.06567177176475525
                ]

            Expect.equal [ for i in 0..3 -> float (IntegerRule.element rule i) ] first "first elements"
            let large = IntegerRule.tensor [| 300L; 1000L |] rule
            let numbers = large.data<float32>().ToArray()

            for i in [ 0; 1; 65535; 65536; 131072; 299999 ] do
                Expect.equal numbers[i] (IntegerRule.element rule i) $"element {i}"

        testCase "an architecture is recognised by its weights"
        <| fun () ->
            for kind, backbone in
                [
                    DetectorKind.DeqDet, ResNet50
                    FfnDet, ResNet18
                    AdaMixer, ResNet101
                    AdaMixer, ResNet34
                    DetectorKind.DeqDet, SwinS
                    FfnDet, SwinT
                    AdaMixer, SwinB
                ] do
                let small = Small.settings kind

                let settings =
                    { small with
                        Backbone = { small.Backbone with Kind = backbone }
                        Queries = { Count = 6; Detections = 5 }
                    }

                let shapes = dict [ for spec in Detector.specs settings -> spec.Name, spec.Shape ]

                let found =
                    Architecture.ofShapes "shapes" 5 5 (System.Collections.ObjectModel.ReadOnlyDictionary shapes)

                let names settings =
                    [ for spec in Detector.specs settings -> spec.Name, List.ofArray spec.Shape ]

                Expect.equal (names found) (names settings) $"{kind} with {backbone}"
                Expect.equal found.Head.Groups settings.Head.Groups "groups"
                Expect.equal found.Head.PointsIn settings.Head.PointsIn "points in"
                Expect.equal found.Queries settings.Queries "queries"
    ]

[<Tests>]
let tests =
    testList "Full models" (ruleTests @ [ test "full_r50_1x"; test "full_swins_2x" ])
