/// Whole detectors against golden numbers too large for this repository, looked for in ../shared/golden beside it.
module DeqDet.Verification.Tests.FullModelTests

open System.IO
open Expecto
open TorchSharp
open DeqDet.Model
open DeqDet.Model.Tests
open DeqDet.Verification

let private folder = Golden.shared ""

let private test name =
    testCase name
    <| fun () ->
        if not (File.Exists(Path.Combine(folder, name + ".safetensors"))) then
            skiptest $"{name} is not in ../shared/golden"

        let jobs =
            Catalogue.jobs (Catalogue.surroundings torch.CPU folder) [ name + ".json"; name + ".safetensors" ] (fun _ ->
                true)

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
                        Queries =
                            {
                                Count = 6
                                Detections = 5
                                Inject = false
                            }
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
