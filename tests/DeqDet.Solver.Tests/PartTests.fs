/// Samples of several parts that come to rest one by one, the answer that is one application ahead, and schemes in units.
module DeqDet.Solver.Tests.PartTests

open System
open Expecto
open TorchSharp
open DeqDet.Solver

let private schemes =
    [
        Picard.scheme Picard.defaults
        Picard.scheme { Damping = 0.7 }
        Anderson.scheme Anderson.defaults
        Broyden.scheme Broyden.defaults
    ]

let private config =
    { FsCheckConfig.defaultConfig with
        maxTest = 200
    }

let private numbers (tensor: torch.Tensor) =
    tensor.to_type(torch.float64).contiguous().data<float>().ToArray()

let private samples, parts, size = 3, 4, 5

/// z_p -> rate_p tanh(z_p A) + coupling * (mean of the sample's parts) + b_p; part 0 is the fastest.
type private Coupled(seed: int, coupling: float) =
    let random = Random seed

    let tensor (sizes: int64[]) =
        let count = int (Array.fold (*) 1L sizes)
        torch.tensor(Array.init count (fun _ -> random.NextDouble() * 2.0 - 1.0)).reshape sizes

    let matrix = tensor [| int64 size; int64 size |]
    let shift = tensor [| int64 samples; int64 parts; int64 size |]

    let rates =
        (torch.linspace (0.02, 0.3, int64 parts, torch.float64)).view(1L, -1L, 1L)

    member _.Start = tensor [| int64 samples; int64 parts; int64 size |]

    member _.Map (state: torch.Tensor) (index: torch.Tensor) =
        rates * torch.tanh (state.matmul matrix)
        + state.mean ([| 1L |], true) * coupling.ToScalar()
        + shift.index_select (0, index)

let private within tolerance scheme =
    { Solve.defaults with
        Scheme = scheme
        Tolerance = Tolerance.relative tolerance
        Steps = 200
    }

[<Tests>]
let tests =
    testList
        "parts"
        [
            for scheme in schemes do
                testPropertyWithConfig
                    config
                    $"{scheme.Name}: each rests where it converged, and stays there bit for bit"
                <| fun (seed: int) (answer: bool) ->
                    use _ = torch.NewDisposeScope()
                    let problem = Coupled(seed, 0.1)
                    let seen = ResizeArray<int64[] * Map<int64, float[]> * Set<int64>>()

                    let map (state: torch.Tensor) (index: torch.Tensor) (places: torch.Tensor option) =
                        let samples = index.data<int64>().ToArray()

                        let partOf (place: int64) =
                            samples[int place / parts] * int64 parts + place % int64 parts

                        let rows = state.flatten (0, 1)
                        let all = [| 0L .. rows.shape[0] - 1L |]

                        let moving =
                            match places with
                            | None -> all
                            | Some places -> places.data<int64>().ToArray()

                        let content =
                            Map [ for place in all -> partOf place, numbers (rows.select (0, place)) ]

                        seen.Add(samples, content, Set(Array.map partOf moving))
                        problem.Map state index

                    let options =
                        { within 1e-8 scheme with
                            Answer = if answer then Image else Best
                        }

                    let solution = Solve.runParts options parts map problem.Start
                    let state = solution.State.flatten (0, 1)
                    Expect.equal solution.Reports.Length (samples * parts) "a report a part"

                    for part in 0 .. samples * parts - 1 do
                        let report = solution.Reports[part]
                        Expect.equal report.Outcome Converged $"part {part}"
                        let answer = numbers (state.select (0, int64 part))

                        seen
                        |> Seq.iteri (fun number (active, content, moving) ->
                            Expect.equal
                                (moving.Contains(int64 part))
                                (number < report.Evaluations)
                                $"part {part} moves at {number + 1} of {report.Evaluations}"

                            if number >= report.Evaluations && Array.contains (int64 (part / parts)) active then
                                Expect.equal content[int64 part] answer "what the others see of it is its answer")

            testPropertyWithConfig config "without coupling they are what samples are, bit for bit"
            <| fun (seed: int) ->
                use _ = torch.NewDisposeScope()
                let problem = Coupled(seed, 0.0)
                let start = problem.Start
                let options = within 1e-6 (Picard.scheme Picard.defaults)

                let together =
                    Solve.runParts options parts (fun state index _ -> problem.Map state index) start

                let alone (state: torch.Tensor) (index: torch.Tensor) =
                    let all = torch.zeros_like start
                    all.flatten(0, 1).index_copy_(0, index, state) |> ignore

                    (problem.Map all (torch.arange (int64 samples))).flatten(0, 1).index_select(0, index)

                let single = Solve.runIndexed options alone (start.flatten (0, 1))
                Expect.equal (numbers together.State) (numbers single.State) "states"

                for a, b in Array.zip together.Reports single.Reports do
                    Expect.equal (a.Evaluations, a.Residual) (b.Evaluations, b.Residual) "reports"

            testPropertyWithConfig config "one to a sample, they are the samples, bit for bit"
            <| fun (seed: int) ->
                use _ = torch.NewDisposeScope()
                let problem = Coupled(seed, 0.0)
                let rows = problem.Start.flatten (0, 1)

                let alone (state: torch.Tensor) (index: torch.Tensor) =
                    let all = torch.zeros_like problem.Start
                    all.flatten(0, 1).index_copy_(0, index, state) |> ignore

                    (problem.Map all (torch.arange (int64 samples))).flatten(0, 1).index_select(0, index)

                for scheme in schemes do
                    let options = within 1e-6 scheme
                    let expected = Solve.runIndexed options alone rows

                    let map (state: torch.Tensor) index (_: torch.Tensor option) =
                        Expect.equal state.shape[1] 1L "the map sees the axis of parts"
                        (alone (state.squeeze 1L) index).unsqueeze 1L

                    let found = Solve.runParts options 1 map (rows.unsqueeze 1L)
                    Expect.equal found.State.shape [| rows.shape[0]; 1L; rows.shape[1] |] "shape"
                    Expect.equal (numbers found.State) (numbers expected.State) $"{scheme.Name}: states"

                    for a, b in Array.zip found.Reports expected.Reports do
                        Expect.equal
                            (a.Outcome, a.Evaluations, a.Residual)
                            (b.Outcome, b.Evaluations, b.Residual)
                            "report"

            testCase "one that goes NaN comes to rest at its best state and is not seen as NaN by the others"
            <| fun () ->
                for scheme in schemes do
                    use _ = torch.NewDisposeScope()
                    let problem = Coupled(3, 0.1)
                    let mutable calls = 0

                    let map (state: torch.Tensor) index _ =
                        calls <- calls + 1
                        Expect.isTrue ((torch.isfinite state).all().ToBoolean()) "the map sees finite states"
                        let image = (problem.Map state index).clone()

                        if calls = 3 then
                            image.select(0, 1).select(0, 2).fill_(nan.ToScalar()) |> ignore

                        image

                    let solution = Solve.runParts (within 1e-6 scheme) parts map problem.Start

                    solution.Reports
                    |> Array.iteri (fun part report ->
                        let expected = if part = parts + 2 then NonFinite else Converged
                        Expect.equal report.Outcome expected $"{scheme.Name}, part {part}")

                    Expect.isTrue ((torch.isfinite solution.State).all().ToBoolean()) "the state is finite"

            testCase "a budget counts their evaluations"
            <| fun () ->
                use _ = torch.NewDisposeScope()
                let problem = Coupled(1, 0.1)

                let solve budget =
                    Solve.runParts
                        { within 1e-12 (Picard.scheme Picard.defaults) with
                            Budget = budget
                        }
                        parts
                        (fun state index _ -> problem.Map state index)
                        problem.Start

                let spent (solution: Solution) =
                    solution.Reports |> Array.sumBy (fun report -> report.Evaluations)

                let free = solve Unlimited
                let half = solve (Evaluations(int64 (spent free / 2)))
                Expect.equal half.Ending BudgetUsed "ending"
                Expect.isLessThanOrEqual (spent half) (spent free / 2) "evaluations"

            testCase "a start without a row for each is refused"
            <| fun () ->
                use _ = torch.NewDisposeScope()

                let refused count (start: torch.Tensor) =
                    Expect.throwsC
                        (fun () -> Solve.runParts Solve.defaults count (fun state _ _ -> state) start |> ignore)
                        (fun error ->
                            Expect.equal (error :?> ArgumentException).ParamName "parts" "the argument is named")

                refused 0 (torch.zeros ([| 2L; 3L |]))
                refused 2 (torch.zeros ([| 2L; 3L |]))
                refused 2 (torch.zeros [| 2L |])
                refused 1 (torch.zeros [| 2L |])
                refused 1 (torch.zeros [| 2L; 3L |])
        ]

