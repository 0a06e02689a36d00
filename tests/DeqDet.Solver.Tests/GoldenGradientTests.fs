/// Gradients and spectral radii against the golden ones.
module DeqDet.Solver.Tests.GoldenGradientTests

open Expecto
open TorchSharp
open DeqDet.Solver
open DeqDet.Solver.Tests.Problems

let private leaves = [ "W"; "U"; "bias"; "x" ]

let private tanhProblems =
    all |> List.filter (fun problem -> problem.Tensors.ContainsKey "loss.c")

/// |a - b| / |b|.
let private difference (a: torch.Tensor) (b: torch.Tensor) : float =
    (a - b).norm().item<float>() / b.norm().item<float>()

/// Gradients of the golden loss by W, U, bias and x through `gradient` at `state`, and how the adjoint went.
let private gradients (problem: Problem) (gradient: Gradient) (state: torch.Tensor) =
    let leaf =
        Map.ofList
            [
                for name in leaves -> name, problem.Tensors[$"def.{name}"].detach().clone().requires_grad_()
            ]

    let map (z: torch.Tensor) =
        torch.tanh (torch.mm (z, leaf["W"].t()) + torch.mm (leaf["x"], leaf["U"].t()) + leaf["bias"])

    let attached = gradient.Attach map state
    (attached.State * problem.Tensors["loss.c"]).sum().backward()
    leaf |> Map.map (fun _ leaf -> leaf.grad), attached.Adjoint

let private compare (problem: Problem) (kind: string) (bound: float) (found: Map<string, torch.Tensor>) =
    for name in leaves do
        Expect.isLessThan
            (difference found[name] problem.Tensors[$"grad.{kind}.{name}"])
            bound
            $"gradient by {name}, relative"

let private explicitTests =
    testList
        "unrolled and Neumann"
        [
            for problem in tanhProblems do
                for k in [ 1; 2; 3; 5; 10 ] do
                    testCase $"{problem.Name}, k = {k}"
                    <| fun () ->
                        for gradient in
                            [
                                Gradient.unrolled k
                                Gradient.neumann k
                                Gradient.phantom k 1.0
                                if k = 1 then
                                    Gradient.oneStep
                            ] do
                            use _ = torch.NewDisposeScope()
                            let found, adjoint = gradients problem gradient problem.Tensors["zstar"]
                            compare problem $"unroll{k}" 1e-10 found
                            Expect.isTrue adjoint.IsNotNeeded "no adjoint problem is solved"
        ]

let private adjointSchemes =
    [
        "anderson", Anderson.scheme { Anderson.defaults with Window = 8 }
        "broyden", Broyden.scheme Broyden.defaults
    ]

let private implicitTests =
    testList
        "implicit"
        [
            for problem in tanhProblems do
                for name, scheme in adjointSchemes do
                    testCase $"{problem.Name}, {name}"
                    <| fun () ->
                        use _ = torch.NewDisposeScope()

                        let gradient =
                            Gradient.implicit
                                { Gradient.adjointDefaults with
                                    Scheme = scheme
                                    Steps = 500
                                    Tolerance = Tolerance.relative 1e-11
                                }

                        let found, adjoint = gradients problem gradient problem.Tensors["zstar"]
                        compare problem "exact" 1e-8 found

                        match adjoint with
                        | Solved reports ->
                            for report in reports do
                                Expect.equal report.Outcome Converged "the adjoint is solved"
                                Expect.isLessThanOrEqual report.RelativeResidual 1e-11 "within its tolerance"
                        | other -> failtest $"the adjoint was {other}"

            testCase "from a state of our own"
            <| fun () ->
                use _ = torch.NewDisposeScope()
                let problem = named "tanh_norm_0.95"
                let solution = solve (Broyden.scheme Broyden.defaults) 1e-13 problem

                let gradient =
                    Gradient.implicit
                        { Gradient.adjointDefaults with
                            Tolerance = Tolerance.relative 1e-11
                            Steps = 500
                        }

                gradients problem gradient solution.State |> fst |> compare problem "exact" 1e-8
        ]

let private spectralTests =
    testList
        "spectral radius"
        [
            for problem in all do
                testCase problem.Name
                <| fun () ->
                    use _ = torch.NewDisposeScope()

                    let reports =
                        Spectral.radius
                            { Spectral.defaults with
                                Steps = 5000
                                Tolerance = 1e-7
                            }
                            problem.Whole
                            problem.Tensors["zstar"]

                    let truth = problem.Tensors["spectral_radius_at_zstar"].data<float>().ToArray()
                    // The other sample's fixed point lies where its map is NaN.
                    let known, truth =
                        if problem.Name = "nan_domain" then
                            Expect.isTrue (System.Double.IsNaN reports[1].Radius) "no radius where there is no map"
                            Expect.isFalse reports[1].Converged "nor convergence"
                            reports[..0], truth[..0]
                        else
                            reports, truth

                    Array.iter2
                        (fun report truth ->
                            Expect.isTrue report.Converged $"{report}"

                            Expect.isLessThan (abs (report.Radius - truth) / truth) 1e-6 $"{report}, truth {truth}")
                        known
                        truth

            testCase "says so when it is not done"
            <| fun () ->
                use _ = torch.NewDisposeScope()
                let problem = named "tanh_norm_0.95"

                for report in
                    Spectral.radius
                        { Spectral.defaults with
                            Steps = 3
                            Tolerance = 1e-9
                        }
                        problem.Whole
                        problem.Tensors["zstar"] do
                    Expect.isFalse report.Converged "three products are not enough"
                    Expect.equal report.Steps 3 "products"
                    Expect.isGreaterThan report.Residual 1e-9 "residual"

            testCase "of a constant map is 0"
            <| fun () ->
                use _ = torch.NewDisposeScope()
                let point = torch.ones ([| 3L; 4L |], torch.float64)

                for report in
                    Spectral.radius Spectral.defaults (fun _ -> torch.ones ([| 3L; 4L |], torch.float64)) point do
                    Expect.equal report.Radius 0.0 "radius"
                    Expect.isTrue report.Converged "converged"
        ]

[<Tests>]
let tests =
    testList "golden gradients" [ explicitTests; implicitTests; spectralTests ]
