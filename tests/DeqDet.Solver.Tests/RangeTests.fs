/// Solves at any size of numbers: no map without a fixed point is solved by absorption, no scale changes an outcome.
module DeqDet.Solver.Tests.RangeTests

open System
open Expecto
open TorchSharp
open DeqDet.Solver

let private schemes =
    [
        Picard.scheme Picard.defaults
        Picard.scheme { Damping = 0.7 }
        Anderson.scheme { Anderson.defaults with Window = 2 }
        Anderson.scheme Anderson.defaults
        Broyden.scheme { Broyden.defaults with Memory = 4 }
        Broyden.scheme Broyden.defaults
    ]

let private types = [ torch.float16; torch.bfloat16; torch.float32; torch.float64 ]

/// Each of these solves some hundred problems.
let private config =
    { FsCheckConfig.defaultConfig with
        maxTest = 6
    }

let private normal (random: Random) (sizes: int64 list) : torch.Tensor =
    let count = int (List.fold (*) 1L sizes)

    let next () =
        sqrt (-2.0 * log (1.0 - random.NextDouble()))
        * cos (2.0 * Math.PI * random.NextDouble())

    torch.tensor(Array.init count (fun _ -> next ())).reshape(List.toArray sizes)

let private times (factor: float) (tensor: torch.Tensor) : torch.Tensor =
    let factor = factor.ToScalar()
    let product = tensor * factor
    GC.KeepAlive factor
    product

let private filled (value: float) (dtype: torch.ScalarType) =
    (torch.ones ([| 1L; 1L |], torch.float64) |> times value).to_type dtype

let private solve scheme tolerance steps map (start: torch.Tensor) =
    Solve.run
        { Solve.defaults with
            Scheme = scheme
            Tolerance = tolerance
            Steps = steps
        }
        map
        start

/// z -> z + c has no fixed point; in so many digits it seems to have one as soon as z is large enough.
let private translations (seed: int) =
    let random = Random seed
    let size = random.Next(1, 6)

    let step =
        normal random [ 3L; int64 size ] |> times (10.0 ** float (random.Next(-3, 4)))

    let start =
        normal random [ 3L; int64 size ] |> times (10.0 ** float (random.Next(-3, 3)))

    // an orthogonal change of coordinates makes sums in the place of additions, and rounding errors in the place of zeros
    let struct (turn, _) = torch.linalg.qr (normal random [ int64 size; int64 size ])

    for dtype in [ torch.float32; torch.float64 ] do
        let step, start, turn = step.to_type dtype, start.to_type dtype, turn.to_type dtype

        for name, map in
            [
                "plain", (fun (z: torch.Tensor) (index: torch.Tensor) -> z + step.index_select (0, index))
                "turned", fun z index -> (z.matmul turn + step.index_select(0, index).matmul turn).matmul(turn.t ())
            ] do
            for scheme in schemes do
                for tolerance in [ Tolerance.relative 1e-4; Tolerance.relative 1e-7 ] do
                    let solution =
                        Solve.runIndexed
                            { Solve.defaults with
                                Scheme = scheme
                                Tolerance = tolerance
                                Steps = 60
                            }
                            map
                            start

                    solution.Reports
                    |> Array.iteri (fun sample report ->
                        // A start that is within the tolerance has said all there was to say.
                        if report.Evaluations > 1 then
                            Expect.isTrue
                                (report.Outcome = StepLimit || report.Outcome = Diverged)
                                $"{name} in {dtype}, {scheme.Name}: {report}"

                            let length = step[int64 sample].to_type(torch.float64).norm().ToDouble()

                            Expect.isGreaterThan
                                report.Residual
                                (0.4 * length)
                                $"{name} in {dtype}, {scheme.Name}: the residual is the step")

