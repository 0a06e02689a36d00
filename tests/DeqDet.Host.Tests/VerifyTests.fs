/// The command verify: what it walks, what it reports, and how it ends.
module DeqDet.Tests.VerifyTests

open System.IO
open System.Text.Json
open System.Text.RegularExpressions
open Expecto
open DeqDet.Host.Commands
open DeqDet
open DeqDet.Settings
open DeqDet.CommandLine

let private request folder : VerifyRequest =
    {
        Folder = folder
        Checkpoint = None
        Data = None
        Tf32 = false
        Only = None
        Device = Cpu
        Json = None
    }

/// What a run prints, and the exception it ends with.
let private run (request: VerifyRequest) =
    use output = new StringWriter()

    let ending =
        try
            VerifyCommand.Run(request, output)
            None
        with error ->
            Some error

    output.ToString(), ending

let private only pattern =
    run
        { request (Golden.folder "") with
            Only = Some pattern
        }

/// A folder of copies that is gone after the test.
let private copied (files: string list) (test: string -> unit) =
    let folder = Directory.CreateTempSubdirectory "deqdet-verify-"

    try
        for file in files do
            File.Copy(Path.Combine(Golden.folder "", file), Path.Combine(folder.FullName, Path.GetFileName file))

        test folder.FullName
    finally
        folder.Delete true

let private expectInputError (pattern: string) (ending: exn option) =
    match ending with
    | Some(:? InputError as error) -> Expect.stringContains error.Message pattern "message"
    | other -> failtest $"ended with {other}"

let private case file = $"cocoeval/edge-crowd/{file}"

let private crowd =
    [
        "dt.json"
        "gt.json"
        "expected.json"
        "matches.json"
        "precision.f64.gz"
        "recall.f64.gz"
        "scores.f64.gz"
    ]
    |> List.map case

[<Tests>]
let tests =
    testList
        "verify"
        [
            for pattern, files in
                [
                    "pth/", 8
                    "cocoeval/", 19
                    "solver/", 15
                    "tiny_preprocess", 1
                    "*_neck.safetensors", 2
                ] do
                testCase $"the goldens pass: {pattern}"
                <| fun () ->
                    let text, ending = only pattern
                    Expect.isNone ending text
                    Expect.isFalse (text.Contains "FAIL") "no failure"

                    Expect.isGreaterThanOrEqual
                        (Regex.Matches(text, @"^\S+: \d+ passed", RegexOptions.Multiline).Count)
                        files
                        "files"

            testCase "a wrong number is reported and fails the run"
            <| fun () ->
                copied crowd (fun folder ->
                    let path = Path.Combine(folder, "expected.json")
                    let text = File.ReadAllText path
                    let wrong = Regex.Replace(text, @"(""stats"":\s*\[\s*)([0-9.]+)", "${1}0.5")
                    Expect.notEqual wrong text "changed"
                    File.WriteAllText(path, wrong)
                    let text, ending = run (request folder)
                    Expect.stringContains text "FAIL  stats" "report"
                    Expect.stringContains text "expected.json: 1 of 6 FAILED" "verdict"

                    match ending with
                    | Some(:? VerificationFailed) -> ()
                    | other -> failtest $"ended with {other}")

            testCase "a damaged file is named, and the others are verified all the same"
            <| fun () ->
                copied [ "adamixer_tiny_neck.safetensors"; "ffndet_tiny_neck.safetensors" ] (fun folder ->
                    let path = Path.Combine(folder, "adamixer_tiny_neck.safetensors")
                    File.WriteAllBytes(path, (File.ReadAllBytes path)[..5000])
                    let text, ending = run (request folder)
                    expectInputError "adamixer_tiny_neck.safetensors" ending
                    Expect.stringContains text "ffndet_tiny_neck.safetensors: 18 passed" "the other one")

            testCase "a set without its configuration, and a configuration without a member"
            <| fun () ->
                let files =
                    [
                        "tiny_units.safetensors"
                        "tiny_state.safetensors"
                        "tiny_inputs.safetensors"
                        "tiny_config.json"
                    ]

                copied files (fun folder ->
                    let config = Path.Combine(folder, "tiny_config.json")
                    let text = File.ReadAllText config
                    File.WriteAllText(config, text.Replace("\"n_groups\"", "\"n_gruops\""))
                    let report, ending = run (request folder)
                    expectInputError "tiny_units" ending
                    Expect.stringContains report "n_groups" "what is missing"
                    File.WriteAllText(config, "[1, 2")
                    let report, ending = run (request folder)
                    expectInputError "tiny_units" ending
                    Expect.stringContains report "no JSON" "what is wrong"
                    File.Delete config
                    let report, ending = run (request folder)
                    expectInputError "tiny_units" ending
                    Expect.stringContains report "tiny_config.json" "what is missing")

            testCase "nothing to verify is an error"
            <| fun () ->
                copied [ "tiny_config.json" ] (fun folder ->
                    run (request folder) |> snd |> expectInputError "holds nothing to verify"

                    run (request (Path.Combine(folder, "other")))
                    |> snd
                    |> expectInputError "no such folder")

                only "no_such_file" |> snd |> expectInputError "'no_such_file'"

            testCase "the JSON file holds every check"
            <| fun () ->
                copied crowd (fun folder ->
                    let out = Path.Combine(folder, "out.json")

                    let text, ending = run { request folder with Json = Some out }

                    Expect.isNone ending text
                    use document = JsonDocument.Parse(File.ReadAllText out)
                    Expect.isTrue (document.RootElement.GetProperty("passed").GetBoolean()) "passed"
                    let file = document.RootElement.GetProperty("files")[0]
                    Expect.equal (file.GetProperty("file").GetString()) "expected.json" "file"
                    let checks = [ for check in file.GetProperty("checks").EnumerateArray() -> check ]

                    Expect.equal
                        [ for check in checks -> check.GetProperty("tensor").GetString() ]
                        [ "stats"; "per_class"; "precision"; "scores"; "recall"; "matches" ]
                        "tensors"

                    for check in checks do
                        let number (name: string) = check.GetProperty(name).GetDouble()
                        Expect.isLessThanOrEqual (number "error") (number "accepted") "error")
        ]
