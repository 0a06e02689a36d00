/// Whole detectors against golden numbers too large for this repository, looked for in ../shared/golden beside it.
module DeqDet.Model.Tests.FullModelTests

open System.IO
open Expecto
open TorchSharp
open DeqDet.Model
open DeqDet.Verification

let private folder =
    Path.Combine(Golden.folder "", "..", "..", "..", "shared", "golden")

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

[<Tests>]
let tests = testList "Full models" [ test "full_r50_1x"; test "full_swins_2x" ]
