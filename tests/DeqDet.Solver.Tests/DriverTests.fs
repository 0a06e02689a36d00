/// The driver's promises: who is computed, what stays frozen, when it ends, what it refuses, what it frees.
module DeqDet.Solver.Tests.DriverTests

open System
open System.Threading
open Expecto
open TorchSharp
open DeqDet.Solver
open DeqDet.Solver.Tests.Problems

let private schemes =
    [
        Picard.scheme Picard.defaults
        Picard.scheme { Damping = 0.5 }
        Anderson.scheme Anderson.defaults
        Broyden.scheme Broyden.defaults
    ]

let private numbers (tensor: torch.Tensor) =
    tensor.to_type(torch.float64).cpu().contiguous().data<float>().ToArray()

let private liveTensors () =
    DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount

let private never steps scheme =
    { Solve.defaults with
        Scheme = scheme
        Steps = steps
        Tolerance = Tolerance.never
    }

/// cos z + a multiple of the sample's number: a contraction near its fixed point, samples of different speed.
let private cosine (z: torch.Tensor) (index: torch.Tensor) =
    z.cos () + index.to_type(z.dtype).mul(0.1.ToScalar()).unsqueeze 1

let private frozenTests =
    testList
        "finished samples"
        [
            for scheme in schemes do
                testCase $"{scheme.Name}: leave the computation and stay bit for bit"
                <| fun () ->
                    use _ = torch.NewDisposeScope()
                    let problem = named "batch_fast_slow"
                    let seen = ResizeArray<int64[]>()

                    let map state (index: torch.Tensor) =
                        seen.Add(index.data<int64>().ToArray())
                        problem.Map state index

                    let solve steps =
                        Solve.runIndexed
                            { Solve.defaults with
                                Scheme = scheme
                                Steps = steps
                                Tolerance = Tolerance.relative 1e-6
                            }
                            map
                            problem.Start

                    let long = solve 60
                    let fast = long.Reports[0]
                    Expect.equal fast.Outcome Converged "the fast sample converges"

                    seen
                    |> Seq.iteri (fun number index ->
                        Expect.equal (Array.contains 0L index) (number < fast.Evaluations) $"sample 0 at {number + 1}")

                    Expect.isGreaterThan seen.Count fast.Evaluations "the slow sample goes on alone"
                    let short = solve fast.Evaluations

                    Expect.equal
                        (numbers short.State[0L])
                        (numbers long.State[0L])
                        "the same bits, however long it lasts"

            testCase "one that goes NaN leaves the others as they are without it"
            <| fun () ->
                for scheme in schemes do
                    use _ = torch.NewDisposeScope()
                    let start = torch.zeros ([| 3L; 4L |], torch.float64)
                    let mutable calls = 0

                    let poisoned z (index: torch.Tensor) =
                        calls <- calls + 1
                        let image = cosine z index

                        if calls >= 3 then
                            image.masked_fill (index.eq(1L.ToScalar()).unsqueeze 1, nan.ToScalar())
                        else
                            image

                    let options =
                        { Solve.defaults with
                            Scheme = scheme
                            Tolerance = Tolerance.relative 1e-8
                        }

                    let clean = Solve.runIndexed options cosine start
                    let hurt = Solve.runIndexed options poisoned start
                    Expect.equal hurt.Reports[1].Outcome NonFinite "the poisoned sample"
                    Expect.equal hurt.Reports[1].Evaluations 3 "ends at once"
                    Expect.isTrue (Array.forall Double.IsFinite (numbers hurt.State)) "its best state is finite"
                    Expect.isTrue (Double.IsFinite hurt.Reports[1].Residual) "and measured"

                    for other in [ 0; 2 ] do
                        Expect.equal hurt.Reports[other] clean.Reports[other] "report of another sample"
                        Expect.equal (numbers hurt.State[int64 other]) (numbers clean.State[int64 other]) "state"

            testCase "of a batch without samples"
            <| fun () ->
                use _ = torch.NewDisposeScope()

                let solution =
                    Solve.run Solve.defaults (fun z -> z.cos ()) (torch.zeros ([| 0L; 3L |], torch.float32))

                Expect.equal solution.Reports [||] "no reports"
                Expect.equal solution.Ending AllFinished "nothing to do"

            testCase "in maps of the whole batch"
            <| fun () ->
                use _ = torch.NewDisposeScope()
                let problem = named "batch_fast_slow"

                let options =
                    { Solve.defaults with
                        Scheme = Broyden.scheme Broyden.defaults
                    }

                let part = Solve.runIndexed options problem.Map problem.Start

                let whole =
                    Solve.runIndexed options (Solve.whole (int64 problem.Batch) problem.Whole) problem.Start

                Expect.equal whole.Reports part.Reports "the same course"
        ]

