/// The golden fixed-point problems as maps, and what the library torchdeq needed on them.
module DeqDet.Solver.Tests.Problems

open System.IO
open System.Text.Json
open TorchSharp
open DeqDet.Solver

/// A golden problem; see tests/golden/solver/README.md.
type Problem =
    {
        Name: string
        Map: BatchMap
        Tensors: Map<string, torch.Tensor>
        Notes: JsonElement
    }

    member this.Start = this.Tensors["x0"]
    member this.Batch = int this.Start.shape[0]

    /// The map of the whole batch.
    member this.Whole(state: torch.Tensor) =
        this.Map state (torch.arange (int64 this.Batch))

let private affine (tensors: Map<string, torch.Tensor>) (state: torch.Tensor) (index: torch.Tensor) =
    let matrix, shift = tensors["def.A"], tensors["def.b"].index_select(0, index)

    if matrix.dim () = 2L then
        torch.mm (state, matrix.t ()) + shift
    else
        torch.bmm(matrix.index_select (0, index), state.unsqueeze 2).squeeze 2 + shift

let private mapOf (kind: string) (tensors: Map<string, torch.Tensor>) : BatchMap =
    match kind with
    | "affine" -> affine tensors
    | "tanh" ->
        fun state index ->
            torch.tanh (
                torch.mm (state, tensors["def.W"].t())
                + torch.mm (tensors["def.x"].index_select(0, index), tensors["def.U"].t())
                + tensors["def.bias"]
            )
    | "affine_domain" ->
        fun state index ->
            let outside = state.select(1, 0).gt(tensors["def.threshold"].index_select(0, index))

            (affine tensors state index).masked_fill(outside.unsqueeze 1, nan.ToScalar())
    | other -> failwith $"no golden problem of kind {other} is known"

/// All golden problems by name.
let all: Problem list =
    [
        for path in Directory.GetFiles(Golden.folder "solver", "*.json") |> Array.sort do
            let tensors = Golden.load (Path.ChangeExtension(path, ".safetensors"))
            use document = JsonDocument.Parse(File.ReadAllText path)
            let notes = document.RootElement.Clone()

            {
                Name = Path.GetFileNameWithoutExtension path
                Map = mapOf (notes.GetProperty("kind").GetString()) tensors
                Tensors = tensors
                Notes = notes
            }
    ]

/// The same problem in 32 bits.
let inSingle (problem: Problem) : Problem =
    let tensors =
        problem.Tensors |> Map.map (fun _ tensor -> tensor.to_type torch.float32)

    { problem with
        Map = mapOf (problem.Notes.GetProperty("kind").GetString()) tensors
        Tensors = tensors
    }

let named (name: string) : Problem =
    all |> List.find (fun problem -> problem.Name = name)

/// The tolerances with counts, as the files write them.
let tolerances = [ "1e-03"; "1e-06"; "1e-09" ]

/// Evaluations that torchdeq's solver needed, sample by sample; None: more than 200.
let published (problem: Problem) (solver: string) (tolerance: string) : int option[] =
    [|
        for value in
            problem.Notes
                .GetProperty("solvers")
                .GetProperty(solver)
                .GetProperty("evaluations")
                .GetProperty(tolerance)
                .GetProperty("per_sample")
                .EnumerateArray() ->
            if value.ValueKind = JsonValueKind.Null then
                None
            else
                Some(value.GetInt32())
    |]

/// The worst sample's count; None where one has none.
let worst (counts: int option[]) : int option =
    if Array.forall Option.isSome counts then
        Some(counts |> Array.map Option.get |> Array.max)
    else
        None

/// Solves a golden problem from its start within the 200 evaluations that the golden counts allow.
let solve (scheme: Scheme) (tolerance: float) (problem: Problem) : Solution =
    Solve.runIndexed
        { Solve.defaults with
            Scheme = scheme
            Steps = 200
            Tolerance = Tolerance.relative tolerance
        }
        problem.Map
        problem.Start

/// Evaluations of each sample that converged.
let counts (solution: Solution) : int option[] =
    solution.Reports
    |> Array.map (fun report ->
        if report.Outcome = Converged then
            Some report.Evaluations
        else
            None)

/// The schemes beside torchdeq's of the same memory. Our window counts the evaluations mixed with the newest one, torchdeq's
/// counts the newest one too.
let twins: (string * Scheme * string list) list =
    let anderson window =
        Anderson.scheme
            { Anderson.defaults with
                Window = window
            }

    [
        "picard", Picard.scheme Picard.defaults, [ "fixed_point_iter" ]
        "anderson 2", anderson 2, [ "anderson_m3" ]
        "anderson 4", anderson 4, [ "anderson_m5"; "anderson_m5_lam1e-12"; "anderson_m5_lam1e-22" ]
        "broyden", Broyden.scheme Broyden.defaults, [ "broyden" ]
    ]
