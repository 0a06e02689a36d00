module DeqDet.Tests.PairsTests

open System
open Expecto
open FsCheck
open DeqDet.Benchmarks

/// A clock that a run moves on.
let private interleaved (pairs: Pairs) (seconds: float) : string * (string * string) list =
    let mutable time = TimeSpan.Zero
    let mutable order = ""

    let side name () =
        order <- order + name
        time <- time + TimeSpan.FromSeconds seconds
        name

    let found = Pairs.interleave pairs (fun () -> time) (side "a") (side "b")
    order, found

[<Tests>]
let tests =
    testList
        "Pairs"
        [
            testCase "runs follow each other by turns, and every other pair begins with the other one"
            <| fun () ->
                let order, found = interleaved (Exactly 5) 1.0
                Expect.equal order "abbaabbaab" "order"
                Expect.equal found (List.replicate 5 ("a", "b")) "ours comes first in every pair"

            testCase "a time is filled, but three pairs there are at least and thirty at most"
            <| fun () ->
                for seconds, pairs in [ 0.001, 30; 0.5, 20; 3.0, 4; 100.0, 3 ] do
                    let _, found = interleaved (Within(TimeSpan.FromSeconds 20.0)) seconds
                    Expect.equal found.Length pairs $"{seconds} s a run"

            testProperty "a number is kept however long a run takes"
            <| fun (PositiveInt count) (NonNegativeInt milliseconds) ->
                let _, found = interleaved (Exactly count) (float milliseconds / 1000.0)
                found.Length = count

            testProperty "quartiles lie among the numbers, in order, whatever order these are in"
            <| fun (NonEmptyArray(numbers: NormalFloat[])) ->
                let numbers = numbers |> Array.map _.Get
                let quartiles = Quartiles.ofNumbers numbers

                quartiles = Quartiles.ofNumbers (Array.rev numbers)
                && Array.min numbers <= quartiles.Lower
                && quartiles.Lower <= quartiles.Median
                && quartiles.Median <= quartiles.Upper
                && quartiles.Upper <= Array.max numbers
        ]
