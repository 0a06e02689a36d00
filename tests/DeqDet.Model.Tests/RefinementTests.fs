module DeqDet.Model.Tests.RefinementTests

open System
open Expecto
open TorchSharp
open DeqDet.Model

let private config =
    { FsCheckConfig.defaultConfig with
        maxTest = 12
    }

let private close expected actual message =
    Expect.isLessThan (Small.difference expected actual) 1e-9 message

/// A state of three images somewhere on the path.
let private state (settings: DetectorSettings) seed =
    use _ = torch.no_grad ()
    use generator = Small.generator seed
    let weights, _ = Small.decoder settings generator
    let pyramid = Small.pyramid settings 3 generator
    let targets = Small.targets [ 0; 0; 0 ] (Random seed)

    let first =
        Refinement.apply weights.Heads[0] pyramid (Small.start settings weights targets)

    weights, pyramid, Refinement.apply weights.Heads[1] pyramid first

let private compare (expected: Query) (actual: Query) =
    close expected.Position actual.Position "positions"
    close expected.Content actual.Content "contents"
    close expected.Box actual.Box "boxes"

[<Tests>]
let tests =
    testList
        "Refinement"
        [
            testPropertyWithConfig config "queries are a set: permuted queries give permuted results"
            <| fun (seed: int) ->
                use _ = torch.NewDisposeScope()
                use _ = torch.no_grad ()
                let settings = Small.settings DetectorKind.DeqDet
                let weights, pyramid, query = state settings seed
                let order = Array.init settings.Queries.Count int64
                (Random seed).Shuffle order
                let permute (x: Tensor) = x.index_select (1L, torch.tensor order)
                let head = weights.Heads[1]

                compare
                    (Query.map permute (Refinement.apply head pyramid query))
                    (Refinement.apply head pyramid (Query.map permute query))

            testPropertyWithConfig config "an image computes alone what it computes in a batch"
            <| fun (seed: int) ->
                use _ = torch.NewDisposeScope()
                use _ = torch.no_grad ()
                let settings = Small.settings DetectorKind.DeqDet
                let weights, pyramid, query = state settings seed
                let head = weights.Heads[1]
                let together = Refinement.apply head pyramid query

                for i in 0L .. 2L do
                    let image (x: Tensor) = x.narrow (0L, i, 1L)

                    let alone =
                        { pyramid with
                            Levels = List.map image pyramid.Levels
                        }

                    compare (Query.map image together) (Refinement.apply head alone (Query.map image query))

            // a few seeds that stay: a difference across a kink of the head is no derivative
            testCase "injected contents are added to those of all queries, and get the gradient that differences have"
            <| fun () ->
                for seed in 1..5 do
                    use _ = torch.NewDisposeScope()
                    let settings = Small.settings DetectorKind.DeqDet
                    let weights, pyramid, query = state settings seed
                    let contents = weights.Initial.Contents

                    let head =
                        { weights.Heads[1] with
                            Injected = Some contents
                        }

                    let added =
                        { query with
                            Content = query.Content + Norm.plain 1 contents
                        }

                    compare (Refinement.apply weights.Heads[1] pyramid added) (Refinement.apply head pyramid query)

                    // of a state that knows nothing of them
                    let value () =
                        (Refinement.apply head pyramid (Query.detach query)).Content.pow(scalar 3.0).sum()

                    contents.grad <- null
                    value().backward()
                    let random = Random seed

                    for _ in 1..3 do
                        let q, c =
                            int64 (random.Next(int (contents.size 0))), int64 (random.Next(int (contents.size 1)))

                        let moved (by: float) =
                            use _ = torch.no_grad ()
                            contents[q, c].add_(torch.tensor by) |> ignore
                            let found = value().ToDouble()
                            contents[q, c].add_(torch.tensor -by) |> ignore
                            found

                        let gradient = contents.grad[q, c].ToDouble()
                        let difference = (moved 1e-6 - moved -1e-6) / 2e-6
                        Expect.isLessThan (abs (gradient - difference)) (1e-5 * (1.0 + abs difference)) "gradient"

            testPropertyWithConfig config "queries in one state stay together, and part where contents are injected"
            <| fun (seed: int) ->
                use _ = torch.NewDisposeScope()
                use _ = torch.no_grad ()
                let settings = Small.settings DetectorKind.DeqDet
                let weights, pyramid, query = state settings seed

                let order =
                    torch.tensor [| for q in 0 .. settings.Queries.Count - 1 -> int64 (max q 1) |]
                // the first two are one
                let query = Query.map (fun x -> x.index_select (1L, order)) query

                let apart (head: HeadWeights) =
                    let next = Refinement.apply head pyramid query
                    Small.difference (next.Content.select (1L, 0L)) (next.Content.select (1L, 1L))

                Expect.isLessThan (apart weights.Heads[1]) 1e-12 "together"

                let injected =
                    { weights.Heads[1] with
                        Injected = Some weights.Initial.Contents
                    }

                Expect.isGreaterThan (apart injected) 1e-3 "apart"

            testCase "a decoder injects its own initial contents where settings say so, into every head"
            <| fun () ->
                use _ = torch.NewDisposeScope()
                use generator = Small.generator 1

                for kind in [ DetectorKind.DeqDet; FfnDet; AdaMixer ] do
                    for inject in [ false; true ] do
                        let settings = Small.settings kind

                        let settings =
                            { settings with
                                Queries =
                                    { settings.Queries with
                                        Inject = inject
                                    }
                            }

                        let weights, _ = Small.decoder settings generator

                        for head in weights.Heads do
                            Expect.equal
                                (head.Injected |> Option.map (fun contents -> contents.Handle))
                                (if inject then
                                     Some weights.Initial.Contents.Handle
                                 else
                                     None)
                                "the same tensor"

            testPropertyWithConfig config "the solution is the end of the path, for all kinds"
            <| fun (seed: int) ->
                use _ = torch.NewDisposeScope()
                use generator = Small.generator seed

                for kind, applications in [ DetectorKind.DeqDet, 7; FfnDet, 3; AdaMixer, 3 ] do
                    let settings = Small.settings kind
                    let weights, _ = Small.decoder settings generator
                    let pyramid = Small.pyramid settings 2 generator
                    let start = Small.start settings weights (Small.targets [ 0; 0 ] (Random seed))
                    let path = Decoder.path settings weights pyramid start |> List.ofSeq
                    Expect.equal path.Length (applications + 1) "states"
                    let solved = Decoding.solve settings Effort.Unhurried weights pyramid None start
                    compare (List.last path) solved.Query
                    Expect.sequenceEqual solved.Logits.shape [ 2L; 6L; 3L ] "logits"

            testPropertyWithConfig config "gradients reach earlier applications through the content alone"
            <| fun (seed: int) ->
                use _ = torch.NewDisposeScope()
                let weights, pyramid, query = state (Small.settings DetectorKind.DeqDet) seed
                let query = Query.map (fun x -> x.detach().requires_grad_ true) query
                let next = Refinement.apply weights.Heads[1] pyramid query
                (next.Position.sum () + next.Content.pow(scalar 2.0).sum() + next.Box.sum ()).backward()
                Expect.isNull query.Position.grad "position"
                Expect.isNull query.Box.grad "box"
                Expect.isGreaterThan (query.Content.grad.abs().sum().ToDouble()) 0.0 "content"

            testPropertyWithConfig config "the read-out: best pairs of all, best first, boxes of their queries"
            <| fun (seed: int) ->
                use _ = torch.NewDisposeScope()
                use generator = Small.generator seed

                let logits, boxes =
                    Small.normal [ 2; 6; 3 ] generator, Small.normal [ 2; 6; 4 ] generator

                let struct (scores, labels, found, queries) = Detections.readOut 5 logits boxes

                for b in 0L .. 1L do
                    let numbers (x: Tensor) =
                        x.select(0L, b).reshape(-1L).``to``(torch.float64).data<float>().ToArray()

                    let all = numbers (logits.sigmoid ())
                    let best = Array.indexed all |> Array.sortByDescending snd |> Array.truncate 5
                    Expect.sequenceEqual (numbers scores) (Array.map snd best) "scores"
                    Expect.sequenceEqual (numbers labels) [ for i, _ in best -> float (i % 3) ] "labels"
                    Expect.sequenceEqual (numbers queries) [ for i, _ in best -> float (i / 3) ] "queries"
                    let boxes = Array.chunkBySize 4 (numbers boxes)

                    Expect.sequenceEqual
                        (Array.chunkBySize 4 (numbers found))
                        [ for i, _ in best -> boxes[i / 3] ]
                        "boxes"

            testCase "the read-out counts pairs beyond 2^24"
            <| fun () ->
                use _ = torch.NewDisposeScope()
                // the last pairs have numbers that float32 does not hold
                let queries, classes = 3L, 8_388_617L

                let logits =
                    torch.full ([| 1L; queries; classes |], (-9.0).ToScalar(), torch.float32)

                let wanted =
                    [ 2L, classes - 2L; 2L, 1L; 1L, classes - 1L; 2L, classes - 1L; 0L, 5L ]

                for rank, (query, label) in List.indexed wanted do
                    logits.select(1L, query).select(1L, label).fill_(scalar (3.0 - float rank))
                    |> ignore

                let boxes = torch.arange(12, torch.float32).view(1L, 3L, 4L)

                let struct (_, labels, found, from) = Detections.readOut wanted.Length logits boxes

                let integers (x: Tensor) =
                    List.ofArray (x.data<int64>().ToArray())

                Expect.equal (integers labels) (List.map snd wanted) "labels"
                Expect.equal (integers from) (List.map fst wanted) "queries"

                Expect.equal
                    (found.select(-1, 0L).contiguous().data<float32>().ToArray() |> List.ofArray)
                    [ for query, _ in wanted -> float32 (4L * query) ]
                    "boxes"

            testCase "more detections than pairs are asked for: all pairs"
            <| fun () ->
                use _ = torch.NewDisposeScope()
                use generator = Small.generator 1

                let logits, boxes =
                    Small.normal [ 1; 6; 3 ] generator, Small.normal [ 1; 6; 4 ] generator

                let struct (scores, _, _, _) = Detections.readOut 100 logits boxes
                Expect.sequenceEqual scores.shape [ 1L; 18L ] "scores"
        ]