let private absorptionTests =
    testList
        "maps without a fixed point"
        [
            testPropertyWithConfig config "translations are not solved by absorption" (fun (seed: int) ->
                use _ = torch.NewDisposeScope()
                translations seed)

            testCase "z + 1 is not solved on its way through all magnitudes"
            <| fun () ->
                for dtype, first, growth in
                    [
                        torch.float16, 1.0, 1.0
                        torch.bfloat16, 1.0, 1.0
                        torch.float32, 1.0, 1.5
                        torch.float64, 0.1, 1.5
                    ] do
                    use _ = torch.NewDisposeScope()
                    // A scheme of one's own that strides on, whatever it sees: it comes to where z + 1 = z.
                    let striding: Scheme =
                        {
                            Name = "striding"
                            Init = fun _ -> []
                            Step =
                                fun at ->
                                    {
                                        Memory = []
                                        Next = at.Image * growth.ToScalar()
                                    }
                        }

                    for tolerance in [ Tolerance.relative 1e-2; Tolerance.relative 1e-4; Tolerance.absolute 1e-3 ] do
                        let solution =
                            solve striding tolerance 5000 (fun z -> z + 1.0.ToScalar()) (filled first dtype)

                        let report = solution.Reports[0]
                        Expect.equal report.Outcome Diverged $"{dtype}: {report}"
                        Expect.floatClose Accuracy.low report.Residual 1.0 "the residual of a state that shows the step"
                        let state = solution.State.to_type(torch.float64).ToDouble()
                        Expect.isLessThan state (2.0 / (torch.finfo dtype).eps) "and that state"

            testCase "plain iteration of z + 1 is not solved because z has grown"
            <| fun () ->
                use _ = torch.NewDisposeScope()

                let solution =
                    solve
                        (Picard.scheme Picard.defaults)
                        (Tolerance.relative 1e-2)
                        400
                        (fun z -> z + 1.0.ToScalar())
                        (filled 0.1 torch.float64)

                Expect.equal solution.Reports[0].Outcome StepLimit $"{solution.Reports[0]}"
                Expect.equal solution.Reports[0].EmpiricalError infinity "no end in sight"

            testCase "a hair's breadth of growth is not solved in few digits"
            <| fun () ->
                for scheme in schemes do
                    use _ = torch.NewDisposeScope()

                    let solution =
                        solve scheme (Tolerance.relative 1e-8) 100 (times 1.0000001) (filled 1.0 torch.float32)

                    let report = solution.Reports[0]
                    let state = solution.State.to_type(torch.float64).ToDouble()
                    // its fixed point is 0
                    Expect.isTrue
                        (report.Outcome <> Converged || abs state < 1e-6)
                        $"{scheme.Name}: {report} at {state}"

            testCase
                "parts that are absorbed one after the other diverge one after the other, beside one that converges"
            <| fun () ->
                use _ = torch.NewDisposeScope()
                let steps = torch.tensor([| 1.0; 1.0; 1.0; 3.0 |]).reshape(1L, 4L, 1L)
                let rates = torch.tensor([| 1.0; 1.0; 1.0; 0.5 |]).reshape(1L, 4L, 1L)
                let growth = torch.tensor([| 3.0; 2.0; 1.5; 1.0 |]).reshape(1L, 4L, 1L)

                let striding: Scheme =
                    {
                        Name = "striding"
                        Init = fun _ -> []
                        Step =
                            fun at ->
                                {
                                    Memory = []
                                    Next = at.Image * growth
                                }
                    }

                let solution =
                    Solve.runParts
                        { Solve.defaults with
                            Scheme = striding
                            Tolerance = Tolerance.relative 1e-6
                            Steps = 200
                        }
                        4
                        (fun state _ _ -> state * rates + steps)
                        (torch.ones ([| 1L; 4L; 1L |], torch.float64))

                let outcomes = [ for report in solution.Reports -> report.Outcome ]
                Expect.equal outcomes [ Diverged; Diverged; Diverged; Converged ] $"{List.ofArray solution.Reports}"
                let evaluations = [ for report in solution.Reports -> report.Evaluations ]
                Expect.isTrue (evaluations[0] < evaluations[1] && evaluations[1] < evaluations[2]) $"{evaluations}"
        ]

