/// Every scheme on every golden problem: outcomes, fixed points, and evaluations beside torchdeq's.
module DeqDet.Solver.Tests.GoldenSolveTests

open Expecto
open TorchSharp
open DeqDet.Solver
open DeqDet.Solver.Tests.Problems

/// What ends how: by scheme and problem, outcomes of the samples within 200 evaluations at 1e-6.
let private expected (scheme: string) (problem: Problem) : Outcome list =
    match problem.Name, scheme with
    | "nan_domain", _ -> [ Converged; NonFinite ]
    | "expansive_1.1", "picard" -> [ Diverged; Diverged ]
    | "expansive_1.1", "anderson 2" -> [ StepLimit; StepLimit ]
    | ("period2_affine" | "affine_sym_0.99" | "affine_nonnormal_0.99"), "picard" -> [ StepLimit; StepLimit ]
    | "period2_tanh", "picard" -> [ StepLimit; StepLimit; StepLimit ]
    | "batch_fast_slow", "picard" -> [ Converged; StepLimit ]
    | _ -> List.replicate problem.Batch Converged

/// |f(z) - z| / (|f(z)| + 1e-9) of sample `sample`, computed apart from the library.
let private residual (problem: Problem) (state: torch.Tensor) (sample: int) : float =
    let rows (tensor: torch.Tensor) =
        tensor[int64 sample].data<float>().ToArray()

    let z, image = rows state, rows (problem.Whole state)
    let size = Array.sumBy (fun x -> x * x) >> sqrt
    size (Array.map2 (-) image z) / (size image + 1e-9)

let private outcomeTests =
    testList
        "outcomes and fixed points"
        [
            for name, scheme, _ in twins do
                for problem in all do
                    testCase $"{name} on {problem.Name}"
                    <| fun () ->
                        use _ = torch.NewDisposeScope()
                        let solution = solve scheme 1e-6 problem

                        Expect.equal
                            [ for report in solution.Reports -> report.Outcome ]
                            (expected name problem)
                            "outcomes"

                        solution.Reports
                        |> Array.iteri (fun sample report ->
                            let measured = residual problem solution.State sample
                            Expect.isTrue (System.Double.IsFinite measured) "the returned state is finite"

                            Expect.floatClose
                                Accuracy.medium
                                report.RelativeResidual
                                measured
                                "the reported residual is the returned state's own"

                            if report.Outcome = Converged then
                                Expect.isLessThanOrEqual measured 1.0000001e-6 "converged means within tolerance")
        ]

/// The problems with one fixed point, solved tightly: the true one is found.
let private fixedPointTests =
    testList
        "true fixed points"
        [
            for name, scheme, _ in twins do
                for problem in all do
                    let several =
                        problem.Name.StartsWith "tanh_norm_1.4" || problem.Name.StartsWith "tanh_norm_2"

                    let solvable =
                        name = "broyden"
                        || name = "anderson 4"
                        || problem.Name.Contains "sym"
                        || problem.Name.Contains "nonnormal"
                        || problem.Name.StartsWith "tanh_norm_0"

                    if solvable && not several then
                        testCase $"{name} on {problem.Name}"
                        <| fun () ->
                            use _ = torch.NewDisposeScope()

                            let solution =
                                Solve.runIndexed
                                    { Solve.defaults with
                                        Scheme = scheme
                                        Steps = 3000
                                        Tolerance = Tolerance.relative 1e-11
                                    }
                                    problem.Map
                                    problem.Start

                            solution.Reports
                            |> Array.iteri (fun sample report ->
                                if problem.Name <> "nan_domain" || sample = 0 then
                                    let row = int64 sample
                                    Expect.equal report.Outcome Converged $"sample {sample}"
                                    let truth = problem.Tensors["zstar"][row]

                                    let distance =
                                        (solution.State[row] - truth).norm().item<float>() / truth.norm().item<float>()

                                    Expect.isLessThan distance 1e-7 $"sample {sample}: distance to the fixed point")
        ]

let private countTests =
    testList
        "evaluations beside torchdeq's"
        [
            for name, scheme, theirs in twins do
                for problem in all do
                    testCase $"{name} on {problem.Name}"
                    <| fun () ->
                        for tolerance in tolerances do
                            use _ = torch.NewDisposeScope()
                            let ours = solve scheme (float tolerance) problem |> counts

                            for solver in theirs do
                                let published = published problem solver tolerance

                                if name = "picard" then
                                    Expect.equal ours published $"{tolerance}: plain iteration leaves no choice"

                                // The slowest sample counts. One more of fewer than 10 is more than 10 %: not granted.
                                match worst ours, worst published with
                                | Some ours, Some published ->
                                    Expect.isLessThanOrEqual
                                        (10 * ours)
                                        (11 * published)
                                        $"{tolerance}: {ours} evaluations against {published} of {solver}, times 10 and 11"
                                | None, Some published ->
                                    failtest $"{tolerance}: {solver} needs {published}, {name} more than 200"
                                | _ -> ()
        ]

/// Where torchdeq's default regularisation makes Anderson slower than plain iteration.
let private stallTests =
    testList
        "regularisation relative to the residuals does not stall"
        [
            for name, scheme, solver in
                [
                    "anderson 2", Anderson.scheme { Anderson.defaults with Window = 2 }, "anderson_m3"
                    "anderson 4", Anderson.scheme { Anderson.defaults with Window = 4 }, "anderson_m5"
                ] do
                for problem in all do
                    for tolerance in tolerances do
                        let plain = published problem "fixed_point_iter" tolerance |> worst
                        let theirs = published problem solver tolerance |> worst

                        match plain, theirs with
                        | Some plain, _ when theirs.IsNone || theirs.Value > plain ->
                            testCase $"{name} on {problem.Name} to {tolerance}"
                            <| fun () ->
                                use _ = torch.NewDisposeScope()
                                let ours = solve scheme (float tolerance) problem |> counts |> worst

                                Expect.isSome ours "solved"

                                Expect.isLessThanOrEqual
                                    (float ours.Value)
                                    (0.8 * float (defaultArg theirs 200))
                                    "clearly fewer evaluations"

                                Expect.isLessThanOrEqual ours.Value plain "and no more than plain iteration"
                        | _ -> ()
        ]

/// 32 bits cost accuracy, not convergence, and few evaluations (Broyden amplifies rounding on the non-normal maps).
let private singleTests =
    testList
        "in 32 bits"
        [
            for name, scheme in
                [
                    "anderson 5", Anderson.scheme Anderson.defaults
                    "broyden", Broyden.scheme Broyden.defaults
                ] do
                for problem in all do
                    if problem.Name <> "nan_domain" then
                        testCase $"{name} on {problem.Name}"
                        <| fun () ->
                            use _ = torch.NewDisposeScope()
                            let double = solve scheme 1e-5 problem |> counts |> worst
                            let single = inSingle problem |> solve scheme 1e-5
                            Expect.equal single.State.dtype torch.float32 "the type stays"
                            let needed = single |> counts |> worst
                            Expect.isSome needed $"{single.Reports[0]}"

                            Expect.isLessThanOrEqual
                                (float needed.Value)
                                (1.6 * float double.Value + 2.0)
                                $"evaluations, {double} in 64 bits"
        ]

[<Tests>]
let tests =
    testList "golden problems" [ outcomeTests; fixedPointTests; countTests; stallTests; singleTests ]
