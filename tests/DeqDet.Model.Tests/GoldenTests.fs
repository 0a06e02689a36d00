/// Every golden file of the tests' folder, recomputed.
module DeqDet.Model.Tests.GoldenTests

open System.IO
open System.Text.Json
open Expecto
open TorchSharp
open DeqDet.Verification

let private folder = Golden.folder ""

let private surroundings: Catalogue.Surroundings =
    {
        Tensors =
            fun file ->
                {
                    Name = file
                    Tensors = Golden.load (Path.Combine(folder, file))
                }
        Json =
            fun file ->
                use document = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(folder, file)))
                document.RootElement.Clone()
        Device = torch.CPU
        Preprocessing = None
    }

let private describe (check: Check) =
    $"{check.Tensor}: error %.3g{check.Error}, accepted %.3g{check.Accepted}"

let private test (job: Catalogue.Job) =
    testCase job.File
    <| fun () ->
        let checks = job.Run()
        Expect.isNonEmpty checks "checks"
        let failed = checks |> List.filter (fun check -> not check.Passed)
        Expect.equal (List.map describe failed) [] $"{failed.Length} of {checks.Length} tensors out of tolerance"

[<Tests>]
let tests =
    [ for file in Directory.GetFiles folder -> Path.GetFileName file ]
    |> Catalogue.jobs surroundings
    |> List.map test
    |> testList "Golden"
