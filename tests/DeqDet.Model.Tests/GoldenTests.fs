/// Every golden file of the tests' folder, recomputed.
module DeqDet.Model.Tests.GoldenTests

open System.IO
open System.Text.Json
open Expecto
open TorchSharp
open DeqDet.Verification

/// Reads the files of a folder; pictures and full models are left out.
let surroundings (folder: string) : Catalogue.Surroundings =
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

/// Fails with the list of tensors that are out of tolerance. DEQDET_ERRORS=1 prints the errors of all.
let run (job: Catalogue.Job) =
    let checks = job.Run()
    Expect.isNonEmpty checks "checks"

    if System.Environment.GetEnvironmentVariable "DEQDET_ERRORS" = "1" then
        for check in checks do
            printfn $"{job.File} {describe check}"

    let failed = checks |> List.filter (fun check -> not check.Passed)
    Expect.equal (List.map describe failed) [] $"{failed.Length} of {checks.Length} tensors out of tolerance"

[<Tests>]
let tests =
    let folder = Golden.folder ""

    [ for file in Directory.GetFiles folder -> Path.GetFileName file ]
    |> Catalogue.jobs (surroundings folder)
    |> List.map (fun job -> testCase job.File (fun () -> run job))
    |> testList "Golden"