[<Tests>]
let imageTests =
    testList
        "the answer one application ahead"
        [
            testPropertyWithConfig config "is the map of the state that converged, and costs nothing"
            <| fun (seed: int) ->
                use _ = torch.NewDisposeScope()
                let problem = Coupled(seed, 0.1)
                let map = problem.Map
                let start = problem.Start
                let all = torch.arange (int64 samples)

                for scheme in schemes do
                    let solve answer =
                        Solve.runIndexed
                            { within 1e-6 scheme with
                                Answer = answer
                            }
                            map
                            start

                    let best, image = solve Best, solve Image

                    Expect.equal
                        [| for report in image.Reports -> report.Evaluations, report.Residual |]
                        [| for report in best.Reports -> report.Evaluations, report.Residual |]
                        "the same reports"

                    let expected, actual = numbers (map best.State all), numbers image.State

                    for a, b in Array.zip expected actual do
                        Expect.isLessThan (abs (a - b)) 1e-12 "f(z)"
        ]

[<Tests>]
let unitTests =
    testList
        "units"
        [
            testPropertyWithConfig
                config
                "a scheme in units solves a stretched problem as the plain one solves the problem itself"
            <| fun (seed: int) ->
                use _ = torch.NewDisposeScope()
                let problem = Coupled(seed, 0.2)
                let random = Random seed

                // powers of two stretch without rounding
                let stretch =
                    torch
                        .tensor([| for _ in 1 .. parts * size -> 2.0 ** float (random.Next(-8, 9)) |])
                        .view(1L, int64 parts, int64 size)

                let stretched (state: torch.Tensor) index =
                    problem.Map (state / stretch) index * stretch

                let start = problem.Start

                for scheme in schemes do
                    let steps scheme =
                        { Solve.defaults with
                            Scheme = scheme
                            Steps = 6
                            Tolerance = Tolerance.never
                            Answer = Last
                        }

                    let plain = Solve.runIndexed (steps scheme) problem.Map start

                    let units =
                        Solve.runIndexed
                            (steps (Scheme.inUnits (fun state -> stretch.expand_as state) scheme))
                            stretched
                            (start * stretch)

                    Expect.equal (numbers (units.State / stretch)) (numbers plain.State) scheme.Name
        ]
