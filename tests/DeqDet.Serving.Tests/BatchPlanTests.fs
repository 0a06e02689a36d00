/// Which pictures go through the network next: the pure part.
module DeqDet.Tests.BatchPlanTests

open System
open Expecto
open FsCheck
open DeqDet.Serving.Batching

let private milliseconds (n: int) = TimeSpan.FromMilliseconds(float n)

/// Keys by a small number, so that many are equal; ages as they come, the oldest first.
let private waiting (cases: (byte * byte) list) =
    cases
    |> List.map (fun (key, age) -> int key % 3, int age)
    |> List.sortByDescending snd
    |> List.map (fun (key, age) -> struct (BatchKey(32 * (key + 1), 32, Nullable()), milliseconds age))
    |> Array.ofList

let private keyOf (struct (key: BatchKey, _: TimeSpan)) = key
let private ageOf (struct (_: BatchKey, age: TimeSpan)) = age

[<Tests>]
let tests =
    testList
        "BatchPlan"
        [
            testProperty
                "a batch is the oldest pictures of one key, as many as fit; or the wait ends when the oldest is due"
            <| fun (NonEmptyArray cases: NonEmptyArray<byte * byte>) (window: byte) (most: byte) ->
                let waiting = waiting (List.ofArray cases)
                let most = 1 + int most % 5
                let window = milliseconds (int window)
                // large inputs make smaller batches
                let limit (key: BatchKey) = if key.Width > 64 then 1 else most
                let struct (batch, wait) = BatchPlan.Next(waiting, window, limit)

                if batch.Count = 0 then
                    Expect.isGreaterThan wait TimeSpan.Zero "there is something to wait for"
                    Expect.equal wait (window - ageOf waiting[0]) "until the oldest is due"

                    for key, group in Array.groupBy keyOf waiting do
                        Expect.isLessThan group.Length (limit key) "no batch is full"
                else
                    let key = keyOf waiting[batch[0]]

                    let ofKey =
                        [
                            for i in 0 .. waiting.Length - 1 do
                                if keyOf waiting[i] = key then
                                    i
                        ]

                    let expected = List.truncate (limit key) ofKey
                    Expect.equal (List.ofSeq batch) expected "the oldest of the key"

                    if ageOf waiting[0] >= window then
                        Expect.equal batch[0] 0 "whoever is due goes first"
                    else
                        Expect.equal batch.Count (limit key) "before that only full ones go"

            testProperty "who is due never waits, whatever else comes"
            <| fun (NonEmptyArray cases: NonEmptyArray<byte * byte>) ->
                let waiting = waiting (List.ofArray cases)
                let struct (batch, _) = BatchPlan.Next(waiting, TimeSpan.Zero, fun _ -> 4)
                Expect.equal batch[0] 0 "the oldest"
        ]