let private fixedPointTests =
    testList
        "true fixed points"
        [
            testCase "at large magnitudes, from far below"
            <| fun () ->
                for dtype in [ torch.float32; torch.float64 ] do
                    for magnitude in [ 1e8; 1e12; 1e16; 1e25 ] do
                        for scheme in schemes do
                            for start in [ 0.0; 1.0; magnitude * 3.0 ] do
                                use _ = torch.NewDisposeScope()
                                let target = filled magnitude dtype

                                let solution =
                                    solve
                                        scheme
                                        (Tolerance.relative 1e-6)
                                        200
                                        (fun z -> times 0.5 z + times 0.5 target)
                                        (filled start dtype)

                                let report = solution.Reports[0]
                                Expect.equal report.Outcome Converged $"{dtype}, {magnitude}, {scheme.Name}: {report}"
                                let state = solution.State.to_type(torch.float64).ToDouble()
                                Expect.isLessThan (abs (state - magnitude) / magnitude) 1e-5 "the fixed point"

            testCase "down to the last digit"
            <| fun () ->
                for dtype in types do
                    for magnitude in [ 1.0; 100.0; 3e4 ] do
                        for scheme in schemes do
                            use _ = torch.NewDisposeScope()
                            let target = filled magnitude dtype

                            // f(z) = z exactly is the only state within this tolerance
                            let solution =
                                solve
                                    scheme
                                    (Tolerance.relative 1e-30)
                                    200
                                    (fun z -> times 0.25 z + times 0.75 target)
                                    (filled 0.0 dtype)

                            let report = solution.Reports[0]
                            Expect.equal report.Outcome Converged $"{dtype}, {magnitude}, {scheme.Name}: {report}"
                            Expect.equal report.Residual 0.0 "exactly"

            testCase "where the start is one"
            <| fun () ->
                for dtype in types do
                    for magnitude in [ 1.0; 6e4 ] do
                        for scheme in schemes do
                            use _ = torch.NewDisposeScope()

                            let solution =
                                solve scheme (Tolerance.absolute 1e-9) 50 (fun z -> z.alias ()) (filled magnitude dtype)

                            Expect.equal solution.Reports[0].Outcome Converged "every state is one"
                            Expect.equal solution.Reports[0].Evaluations 1 "at once"

            testCase "beside a large component that stands still"
            <| fun () ->
                for scheme in schemes do
                    use _ = torch.NewDisposeScope()
                    let rates = torch.tensor ([| 1.0; 0.5 |], dtype = torch.float32)
                    let shift = torch.tensor ([| 0.0; 1.0 |], dtype = torch.float32)

                    let solution =
                        solve
                            scheme
                            (Tolerance.absolute 1e-3)
                            100
                            (fun z -> z * rates + shift)
                            (torch.tensor([| 1e9; 0.0 |], dtype = torch.float32).reshape(1L, 2L))

                    Expect.equal solution.Reports[0].Outcome Converged $"{scheme.Name}: {solution.Reports[0]}"
        ]

/// A random contraction of [2, size] states whose fixed points are of the order of 1.
let private contraction (seed: int) =
    let random = Random seed
    let size = int64 (random.Next(1, 6))
    let matrix = normal random [ size; size ]
    let matrix = matrix / torch.linalg.svdvals(matrix).narrow(0, 0, 1) |> times 0.6
    let shift = normal random [ 2L; size ]

    let start =
        if seed % 2 = 0 then
            torch.zeros_like shift
        else
            normal random [ 2L; size ]

    let bent = seed % 3 = 0

    let map (z: torch.Tensor) (index: torch.Tensor) =
        let image = z.matmul (matrix.to_type z.dtype)

        (if bent then torch.tanh image else image)
        + shift.index_select(0, index).to_type z.dtype

    map, start

