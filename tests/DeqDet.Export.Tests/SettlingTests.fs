/// When queries stop in an exported loop, and at which states: against the solver itself.
module DeqDet.Export.Tests.SettlingTests

open System
open Expecto
open FsCheck
open TorchSharp
open DeqDet.Checkpoints
open DeqDet.Export
open DeqDet.Model
open DeqDet.Solver

// a query's content is its value, and the factor and term by which an application changes it: value * factor + term. Queries do not look at each other, so each
// can do something else.
let private width = 3L

let private map: MapValue =
    {
        Apply =
            fun _ some _ graph ->
                let part at = Op.narrow -1 at 1L some.Content graph
                let value = Op.add (Op.multiply (part 0L) (part 1L) graph) (part 2L) graph
                let content = Op.concat -1 [ value; part 1L; part 2L ] graph

                {
                    Position = some.Position
                    Content = content
                    Box = some.Box
                }
        Look = fun _ _ -> invalidOp "nobody looks"
    }

let private applied (rows: Tensor) =
    let part (at: int64) = rows.narrow (-1, at, 1L)
    let value = part 4L * part 5L + part 6L
    torch.cat ([| rows.narrow (-1, 0L, 4L); value; part 5L; part 6L |], -1L)

/// Rows [B, Q, 4 + 3] of (value, factor, term).
let private start (images: (float * float * float) list list) =
    let rows =
        [|
            for image in images do
                for value, factor, term in image do
                    yield! [ 10.0; 20.0; 3.0; 0.0; value; factor; term ]
        |]

    torch.tensor(rows, dtype = torch.float32).view(int64 images.Length, int64 images.Head.Length, 4L + width)

let private bySolver applications (tolerance: float option) damping (state: Tensor) =
    let options =
        Equilibrium.options
            { SolverSettings.ofSteps (applications - 1) with
                Tolerance = tolerance
                Damping = damping
            }
            Effort.Unhurried

    let parts = int (state.size 1)

    let map: PartMap =
        fun state _ places ->
            match places with
            | None -> applied state
            | Some places ->
                let rows = state.flatten (0L, 1L)
                rows.clone().index_copy_(0L, places, applied (rows.index_select (0L, places))).view_as state

    let solution = Solve.runParts options parts map state
    solution.State, solution.Reports

let private byGraph runtime applications tolerance damping (state: Tensor) =
    let form = { Form.standard with Runtime = runtime }
    let graph = Graph.create form []
    let queries = state.size 1

    let position =
        Graph.input "position" ElementType.Float32 [ Op.Free; queries; 4L ] graph

    let content =
        Graph.input "content" ElementType.Float32 [ Op.Free; queries; width ] graph

    let settled =
        EquilibriumGraph.iterate
            (Looped(applications, tolerance))
            damping
            map
            {
                Position = position
                Content = content
                Box = BoxGraph.decode position graph
            }
            graph

    let outputs =
        [
            settled.Query.Position
            settled.Query.Content
            settled.Residuals
            settled.Steps
        ]

    let found =
        Written.run
            (Written.ofValues form graph [ position; content ] outputs)
            [
                "position", state.narrow (-1, 0L, 4L)
                "content", state.narrow (-1, 4L, width)
            ]

    let part at = found[outputs[at].Name]
    torch.cat ([| part 0; part 1 |], -1L), part 2, part 3

/// Fails where the two disagree: residuals are float32 here, float64 there.
let private compare runtime applications tolerance damping images =
    use _ = torch.NewDisposeScope()
    let state = start images
    let expected, reports = bySolver applications tolerance damping state
    let found, residuals, steps = byGraph runtime applications tolerance damping state
    let steps = steps.data<int64>().ToArray()
    let residuals = residuals.data<float32>().ToArray()

    for query, report in Array.indexed reports do
        let about =
            $"query {query}: {List.concat images |> List.item query}, {report.Outcome}"

        Expect.equal (int steps[query]) report.Evaluations $"steps, {about}"

        if Double.IsNaN report.Residual then
            Expect.isTrue (Single.IsNaN residuals[query]) $"no residual, {about}"
        else
            let error = abs (float residuals[query] - report.Residual)
            Expect.isLessThanOrEqual error (1e-5 * report.Residual + 1e-7) $"residual, {about}"

    Expect.isLessThan (Written.difference expected found) 1e-6 "states"

// what queries can do: come near quickly and slowly, swing, stand still, grow by steps or by factors, run away to infinity, or stay just within the tolerance
// of where they were because they have grown
let private ways =
    [
        8.0, 0.5, 1.0
        3.0, 0.9, -2.0
        5.0, -0.8, 1.0
        4.0, 1.0, 0.0
        1.0, 1.0, 1.0
        100.0, 1.0, 1.0
        1.0, 2.0, 0.0
        1.0, 1e30, 0.0
        1.0, -1.0, 0.5
        2.0, 0.99, 0.02
        1.0, 0.999, 3e4
        0.0, 0.0, 0.0
    ]

[<Tests>]
let tests =
    testList
        "Settling"
        [
            for runtime in [ Standard; TensorRt ] do
                for tolerance in [ Some 0.1; Some 0.01; Some 1e-4; None ] do
                    for damping in [ 1.0; 0.7 ] do
                        testCase $"{runtime}, tolerance {tolerance}, damping {damping}: as the solver does"
                        <| fun () ->
                            // without a tolerance the solver looks at everything afterwards, and gives back what had not run away
                            let ways =
                                if tolerance.IsNone then
                                    List.filter (fun (_, factor, _) -> abs factor < 1.5) ways
                                else
                                    ways

                            compare runtime 25 tolerance damping [ ways; List.rev ways ]

            testPropertyWithConfig
                { FsCheckConfig.defaultConfig with
                    maxTest = 20
                }
                "any linear maps, any depth"
            <| fun (numbers: (NormalFloat * NormalFloat * NormalFloat) list) (depth: PositiveInt) ->
                let image =
                    [
                        for NormalFloat value, NormalFloat factor, NormalFloat term in List.truncate 12 numbers ->
                            Math.Round(value % 100.0, 3), Math.Round(factor % 1.2, 3), Math.Round(term % 10.0, 3)
                    ]

                compare Standard (1 + depth.Get % 30) (Some 0.0131) 1.0 [ [ 8.0, 0.5, 1.0; 3.0, 0.9, -2.0 ] @ image ]

            testCase "an image with a number that is not finite stays as it is, and the other one does not notice"
            <| fun () ->
                use _ = torch.NewDisposeScope()
                let good = [ 8.0, 0.5, 1.0; 3.0, 0.9, -2.0 ]
                let bad = [ nan, 0.5, 1.0; 3.0, 0.9, -2.0 ]

                for runtime in [ Standard; TensorRt ] do
                    let both = start [ good; bad ]
                    let found, residuals, steps = byGraph runtime 25 (Some 0.01) 1.0 both
                    let alone, _, _ = byGraph runtime 25 (Some 0.01) 1.0 (start [ good ])
                    Expect.equal (Written.difference alone (found.narrow (0L, 0L, 1L))) 0.0 "the good image"
                    let kept = found.select(0L, 1L).data<float32>().ToArray()

                    Expect.equal
                        (Array.map string kept)
                        (Array.map string (both.select(0L, 1L).data<float32>().ToArray()))
                        "the bad image"

                    Expect.isTrue (residuals.select(0L, 1L).isnan().all().item<bool>()) "its residuals"
                    Expect.equal (steps.select(0L, 1L).sum().item<int64>()) 0L "its steps"
        ]
