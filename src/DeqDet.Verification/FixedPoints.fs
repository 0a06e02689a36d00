/// Fixed-point problems with known solutions: the solvers and gradients of DeqDet.Solver on small maps.
module DeqDet.Verification.FixedPoints

open System
open System.Text.Json
open TorchSharp
open DeqDet
open DeqDet.Model
open DeqDet.Solver

/// A map with its tensors on the device that is verified.
type private Problem =
    {
        File: GoldenFile
        Map: BatchMap
        Start: Tensor
        Solution: Tensor
        /// Evaluations that the reference library's solver needed for a relative residual, by sample; -1: more than `Limit`.
        Published: string -> string -> int[]
        /// Relative residuals for which such counts are published of a solver.
        Tolerances: string -> string list
        Limit: int
    }

let private affine (file: GoldenFile) (state: Tensor) (index: Tensor) =
    let find name = GoldenFile.find name file
    let matrix, shift = find "def.A", (find "def.b").index_select(0L, index)

    if matrix.dim () = 2L then
        torch.mm (state, matrix.t ()) .+ shift
    else
        torch.bmm(matrix.index_select (0L, index), state.unsqueeze 2L).squeeze 2L
        .+ shift

let private hyperbolic find (state: Tensor) (index: Tensor) =
    let inputs: Tensor = (find "x": Tensor).index_select(0L, index)

    (torch.mm (state, (find "W": Tensor).t())
     .+ torch.mm (inputs, (find "U": Tensor).t())
     .+ find "bias")
        .tanh()

let private mapOf json (kind: string) (file: GoldenFile) : BatchMap =
    match kind with
    | "affine" -> affine file
    | "tanh" -> hyperbolic (fun name -> GoldenFile.find $"def.{name}" file)
    | "affine_domain" ->
        fun state index ->
            let threshold = (GoldenFile.find "def.threshold" file).index_select(0L, index)
            let outside = state.select(1L, 0L).gt(threshold)
            (affine file state index).masked_fill(outside.unsqueeze 1L, scalar nan)
    | other -> raise (InputError $"{json}: no map of kind '{other}' is known")

/// Whether a JSON file describes a fixed-point problem.
let describes (json: JsonElement) =
    let has (name: string) = fst (json.TryGetProperty name)
    json.ValueKind = JsonValueKind.Object && has "kind" && has "solvers"

let private read (json: string) (description: JsonElement) (file: GoldenFile) : Problem =
    let section name = GoldenJson.section json name

    let evaluations solver =
        description |> section "solvers" |> section solver |> section "evaluations"

    let published solver tolerance =
        let samples = evaluations solver |> section tolerance |> section "per_sample"

        [|
            for count in samples.EnumerateArray() ->
                if count.ValueKind = JsonValueKind.Number then
                    count.GetInt32()
                else
                    -1
        |]

    {
        File = file
        Map = mapOf json ((GoldenJson.section json "kind" description).GetString()) file
        Start = GoldenFile.find "x0" file
        Solution = GoldenFile.find "zstar" file
        Published = published
        Tolerances = fun solver -> [ for entry in (evaluations solver).EnumerateObject() -> entry.Name ]
        Limit = GoldenJson.integer json "max_evaluations" description
    }

let private whole (problem: Problem) (state: Tensor) =
    problem.Map state (torch.tensor ([| 0L .. state.size 0 - 1L |], device = state.device))

let private solve (problem: Problem) scheme tolerance steps =
    Solve.runIndexed
        { Solve.defaults with
            Scheme = scheme
            Steps = steps
            Divergence = Double.MaxValue
            Tolerance = Tolerance.relative tolerance
        }
        problem.Map
        problem.Start

/// Plain iteration leaves no choice: as many evaluations as the reference needed, sample by sample.
let private counts (problem: Problem) =
    [
        for tolerance in problem.Tolerances "fixed_point_iter" do
            let published = problem.Published "fixed_point_iter" tolerance

            let solution =
                solve problem (Picard.scheme Picard.defaults) (float tolerance) problem.Limit

            let wrong =
                Array.zip published solution.Reports
                |> Array.filter (fun (published, report) ->
                    published
                    <> (if report.Outcome = Converged then
                            report.Evaluations
                        else
                            -1))

            Check.known Count 0.0 problem.File.Name $"evaluations.fixed_point_iter.{tolerance}" (float wrong.Length)
    ]