let private fixedStepTests =
    testList
        "without tolerance"
        [
            testCase "plain iteration is f applied N times"
            <| fun () ->
                use _ = torch.NewDisposeScope()
                let start = torch.rand ([| 2L; 3L |], torch.float64)

                let solution =
                    Solve.runIndexed
                        { never 7 (Picard.scheme Picard.defaults) with
                            Answer = Last
                        }
                        cosine
                        start

                let index = torch.arange 2L
                let mutable z = start

                for _ in 1..7 do
                    z <- cosine z index

                Expect.equal (numbers solution.State) (numbers z) "bit for bit"
                Expect.equal solution.Ending StepsUsed "all steps were taken"

                for report in solution.Reports do
                    Expect.equal report.Outcome StepLimit "nothing was tested"
                    Expect.equal report.Evaluations 7 "evaluations"

            testCase "the best state is returned where that is asked for"
            <| fun () ->
                use _ = torch.NewDisposeScope()
                // Away from 0, twice as far each time: the start is the best there will be.
                let start = torch.ones ([| 1L; 2L |], torch.float64)

                let solution =
                    Solve.run (never 30 (Picard.scheme Picard.defaults)) (fun z -> z * 2.0.ToScalar()) start

                Expect.equal (numbers solution.State) [| 1.0; 1.0 |] "state"
                Expect.equal solution.Reports[0].Outcome Diverged "outcome"
                Expect.floatClose Accuracy.high solution.Reports[0].Residual (sqrt 2.0) "residual of that state"
                Expect.floatClose Accuracy.high solution.Reports[0].ContractionRate 2.0 "growth"
                Expect.equal solution.Reports[0].EmpiricalError infinity "no estimate"

            testCase "a NaN sample gives its best state also where the last one is asked for"
            <| fun () ->
                use _ = torch.NewDisposeScope()
                let start = torch.ones ([| 2L; 2L |], torch.float64)

                let map (z: torch.Tensor) (index: torch.Tensor) =
                    let outside = index.eq(1L.ToScalar()).logical_and(z.select(1, 0).lt(0.6.ToScalar()))
                    z.cos().masked_fill(outside.unsqueeze 1, nan.ToScalar())

                let solution =
                    Solve.runIndexed
                        { never 20 (Picard.scheme Picard.defaults) with
                            Answer = Last
                        }
                        map
                        start

                Expect.equal [ for report in solution.Reports -> report.Outcome ] [ StepLimit; NonFinite ] "outcomes"
                Expect.isTrue (Array.forall Double.IsFinite (numbers solution.State)) "finite"
        ]

