/// Every golden file of a decoder, a neck or pictures in the tests' folder, recomputed.
module DeqDet.Verification.Tests.GoldenTests

open System.IO
open Expecto
open TorchSharp
open DeqDet.Verification

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

    Catalogue.jobs
        (Catalogue.surroundings torch.CPU folder)
        [ for file in Directory.GetFiles folder -> Path.GetFileName file ]
        (fun _ -> true)
    |> List.map (fun job -> testCase job.File (fun () -> run job))
    |> testList "Golden"