/// Whoever is solved by the reference is solved here: residuals of the states that come back, measured apart from the solver.
let private residuals (problem: Problem) =
    let tolerance = 1e-6

    [
        for name, scheme in
            [
                "broyden", Broyden.scheme Broyden.defaults
                "anderson_m5_lam1e-22", Anderson.scheme Anderson.defaults
            ] do
            let solution = solve problem scheme tolerance problem.Limit
            let image = whole problem solution.State

            let relative =
                (image - solution.State).norm(1, false, 2.0f)
                / (image.norm (1, false, 2.0f) + scalar 1e-9)

            let solvable = problem.Published name "1e-06"

            let worst =
                Array.zip solvable (GoldenFile.floats relative)
                |> Array.fold (fun worst (count, error) -> if count < 0 then worst else max worst error) 0.0

            Check.known Absolute (tolerance * (1.0 + 1e-6)) problem.File.Name $"residual.{name}" worst
    ]

let private radius (problem: Problem) =
    let name = "spectral_radius_at_zstar"
    let expected = GoldenFile.floats (GoldenFile.find name problem.File)

    let reports =
        Spectral.radius
            { Spectral.defaults with
                Steps = 5000
                Tolerance = 1e-7
            }
            (whole problem)
            problem.Solution

    // where a map is not defined at its solution it has no radius
    let defined =
        [|
            for flag in GoldenFile.integers ((whole problem problem.Solution).isfinite().all 1L) -> flag <> 0L
        |]

    let error =
        Array.zip3 expected reports defined
        |> Array.fold
            (fun worst (expected, report, defined) ->
                if defined then
                    max worst (abs (report.Radius - expected) / expected)
                else
                    worst)
            0.0

    Check.known Relative 1e-5 problem.File.Name name error

let private parameters = [ "W"; "U"; "bias"; "x" ]

/// Gradients of the file's loss at the true solution, through the given way.
let private gradients (problem: Problem) kind accepted (gradient: Gradient) =
    let leaves =
        Map
            [
                for name in parameters -> name, (GoldenFile.find $"def.{name}" problem.File).clone().requires_grad_ true
            ]

    let map (state: Tensor) =
        hyperbolic
            (fun name -> leaves[name])
            state
            (torch.tensor ([| 0L .. state.size 0 - 1L |], device = state.device))

    let attached = gradient.Attach map problem.Solution
    (attached.State * GoldenFile.find "loss.c" problem.File).sum().backward()

    [
        for name in parameters do
            let tensor = $"grad.{kind}.{name}"

            Check.ofScale accepted problem.File.Name tensor (GoldenFile.find tensor problem.File) leaves[name].grad
    ]

let private allGradients (problem: Problem) =
    let exact =
        Gradient.implicit
            { Gradient.adjointDefaults with
                Scheme = Broyden.scheme Broyden.defaults
                Steps = 500
                Tolerance = Tolerance.relative 1e-11
            }

    let unrolled =
        [ 1..100 ]
        |> List.filter (fun k -> GoldenFile.has $"grad.unroll{k}.W" problem.File)
        |> List.collect (fun k -> gradients problem $"unroll{k}" 1e-10 (Gradient.unrolled k))

    gradients problem "exact" 1e-8 exact @ unrolled

/// Checks of a fixed-point problem: `json` describes it, the file of the same name holds its numbers.
let check (json: string) (description: JsonElement) (file: GoldenFile) : Check list =
    let problem = read json description file
    let image = whole problem problem.Solution
    let defined = image.isfinite ()

    let solution =
        torch.where (defined, image, problem.Solution)
        |> Check.ofScale 1e-12 file.Name "zstar" problem.Solution

    [
        solution
        radius problem
        yield! counts problem
        yield! residuals problem
        if GoldenFile.has "loss.c" file then
            yield! allGradients problem
    ]