let private scaleTests =
    let course (solution: Solution) =
        [ for report in solution.Reports -> report.Outcome, report.Evaluations ]

    testList
        "scale invariance"
        [
            for dtype, exponents in
                [
                    torch.float32, [ -100; -66; -33; 33; 66; 100 ]
                    torch.float64, [ -1000; -500; -100; 100; 500; 1000 ]
                ] do
                testPropertyWithConfig
                    config
                    $"s f(z / s) is solved like f, in as many evaluations, for s from 2^{List.head exponents} to 2^{List.last exponents} in {dtype}"
                <| fun (seed: int) ->
                    use _ = torch.NewDisposeScope()
                    let map, start = contraction (abs (seed % 100000))
                    let start = start.to_type dtype

                    for scheme in schemes do
                        let solve (exponent: int) (absolute: bool) =
                            let s = 2.0 ** float exponent

                            Solve.runIndexed
                                { Solve.defaults with
                                    Scheme = scheme
                                    Tolerance =
                                        if absolute then
                                            Tolerance.absolute (1e-4 * s)
                                        else
                                            Tolerance.relative 1e-4
                                }
                                (fun z index -> map (times (1.0 / s) z) index |> times s)
                                (times s start)

                        for absolute in [ false; true ] do
                            let plain = solve 0 absolute
                            Expect.isTrue plain.Converged $"{scheme.Name}: {plain.Reports[0]}"

                            for exponent in exponents do
                                let scaled = solve exponent absolute
                                let name = $"{scheme.Name}, s = 2^{exponent}"
                                Expect.equal (course scaled) (course plain) name

                                for a, b in Array.zip scaled.Reports plain.Reports do
                                    Expect.floatClose
                                        Accuracy.medium
                                        (a.Residual / 2.0 ** float exponent)
                                        b.Residual
                                        $"{name}: residual"

                                let back = times (2.0 ** float -exponent) scaled.State

                                Expect.isTrue
                                    (back.equal(plain.State).all().ToBoolean())
                                    $"{name}: the state, bit for bit"

            testCase "states near the ends of half precision"
            <| fun () ->
                for dtype, sizes in [ torch.float16, [ 1e-2; 1.0; 2e4 ]; torch.bfloat16, [ 1e-30; 1.0; 1e30 ] ] do
                    for scheme in schemes do
                        let solve (s: float) =
                            use _ = torch.NewDisposeScope()
                            let s = 2.0 ** round (Math.Log2 s)

                            (solve
                                scheme
                                (Tolerance.relative 2e-2)
                                100
                                (fun z -> times 0.5 z + filled s dtype)
                                (filled 0.0 dtype))
                                .Reports[0]

                        let plain = solve 1.0

                        for s in sizes do
                            let report = solve s

                            Expect.equal
                                (report.Outcome, report.Evaluations)
                                (Converged, plain.Evaluations)
                                $"{dtype}, {s}, {scheme.Name}: {report}"

            testCase "norms of many components, large and small"
            <| fun () ->
                use _ = torch.NewDisposeScope()
                let count = 4_000_000L

                for dtype, value in
                    [
                        torch.float32, 1e20
                        torch.float32, 1e-30
                        torch.float64, 1e200
                        torch.float64, 1e-200
                    ] do
                    let state = torch.zeros ([| 1L; count |], dtype)
                    let image = (torch.ones_like state) |> times value
                    let measured = Tolerance.euclidean state image
                    let expected = value * sqrt (float count)

                    Expect.floatClose
                        Accuracy.medium
                        (measured.Absolute.ToDouble() / expected)
                        1.0
                        $"{value} in {dtype}"

                    Expect.floatClose Accuracy.medium (measured.Relative.ToDouble()) 1.0 "all of it has moved"

            testCase "NaN and infinity still show"
            <| fun () ->
                use _ = torch.NewDisposeScope()

                for value in [ nan; infinity; -infinity ] do
                    let state = torch.zeros ([| 1L; 2L |], torch.float32)
                    let image = torch.tensor([| value; 1.0 |], dtype = torch.float32).reshape(1L, 2L)
                    let measured = Tolerance.euclidean state image
                    Expect.isFalse (Double.IsFinite(measured.Absolute.ToDouble())) $"{value}"
        ]

[<Tests>]
let tests = testList "range" [ absorptionTests; fixedPointTests; scaleTests ]