let private endTests =
    let slow = Picard.scheme { Damping = 0.01 }

    let endless options =
        Solve.runIndexed
            { options with
                Scheme = slow
                Steps = 1000
                Tolerance = Tolerance.relative 1e-12
            }
            cosine
            (torch.zeros ([| 3L; 2L |], torch.float64))

    testList
        "ends"
        [
            testCase "by evaluations, summed over the samples"
            <| fun () ->
                use _ = torch.NewDisposeScope()

                let solution =
                    endless
                        { Solve.defaults with
                            Budget = Evaluations 20L
                        }

                Expect.equal solution.Ending BudgetUsed "ending"

                for report in solution.Reports do
                    Expect.equal report.Evaluations 6 "6 * 3 of 20"
                    Expect.equal report.Outcome StepLimit "outcome"

            testCase "by time, on the clock that was passed in"
            <| fun () ->
                use _ = torch.NewDisposeScope()
                let mutable now = TimeSpan.FromHours 5.0

                let clock () =
                    now <- now + TimeSpan.FromMilliseconds 10.0
                    now

                let solution =
                    endless
                        { Solve.defaults with
                            Budget = Time(TimeSpan.FromMilliseconds 75.0, clock)
                        }

                Expect.equal solution.Ending BudgetUsed "ending"
                Expect.equal solution.Reports[0].Evaluations 8 "the first one, and one for each look below 75 ms"

            testCase "by cancellation, with what has been found"
            <| fun () ->
                use _ = torch.NewDisposeScope()
                use source = new CancellationTokenSource()

                let solution =
                    endless
                        { Solve.defaults with
                            Cancellation = source.Token
                            Observer =
                                Some(fun seen ->
                                    if seen.Evaluation = 4 then
                                        source.Cancel())
                        }

                Expect.equal solution.Ending Cancelled "ending"
                Expect.equal solution.Reports[0].Evaluations 4 "evaluations"

            testCase "with a trace of every evaluation"
            <| fun () ->
                use _ = torch.NewDisposeScope()
                let problem = named "batch_fast_slow"

                for tolerance in [ Tolerance.relative 1e-6; Tolerance.never ] do
                    let solution =
                        Solve.runIndexed
                            { Solve.defaults with
                                Scheme = Picard.scheme Picard.defaults
                                Tolerance = tolerance
                                Steps = 40
                                Trace = true
                            }
                            problem.Map
                            problem.Start

                    Expect.equal [ for row in solution.Trace -> row.Evaluation ] [ 1..40 ] "evaluations"
                    let golden = problem.Tensors["trace.fixed_point_iter.rel"]

                    for row in solution.Trace do
                        for sample in 0..1 do
                            let known = golden[int64 sample, int64 (row.Evaluation - 1)].item<float>()

                            if row.Evaluation <= solution.Reports[sample].Evaluations then
                                Expect.isLessThan
                                    (abs (row.Relative[sample] - known))
                                    (1e-9 * known + 1e-15)
                                    $"residual {row.Evaluation} of sample {sample}"
                            else
                                Expect.isTrue (Double.IsNaN row.Relative[sample]) "finished samples have none"

            testCase "without a trace where none is asked for"
            <| fun () ->
                use _ = torch.NewDisposeScope()
                Expect.isEmpty (endless Solve.defaults).Trace "trace"
        ]

let private measureTests =
    testList
        "measures"
        [
            testCase "half precision does not overflow"
            <| fun () ->
                use _ = torch.NewDisposeScope()
                let state = torch.full ([| 1L; 64L |], 1000.0.ToScalar(), torch.float16)
                let measured = Tolerance.euclidean state (state * 0.0.ToScalar())
                Expect.floatClose Accuracy.high (numbers measured.Absolute).[0] 8000.0 "norm"

            testCase "half precision states are solved, and stay so"
            <| fun () ->
                for dtype in [ torch.float16; torch.bfloat16 ] do
                    for scheme in schemes do
                        use _ = torch.NewDisposeScope()

                        let solution =
                            Solve.runIndexed
                                { Solve.defaults with
                                    Scheme = scheme
                                    Tolerance = Tolerance.relative 3e-2
                                }
                                cosine
                                (torch.zeros ([| 2L; 3L |], dtype))

                        Expect.isTrue solution.Converged $"{scheme.Name}, {dtype}: {solution.Reports[0]}"
                        Expect.equal solution.State.dtype dtype "the type"

            testCase "of one's own decides"
            <| fun () ->
                use _ = torch.NewDisposeScope()
                // Only the first component counts.
                let first: Measure =
                    fun state image ->
                        let change = (image - state).select(1, 0).abs()
                        { Absolute = change; Relative = change }

                let map (z: torch.Tensor) =
                    torch.stack ([| z.select (1, 0) * 0.1.ToScalar(); z.select (1, 1) * 0.99.ToScalar() |], 1L)

                let solution =
                    Solve.run
                        { Solve.defaults with
                            Scheme = Picard.scheme Picard.defaults
                            Tolerance =
                                { Tolerance.absolute 1e-5 with
                                    Measure = first
                                }
                        }
                        map
                        (torch.ones ([| 1L; 2L |], torch.float64))

                Expect.equal solution.Reports[0].Outcome Converged "outcome"
                Expect.equal solution.Reports[0].Evaluations 6 "0.9 * 0.1^n <= 1e-5"

            testCase "contraction rate and error estimate of a known contraction"
            <| fun () ->
                use _ = torch.NewDisposeScope()

                let solution =
                    Solve.run
                        { Solve.defaults with
                            Scheme = Picard.scheme Picard.defaults
                            Tolerance = Tolerance.absolute 1e-4
                        }
                        (fun z -> z * 0.5.ToScalar() + 1.0.ToScalar())
                        (torch.zeros ([| 1L; 1L |], torch.float64))

                let report = solution.Reports[0]
                Expect.floatClose Accuracy.high report.ContractionRate 0.5 "rate"
                let image = (numbers solution.State).[0] * 0.5 + 1.0
                Expect.floatClose Accuracy.medium report.EmpiricalError (abs (image - 2.0)) "error of the image"
        ]

