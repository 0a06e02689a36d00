module DeqDet.Tests.ProcessesTests

open System
open Expecto
open FsCheck
open FsCheck.FSharp
open DeqDet
open DeqDet.Coco
open DeqDet.Communication
open DeqDet.Data
open DeqDet.Detection
open DeqDet.Solver
open DeqDet.Tests.SettingsFiles

let private exitCode =
    Func<exn, int>(fun error -> if error :? InputError then 2 else 1)

let private classes =
    [|
        for i in 0..4 ->
            {
                Id = CocoId(int64 (10 * i))
                Name = $"class {i}"
            }
    |]

let private report =
    gen {
        let! outcome = Gen.elements [ Converged; StepLimit; Diverged; NonFinite ]
        let! steps = Gen.choose (0, 99)

        let! numbers =
            Gen.arrayOfLength 4 (Gen.elements [ 0.0; 1.5e-7; 3.25; nan; infinity ])

        return
            {
                Outcome = outcome
                Steps = steps
                Evaluations = steps + 1
                Residual = numbers[0]
                RelativeResidual = numbers[1]
                ContractionRate = numbers[2]
                EmpiricalError = numbers[3]
            }
    }

let private prediction =
    gen {
        let! queries = Gen.choose (0, 6)
        let! refinement = Gen.arrayOfLength queries report
        let! count = Gen.choose (0, 4)

        let finding =
            gen {
                let! label = Gen.choose (0, 4)
                let! score = Gen.choose (0, 1000)
                let! corners = Gen.arrayOfLength 4 (Gen.choose (-500, 5000))
                let! query = Gen.choose (0, 9)

                return
                    {
                        Class = classes[label]
                        Label = label
                        Score = float32 score / 1000.0f
                        Box = Box(float32 corners[0] / 7.0f, float32 corners[1], float32 corners[2], float32 corners[3])
                        Query = query
                        Report = Array.tryItem query refinement
                    }
            }

        let! findings = Gen.arrayOfLength count finding

        return
            {
                Findings = findings
                Refinement = refinement
            }
    }

/// A name of everything in predictions; NaN equals itself there.
let private text (predictions: (int * Prediction) list) =
    [
        for image, prediction in predictions ->
            $"{image} {List.ofSeq prediction.Findings} {List.ofArray prediction.Refinement}"
    ]

[<Tests>]
let tests =
    testList
        "Processes"
        [
            testProperty "shares of a batch lie side by side, hold all of it, and differ by one picture at most"
            <| Prop.forAll (Arb.fromGen (Gen.zip (Gen.choose (0, 70)) (Gen.choose (1, 20)))) (fun (batch, size) ->
                let shares =
                    [
                        for rank in 0 .. size - 1 ->
                            let struct (first, count) = BatchShare(rank, size).Of batch
                            first, count
                    ]

                let counts = List.map snd shares

                List.scan (+) 0 counts |> List.take size = List.map fst shares
                && List.sum counts = batch
                && List.max counts - List.min counts <= 1)

            testProperty "what one process found is read by the others as it was"
            <| Prop.forAll (Arb.fromGen (Gen.listOf (Gen.zip (Gen.choose (0, 5000)) prediction))) (fun predictions ->
                text (PredictionBytes.read classes (PredictionBytes.write predictions)) = text predictions)

            testCase "memory that does not suffice is asked for in halves once, where that can be"
            <| fun () ->
                let attempt (failing: int) (message: string) possible parts images =
                    let asked = ResizeArray<int>()

                    let compute parts =
                        asked.Add parts

                        if asked.Count <= failing then
                            raise (InvalidOperationException message)

                        parts

                    let result =
                        try
                            OutOfMemory.inHalves compute (fun () -> possible) parts images |> Ok
                        with error ->
                            Error error.Message

                    result, List.ofSeq asked

                let full = "CUDA out of memory. Tried to allocate 2 GiB"

                let host =
                    "[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"

                for failing, message, possible, parts, images, expected in
                    [
                        0, full, true, 1, 4, (Ok 1, [ 1 ])
                        1, full, true, 1, 4, (Ok 2, [ 1; 2 ])
                        1, host, true, 2, 4, (Ok 4, [ 2; 4 ])
                        2, full, true, 1, 4, (Error full, [ 1; 2 ])
                        1, full, false, 1, 4, (Error full, [ 1 ])
                        1, full, true, 4, 4, (Error full, [ 4 ])
                        1, "sizes do not match", true, 1, 4, (Error "sizes do not match", [ 1 ])
                    ] do
                    Expect.equal (attempt failing message possible parts images) expected $"{failing} {message}"

            testCase "work that fails in one process fails in all: the first one says where and why"
            <| fun () ->
                for failing in [ [ 0 ]; [ 1 ]; [ 2 ]; [ 1; 2 ]; [ 0; 2 ] ] do
                    let ends =
                        ThreadedCommunicator.run 3 (fun communicator ->
                            let processes = Processes communicator

                            let work =
                                Func<string>(fun () ->
                                    if List.contains communicator.Rank failing then
                                        raise (InputError $"no data in {communicator.Rank}")

                                    "done")

                            try
                                Ok(processes.Together(exitCode, work))
                            with error ->
                                Error error)

                    for rank, ended in Array.indexed ends do
                        match ended with
                        | Error(:? InputError as error) when rank = 0 && List.contains 0 failing ->
                            Expect.equal error.Message "no data in 0" "its own error"
                        | Error(:? ProcessLostException as error) ->
                            Expect.equal error.ExitCode 2 "exit code"
                            let first = List.min failing
                            expectParts error.Message [ $"process {first} of 3"; $"no data in {first}" ]
                        | other -> failtest $"%A{failing}: process {rank}: %A{other}"

                let all =
                    ThreadedCommunicator.run 3 (fun communicator ->
                        (Processes communicator).Together(exitCode, Func<int>(fun () -> communicator.Rank)))

                Expect.equal all [| 0; 1; 2 |] "where none fails"

            testCase "processes that disagree say in what, and none goes on"
            <| fun () ->
                let ends =
                    ThreadedCommunicator.run 3 (fun communicator ->
                        let facts =
                            [
                                "the program's version", "1"
                                "optimiser.lr", (if communicator.Rank = 2 then "0.2" else "0.1")
                                if communicator.Rank <> 1 then
                                    "training data: images", "12"
                            ]

                        try
                            Agreement.check (Processes communicator) facts
                            Ok()
                        with error ->
                            Error error)

                match ends with
                | [| Error(:? InputError as error); Error(:? ProcessLostException); Error(:? ProcessLostException) |] ->
                    expectParts
                        error.Message
                        [
                            "optimiser.lr is 0.2 in process 2, but 0.1 in process 0"
                            "training data: images is not there in process 1, but 12 in process 0"
                        ]
                | other -> failtest $"%A{other}"

            testCase "the first one's text, the largest number, and whether any"
            <| fun () ->
                let found =
                    ThreadedCommunicator.run 3 (fun communicator ->
                        let processes = Processes communicator

                        processes.OfFirst($"folder {communicator.Rank}"),
                        processes.Largest(communicator.Rank * 10),
                        processes.Any((communicator.Rank = 1)),
                        processes.Any false)

                Expect.allEqual found ("folder 0", 20, true, false) "the same in all"
        ]
