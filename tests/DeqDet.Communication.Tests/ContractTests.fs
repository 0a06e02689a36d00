/// What every communicator promises, over a group of one and over threads.
module DeqDet.Communication.Tests.ContractTests

#nowarn "9"

open System
open System.Runtime.InteropServices
open DeqDet.Communication
open Expecto

/// Sums a copy of numbers by StartSum.
let private summed (communicator: ICommunicator) (numbers: float32[]) =
    let memory = Marshal.AllocHGlobal(max 4 (4 * numbers.Length))

    try
        Marshal.Copy(numbers, 0, memory, numbers.Length)
        communicator.StartSum(memory, int64 numbers.Length).Wait()
        let result = Array.zeroCreate<float32> numbers.Length
        Marshal.Copy(memory, result, 0, numbers.Length)
        result
    finally
        Marshal.FreeHGlobal memory

[<Tests>]
let tests =
    testList
        "Contract"
        [
            testCase "alone, a sum is what it was"
            <| fun () ->
                use alone = new Alone() :> ICommunicator
                let numbers = [| 1.; 2. |]
                alone.Sum(Span numbers)
                Expect.equal numbers [| 1.; 2. |] "double"
                Expect.equal (summed alone [| 3.f; 4.f |]) [| 3.f; 4.f |] "float"
                Expect.equal (alone.Gather(ReadOnlySpan [| 1uy; 2uy |])) [| [| 1uy; 2uy |] |] "gathered"

            for size in [ 1; 2; 3 ] do
                testCase $"{size} threads sum and gather"
                <| fun () ->
                    let results =
                        ThreadedCommunicator.run size (fun communicator ->
                            let numbers = [| float communicator.Rank; 1. |]
                            communicator.Sum(Span numbers)
                            let sums = summed communicator [| 1.f; float32 communicator.Rank |]
                            numbers, sums, communicator.Gather(ReadOnlySpan(Array.create communicator.Rank 7uy)))

                    let ranks = size * (size - 1) / 2

                    for numbers, sums, gathered in results do
                        Expect.equal numbers [| float ranks; float size |] "double"
                        Expect.equal sums [| float32 size; float32 ranks |] "float"
                        Expect.equal gathered (Array.init size (fun rank -> Array.create rank 7uy)) "gathered"
        ]
