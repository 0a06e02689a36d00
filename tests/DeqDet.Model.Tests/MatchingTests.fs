module DeqDet.Model.Tests.MatchingTests

open System
open Expecto
open FsCheck
open TorchSharp
open DeqDet.Model

/// The least cost of all ways to make min(queries, boxes) pairs.
let private leastCost queries boxes (cost: int -> int -> float) =
    let rows, columns, at =
        if queries <= boxes then
            queries, boxes, cost
        else
            boxes, queries, (fun b q -> cost q b)

    let rec from row (used: int) =
        if row = rows then
            0.0
        else
            seq {
                for column in 0 .. columns - 1 do
                    if used &&& (1 <<< column) = 0 then
                        at row column + from (row + 1) (used ||| (1 <<< column))
            }
            |> Seq.min

    from 0 0

let private isMatching queries boxes (boxOf: int[]) =
    let matched = boxOf |> Array.filter (fun box -> box >= 0)
    Expect.equal boxOf.Length queries "one entry a query"
    Expect.equal matched.Length (min queries boxes) "pairs"
    Expect.equal (Array.distinct matched).Length matched.Length "each box once"
    Expect.all matched (fun box -> box < boxes) "boxes exist"

/// Sizes up to 6 x 6; costs are whole numbers half of the time, so that ties happen.
let private problem seed =
    let random = Random seed
    let queries, boxes = random.Next(1, 7), random.Next 7
    let whole = random.Next 2 = 0

    let cost =
        Array.init (queries * boxes) (fun _ ->
            if whole then
                float32 (random.Next(-4, 5))
            else
                float32 (random.NextDouble() * 20.0 - 10.0))

    queries, boxes, cost

[<Tests>]
let tests =
    testList
        "Matching"
        [
            testPropertyWithConfig
                { FsCheckConfig.defaultConfig with
                    maxTest = 300
                }
                "costs as little as the best of all assignments"
            <| fun (seed: int) ->
                let queries, boxes, cost = problem seed
                let at q b = float cost[q * boxes + b]
                let boxOf = Matching.assign queries boxes (ReadOnlyMemory cost)
                isMatching queries boxes boxOf

                let total =
                    Seq.sum (
                        seq {
                            for q in 0 .. queries - 1 do
                                if boxOf[q] >= 0 then
                                    at q boxOf[q]
                        }
                    )

                Expect.floatClose Accuracy.high total (leastCost queries boxes at) "cost"

            testProperty "numbers that are not finite do not keep it from pairing"
            <| fun (seed: int) ->
                let queries, boxes, cost = problem seed
                let random = Random(seed + 1)

                let damaged =
                    cost
                    |> Array.map (fun value ->
                        match random.Next 4 with
                        | 0 -> nanf
                        | 1 -> infinityf
                        | _ -> value)

                isMatching queries boxes (Matching.assign queries boxes (ReadOnlyMemory damaged))

            testProperty "large problems: a hidden cheap assignment is found"
            <| fun (seed: int) ->
                let random = Random seed
                let queries, boxes = 60, random.Next(1, 90)
                let hidden = Array.init (max queries boxes) id
                random.Shuffle hidden

                let cost =
                    Array.init (queries * boxes) (fun k ->
                        let q, b = k / boxes, k % boxes
                        let base' = float32 (random.NextDouble())
                        if hidden[q] = b then base' - 50.0f else base')

                let boxOf = Matching.assign queries boxes (ReadOnlyMemory cost)
                isMatching queries boxes boxOf

                for q in 0 .. queries - 1 do
                    if hidden[q] < boxes then
                        Expect.equal boxOf[q] hidden[q] $"box of query {q}"

            testProperty "an image's matching does not depend on the others of its batch"
            <| fun (seed: int) ->
                use _ = torch.NewDisposeScope()
                let random = Random seed
                use generator = Small.generator seed
                let settings = Small.settings DetectorKind.DeqDet
                let targets = Small.targets [ 2; 0; 9 ] random
                let logits = Small.normal [ 3; 6; 3 ] generator
                let corner = (Small.normal [ 3; 6; 2 ] generator) * scalar 20.0 + scalar 30.0
                let side = (Small.normal [ 3; 6; 2 ] generator).abs() * scalar 20.0
                let boxes = torch.cat ([| corner; corner + side |], -1L)

                let run targets logits boxes =
                    Matching.run settings.Matching settings.Loss targets logits boxes

                let alone i =
                    let image (x: Tensor) = x.narrow (0L, int64 i, 1L)
                    run [ targets[i] ] (image logits) (image boxes) |> List.exactlyOne

                Expect.equal (run targets logits boxes) (List.map alone [ 0; 1; 2 ]) "matchings"

            testCase "losses of matched queries do not notice background boxes, and vanish for perfect ones"
            <| fun () ->
                use _ = torch.NewDisposeScope()
                let settings = Small.settings DetectorKind.DeqDet
                let targets = Small.targets [ 2 ] (Random 3)
                let truth = targets[0].Boxes
                let elsewhere = torch.full ([| 4L; 4L |], 7.0.ToScalar(), dtype = torch.float64)
                let boxes = torch.cat([| truth; elsewhere |], 0L).unsqueeze 0L

                let logits =
                    torch.full ([| 1L; 6L; 3L |], (-40.0).ToScalar(), dtype = torch.float64)

                for i, label in Array.indexed (targets[0].Labels.data<int64>().ToArray()) do
                    logits[0L, int64 i, label] <- torch.tensor 40.0

                let matching = Matching.run settings.Matching settings.Loss targets logits boxes
                Expect.equal matching [ [| 0; 1; -1; -1; -1; -1 |] ] "matching"
                let terms = Losses.compute settings.Loss targets matching logits boxes
                Expect.isLessThan ((Losses.total terms).ToDouble()) 1e-12 "loss"
                Expect.equal (terms.Accuracy.ToDouble()) 100.0 "accuracy"
        ]
