/// The command bench as a shell runs it, on a detector that takes milliseconds.
module DeqDet.Tests.BenchCommandTests

open System
open System.IO
open System.Text.Json
open Expecto
open DeqDet.Kernels
open DeqDet.Data
open DeqDet.Benchmarks
open DeqDet.Host.Commands
open DeqDet.Tests
open DeqDet.Tests.CheckpointFiles

/// Settings of such a detector in a folder.
let private tiny (folder: string) : string =
    let path = Path.Combine(folder, "tiny.json")

    File.WriteAllText(
        path,
        """{ "base": "shapes.json", "classes": 3, "backbone": { "width": 8 }, "queries": { "count": 5 },
             "head": { "channels": 32, "feed_forward": 32 }, "solver": { "steps": 4 },
             "rag": { "supervised": [1, 4] } }"""
    )

    path

let private run (folder: string) (arguments: string list) : int * string =
    RunProgram.run (
        [ "bench" ]
        @ arguments
        @ [ "--config"; tiny folder; "--size"; "32x64"; "--pairs"; "2" ]
    )

let private read (path: string) (use': JsonElement -> 'T) : 'T =
    use document = JsonDocument.Parse(File.ReadAllText path)
    use' document.RootElement

let private comparison (index: int) (root: JsonElement) : JsonElement =
    root.GetProperty("comparisons").Item index

let private refused (arguments: string list) (parts: string list) =
    inFolder (fun folder ->
        let json = Path.Combine(folder, "bench.json")
        let code, said = run folder (arguments @ [ "--json"; json ])
        Expect.equal code 2 said

        for part in parts do
            Expect.stringContains said part "complaint"

        Expect.isFalse (File.Exists json) "nothing is written")

[<Tests>]
let tests =
    testSequenced
    <| testList
        "bench"
        [
            testCase "a step is timed, shown and written down, and written again"
            <| fun () ->
                inFolder (fun folder ->
                    let json = Path.Combine(folder, "bench.json")

                    for _ in 1..2 do
                        let code, said = run folder [ "step"; "--queries"; "7"; "--json"; json ]
                        Expect.equal code 0 said

                        for part in [ "7 queries, 1 image of 32x64"; "plain fp32"; "ratio "; "2 pairs" ] do
                            Expect.stringContains said part "table"

                        read json (fun root ->
                            let comparison = comparison 0 root
                            Expect.isGreaterThan (comparison.GetProperty("ratio").GetDouble()) 0.0 "ratio"
                            Expect.equal (root.GetProperty("model").GetProperty("queries").GetInt32()) 7 "queries"))

            testCase "a prediction with early exit, and training"
            <| fun () ->
                inFolder (fun folder ->
                    let json = Path.Combine(folder, "bench.json")
                    let code, said = run folder [ "image"; "--tolerance"; "0.1"; "--json"; json ]
                    Expect.equal code 0 said
                    Expect.stringContains said "early exit at 0.1" "early exit"

                    read json (fun root ->
                        let parts = (comparison 0 root).GetProperty "parts"
                        Expect.equal (parts.GetArrayLength()) 4 "backbone, neck, decoder, read-out")

                    let code, said = run folder [ "train" ]
                    Expect.equal code 0 said
                    Expect.stringContains said "a supervised step" "supervised step"
                    Expect.stringContains said "a step of the optimiser" "whole step")

            testCase "another's module is compared with, and its differing results are called out"
            <| fun () ->
                inFolder (fun folder ->
                    let file = Path.Combine(folder, "their module.pt")

                    ScriptArchive.write
                        file
                        (ScriptArchive.applicationOf ScriptArchive.fourTensors)
                        [ "return (position, content, box, torch.slice(content, -1, 0, 3))" ]
                        []

                    let json = Path.Combine(folder, "bench.json")
                    let code, said = run folder [ "step"; "--against"; file; "--json"; json ]
                    Expect.equal code 0 said
                    Expect.stringContains said "THE RESULTS DIFFER" "table"

                    read json (fun root ->
                        let comparison = comparison 1 root
                        Expect.equal (comparison.GetProperty("against").GetString()) "their module.pt" "name"
                        Expect.isGreaterThan (comparison.GetProperty("ratio").GetDouble()) 0.0 "ratio"

                        Expect.isGreaterThan
                            (comparison.GetProperty("largest_relative_difference").GetDouble())
                            0.05
                            "difference"))

            testCase "a module that is none, or of another signature, exits with 2"
            <| fun () ->
                inFolder (fun folder ->
                    let text, other = Path.Combine(folder, "text.pt"), Path.Combine(folder, "other.pt")
                    File.WriteAllText(text, "no module")
                    ScriptArchive.write other "forward(self: __torch__.M, x: Tensor) -> Tensor" [ "return x" ] []
                    refused [ "step"; "--against"; text ] [ text; "is no TorchScript module" ]
                    refused [ "step"; "--against"; other ] [ other; "cannot be called as (feat0, feat1" ]
                    refused [ "step"; "--against"; Path.Combine(folder, "no.pt") ] [ "there is no such file" ])

            testCase "what the machine cannot do exits with 2"
            <| fun () ->
                let cores = Environment.ProcessorCount
                refused [ "step"; "--threads"; string (cores + 1) ] [ $"--threads {cores + 1}"; "core" ]

                for what in [ "step"; "image"; "train" ] do
                    let code, said =
                        RunProgram.run [ "bench"; what; "--queries"; "10000"; "--images"; "64"; "--size"; "8192x8192" ]

                    Expect.equal code 2 said
                    Expect.stringContains said "10000 queries and 64 images of 8192x8192 take about" "memory"

                if not (Computation.Supports Precision.Bf16) then
                    refused [ "step"; "--precision"; "bf16" ] [ "--precision bf16: this processor"; "lacks" ]

            testCase "a file that somebody else wrote is left as it is"
            <| fun () ->
                inFolder (fun folder ->
                    let json = Path.Combine(folder, "mine.json")
                    File.WriteAllText(json, """{ "mine": 1 }""")
                    let code, said = run folder [ "step"; "--json"; json ]
                    Expect.equal code 2 said
                    Expect.equal (File.ReadAllText json) """{ "mine": 1 }""" "it")

            testCase "the evaluation is timed without a report and with one"
            <| fun () ->
                inFolder (fun folder ->
                    let found = ResizeArray()

                    let rates: Rates = { Fp32 = 1.0; Bf16 = None; Copy = 1.0 }

                    let made = SyntheticValidation(1L, 20, 60, 5, 400)

                    for _ in 1..2 do
                        EvaluationBenchmark.Run(made, folder, Exactly 2, rates, found.Add)

                    Expect.equal found.Count 4 "twice two, the second time with the files of the first"

                    for timing in found do
                        Expect.equal timing.Runs 2 "runs"
                        Expect.isNone timing.Other "nothing to compare with"

                    Expect.stringContains found[1].What "--report" "with a report"
                    Expect.isTrue (File.Exists(Path.Combine(folder, "report.html"))) "the report")
        ]