/// The argument an ArgumentException names.
let private named' (action: unit -> 'T) : string =
    try
        action () |> ignore
        failtest "nothing was refused"
    with :? ArgumentException as error ->
        Expect.isGreaterThan error.Message.Length 20 "a sentence"
        error.ParamName

let private refusalTests =
    let start () =
        torch.ones ([| 2L; 3L |], torch.float32)

    let run options =
        Solve.run options (fun z -> z.cos ()) (start ())

    let from (start: torch.Tensor) =
        Solve.run Solve.defaults (fun z -> z.cos ()) start

    let through (map: torch.Tensor -> torch.Tensor) = Solve.run Solve.defaults map (start ())

    let cases: (string * string * (unit -> obj)) list =
        [
            for bound in [ 0.0; -1e-3; nan; infinity ] do
                $"relative tolerance {bound}",
                "tolerance",
                fun () ->
                    run
                        { Solve.defaults with
                            Tolerance = Tolerance.relative bound
                        }
                    :> obj

                $"absolute tolerance {bound}",
                "tolerance",
                fun () ->
                    run
                        { Solve.defaults with
                            Tolerance = Tolerance.absolute bound
                        }
            "no steps", "steps", fun () -> run { Solve.defaults with Steps = 0 }
            "divergence factor 1", "divergence", fun () -> run { Solve.defaults with Divergence = 1.0 }
            "budget 0",
            "budget",
            fun () ->
                run
                    { Solve.defaults with
                        Budget = Evaluations 0L
                    }
            "no time",
            "budget",
            fun () ->
                run
                    { Solve.defaults with
                        Budget = Time(TimeSpan.Zero, fun () -> TimeSpan.Zero)
                    }
            "window 0", "window", fun () -> Anderson.scheme { Anderson.defaults with Window = 0 }
            "memory 0", "memory", fun () -> Broyden.scheme { Broyden.defaults with Memory = 0 }
            "regularisation -1",
            "regularisation",
            fun () ->
                Anderson.scheme
                    { Anderson.defaults with
                        Regularisation = -1.0
                    }
            "damping 0", "damping", fun () -> Picard.scheme { Damping = 0.0 }
            "damping 2", "damping", fun () -> Anderson.scheme { Anderson.defaults with Damping = 2.0 }
            "damping NaN", "damping", fun () -> Broyden.scheme { Broyden.defaults with Damping = nan }
            "no batch axis", "start", fun () -> from (torch.tensor 1.0f)
            "whole numbers", "start", fun () -> from (torch.ones ([| 2L; 3L |], torch.int64))
            "NaN in the start", "start", fun () -> from (torch.full ([| 2L; 3L |], nan.ToScalar(), torch.float32))
            "another shape", "map", fun () -> through (fun z -> z.narrow (1, 0, 2))
            "another type", "map", fun () -> through (fun z -> z.to_type torch.float64)
            "no tensor", "map", fun () -> through (fun _ -> null)
            "inputs of the whole batch",
            "map",
            fun () ->
                let problem = named "batch_fast_slow"
                let inputs = problem.Tensors["def.b"]
                let speeds = torch.tensor([| 0.1; 0.9 |]).unsqueeze 1

                Solve.run
                    { Solve.defaults with
                        Scheme = Picard.scheme Picard.defaults
                    }
                    (fun z -> z * speeds + inputs)
                    problem.Start
            "unrolled 0", "steps", fun () -> Gradient.unrolled 0
            "Neumann 0", "steps", fun () -> Gradient.neumann 0
            "phantom damping", "damping", fun () -> Gradient.phantom 2 0.0
            "a point without batch axis",
            "point",
            fun () -> Spectral.radius Spectral.defaults (fun z -> z) (torch.tensor 1.0f)
        ]

    testList
        "refuses"
        [
            for name, argument, action in cases do
                testCase name
                <| fun () ->
                    use _ = torch.NewDisposeScope()
                    Expect.equal (named' action) argument "the argument that is named"
        ]

exception private OwnTrouble of int

let private memoryTests =
    let solveOnce scheme =
        use solution =
            (Solve.runIndexed
                { Solve.defaults with
                    Scheme = scheme
                    Tolerance = Tolerance.relative 1e-6
                }
                cosine
                (torch.zeros ([| 3L; 5L |], torch.float64)))
                .State

        solution.shape |> ignore

    testList
        "memory"
        [
            for scheme in schemes do
                testCase $"{scheme.Name}: nothing but the state outlives a solve, nothing grows within one"
                <| fun () ->
                    use _ = torch.NewDisposeScope()
                    let start = torch.zeros ([| 3L; 5L |], torch.float64)
                    let before = liveTensors ()

                    for _ in 1..20 do
                        let solution =
                            Solve.runIndexed
                                { Solve.defaults with
                                    Scheme = scheme
                                    Tolerance = Tolerance.relative 1e-6
                                }
                                cosine
                                start

                        solution.State.Dispose()

                    Expect.equal (liveTensors ()) before "after 20 solves"
                    let live = ResizeArray<int64>()

                    let solution =
                        Solve.runIndexed
                            { never 60 scheme with
                                Observer = Some(fun _ -> live.Add(liveTensors ()))
                            }
                            cosine
                            start

                    solution.State.Dispose()

                    Expect.equal
                        (live |> Seq.skip 2 |> Set.ofSeq).Count
                        1
                        $"live tensors at each evaluation: {List.ofSeq live}"

            testCase "a map that raises: its own exception, and everything is freed"
            <| fun () ->
                use _ = torch.NewDisposeScope()
                let start = torch.zeros ([| 3L; 5L |], torch.float64)

                for scheme in schemes do
                    let made = ResizeArray<torch.Tensor>()

                    let watched =
                        { scheme with
                            Init =
                                fun state ->
                                    let memory = scheme.Init state
                                    made.AddRange memory
                                    memory
                            Step =
                                fun at ->
                                    let advanced = scheme.Step at
                                    made.AddRange [ at.State; at.Image; advanced.Next ]
                                    made.AddRange advanced.Memory
                                    advanced
                        }

                    let mutable calls = 0

                    let map (z: torch.Tensor) =
                        calls <- calls + 1

                        if calls = 4 then
                            raise (OwnTrouble 4)

                        z.cos ()

                    Expect.throwsC
                        (fun () -> Solve.run { never 10 watched with Answer = Last } map start |> ignore)
                        (fun error -> Expect.equal error (OwnTrouble 4) "the exception")

                    Expect.isGreaterThanOrEqual made.Count 9 "tensors were seen"
                    Expect.isTrue (made |> Seq.forall (fun tensor -> tensor.IsInvalid)) "and all are freed"
                    Expect.isFalse start.IsInvalid "but the caller's"

            testCase "the caller's tensors stay alive"
            <| fun () ->
                use _ = torch.NewDisposeScope()
                let start = torch.zeros ([| 2L; 2L |], torch.float64)
                let constant = torch.ones ([| 2L; 2L |], torch.float64)

                for scheme in schemes do
                    // Maps that return a tensor of the caller's, and their argument itself.
                    for map in [ (fun (_: torch.Tensor) -> constant); id ] do
                        let solution = Solve.run { never 4 scheme with Answer = Last } map start

                        Expect.equal (numbers constant) [| 1.0; 1.0; 1.0; 1.0 |] "constant"
                        Expect.equal (numbers start) [| 0.0; 0.0; 0.0; 0.0 |] "start"
                        Expect.isTrue (Array.forall Double.IsFinite (numbers solution.State)) "state"

            testCase "works outside any dispose scope"
            <| fun () -> schemes |> List.iter solveOnce
        ]

let private implicitTests =
    let parameter () =
        torch.tensor([| 0.3; -0.2 |]).requires_grad_()

    let run (gradient: Gradient) (scale: float) =
        let weights = parameter ()

        let map (z: torch.Tensor) =
            torch.tanh (z * 0.5.ToScalar() + weights)

        let state = torch.tensor([| 0.4; -0.3 |]).reshape(1L, 2L)
        let attached = gradient.Attach map state
        (attached.State * scale.ToScalar()).sum().backward()
        numbers weights.grad, attached.Adjoint

    testList
        "implicit backward"
        [
            testCase "survives a scheme that raises, and says so"
            <| fun () ->
                use _ = torch.NewDisposeScope()

                let broken =
                    { Picard.scheme Picard.defaults with
                        Step = fun _ -> raise (OwnTrouble 1)
                    }

                let found, adjoint =
                    run
                        (Gradient.implicit
                            { Gradient.adjointDefaults with
                                Scheme = broken
                            })
                        1.0

                Expect.equal adjoint (Failed(OwnTrouble 1)) "adjoint"
                Expect.equal found (fst (run Gradient.oneStep 1.0)) "the one-step gradient"

            testCase "survives a NaN gradient, and says so"
            <| fun () ->
                use _ = torch.NewDisposeScope()
                let found, adjoint = run (Gradient.implicit Gradient.adjointDefaults) nan
                Expect.isTrue adjoint.IsFailed "adjoint"
                Expect.isTrue (Array.forall Double.IsNaN found) "NaN stays NaN"

            testCase "says when the adjoint was cut short"
            <| fun () ->
                use _ = torch.NewDisposeScope()

                let found, adjoint =
                    run
                        (Gradient.implicit
                            { Gradient.adjointDefaults with
                                Steps = 2
                                Tolerance = Tolerance.relative 1e-14
                            })
                        1.0

                match adjoint with
                | Solved [| report |] -> Expect.equal report.Outcome StepLimit "outcome"
                | other -> failtest $"the adjoint was {other}"

                Expect.isTrue (Array.forall Double.IsFinite found) "finite"

            testCase "is pending before it runs"
            <| fun () ->
                use _ = torch.NewDisposeScope()
                let weights = parameter ()

                let attached =
                    (Gradient.implicit Gradient.adjointDefaults).Attach
                        (fun z -> torch.tanh (z * weights))
                        (torch.zeros ([| 1L; 2L |], torch.float64))

                Expect.equal attached.Adjoint Pending "adjoint"

            testCase "frees what it makes"
            <| fun () ->
                use _ = torch.NewDisposeScope()
                let gradient = Gradient.implicit Gradient.adjointDefaults

                let once () =
                    use _ = torch.NewDisposeScope()
                    run gradient 1.0 |> ignore

                once ()
                let before = liveTensors ()

                for _ in 1..10 do
                    once ()

                Expect.equal (liveTensors ()) before "tensors after 10 backward passes"

            testCase "is left out where no gradients are recorded"
            <| fun () ->
                use _ = torch.NewDisposeScope()
                use _ = torch.no_grad ()

                let attached =
                    (Gradient.implicit Gradient.adjointDefaults).Attach
                        (fun z -> z.cos ())
                        (torch.zeros ([| 1L; 2L |], torch.float64))

                Expect.isFalse attached.State.requires_grad "no graph"
        ]

/// The layer of docs/solver.md as it stands there.
let private layer (w: torch.Tensor) (u: torch.Tensor) (x: torch.Tensor) : torch.Tensor =
    let injected = torch.mm (x, u)
    let f (z: torch.Tensor) = torch.tanh (torch.mm (z, w) + injected)

    let some (z: torch.Tensor) (index: torch.Tensor) =
        torch.tanh (torch.mm (z, w) + injected.index_select (0L, index))

    let solution =
        Solve.runIndexed { Solve.defaults with Steps = 50 } some (torch.zeros_like injected)

    for report in solution.Reports do
        if report.Outcome <> Converged then
            eprintfn $"{report}"

    (Gradient.implicit Gradient.adjointDefaults).Attach f solution.State |> _.State

let private layerTests =
    testCase "the documented layer learns"
    <| fun () ->
        use _ = torch.NewDisposeScope()
        use generator = new torch.Generator(5UL)

        let normal (sizes: int64[]) =
            torch.randn (sizes, dtype = torch.float32, generator = generator)

        let x, target = normal [| 16L; 4L |], (normal [| 16L; 6L |]).mul_(0.3.ToScalar())
        let w = (normal [| 6L; 6L |]).mul_(0.2.ToScalar()).requires_grad_()
        let u = (normal [| 4L; 6L |]).mul_(0.2.ToScalar()).requires_grad_()

        let loss () = (layer w u x - target).square().mean()

        let losses =
            [
                for _ in 1..40 do
                    use _ = torch.NewDisposeScope()
                    let loss = loss ()
                    loss.backward ()
                    use _ = torch.no_grad ()

                    for parameter in [ w; u ] do
                        parameter.sub_ (parameter.grad * 1.0.ToScalar()) |> ignore
                        parameter.grad.zero_ () |> ignore

                    loss.item<float32>()
            ]

        Expect.isLessThan (List.last losses) (0.8f * List.head losses) $"{losses}"

[<Tests>]
let tests =
    testList
        "driver"
        [
            frozenTests
            fixedStepTests
            endTests
            measureTests
            refusalTests
            memoryTests
            implicitTests
            layerTests
        ]
