/// The contract over a group of one and over threads.
module DeqDet.Communication.Tests.ContractTests

open System
open DeqDet.Communication
open Expecto
open FsCheck

[<Tests>]
let tests =
    testList
        "Contract"
        [
            testCase "alone"
            <| fun () ->
                use alone = new Alone()
                Contract.check alone 1 [ 0; 1; 1000 ]

            testPropertyWithConfig
                { FsCheckConfig.defaultConfig with
                    maxTest = 30
                }
                "threads"
            <| fun (seed: int16) (PositiveInt size) (counts: uint16 list) ->
                let size = 1 + size % 5
                let counts = counts |> List.truncate 6 |> List.map (fun count -> int count % 3000)

                ThreadedCommunicator.run size (fun communicator -> Contract.check communicator (int seed) counts)
                |> ignore

            testCase "a thread that fails ends what the others wait for, with its exit code"
            <| fun () ->
                let ends =
                    ThreadedCommunicator.run 3 (fun communicator ->
                        if communicator.Rank = 1 then
                            communicator.Fail(7, "the disk is full")
                            "failed"
                        else
                            try
                                communicator.Sum(Span [| 1. |])
                                "a sum without all"
                            with :? ProcessLostException as error ->
                                $"{error.ExitCode}: {error.Message}")

                Expect.equal
                    ends
                    [|
                        "7: process 1 of 3: the disk is full"
                        "failed"
                        "7: process 1 of 3: the disk is full"
                    |]
                    "ends"
        ]
