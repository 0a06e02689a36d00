// An equilibrium layer of one's own, solved and trained: z = tanh(W z + U x) learns which of two interleaved moons a point belongs to.
// The backward pass is the adjoint fixed point, so no step of the solve is kept in memory.
//
//   dotnet build src/DeqDet.Host
//   dotnet fsi samples/FixedPoint/learn.fsx
#I "../../src/DeqDet.Host/bin/Debug/net10.0"
#r "TorchSharp.dll"
#r "DeqDet.Solver.dll"

open TorchSharp
open DeqDet.Solver

let points, width = 200L, 24L
let generator = new torch.Generator(1UL, torch.CPU)

let normal (shape: int64 list) (scale: float) =
    torch.nn.Parameter(torch.randn (Array.ofList shape, generator = generator) * scale.ToScalar())

// two half circles, the second one turned over and moved into the first
let angle =
    torch.rand ([| points; 1L |], generator = generator) * System.Math.PI.ToScalar()

let label =
    (torch.arange(points).unsqueeze 1L % (2).ToScalar()).``to`` torch.float32

let turned = (1.0).ToScalar() - (2.0).ToScalar() * label

let x =
    torch.cat (
        [|
            torch.cos angle * turned + label
            torch.sin angle * turned + label * (0.4).ToScalar()
        |],
        1L
    )
    + (torch.randn ([| points; 2L |], generator = generator) * (0.08).ToScalar())

let w, u, b, readout =
    normal [ width; width ] 0.1, normal [ 2L; width ] 1.0, normal [ width ] 0.5, normal [ width; 1L ] 0.2

let optimiser = torch.optim.Adam([| w; u; b; readout |], lr = 0.02)
let implicit = Gradient.implicit Gradient.adjointDefaults

let options =
    { Solve.defaults with
        Scheme = Anderson.scheme Anderson.defaults
        Steps = 100
        Tolerance = Tolerance.relative 1e-5
    }

for epoch in 1..60 do
    use _ = torch.NewDisposeScope()
    let injected = torch.mm (x, u) + b
    let layer (z: torch.Tensor) = torch.tanh (torch.mm (z, w) + injected)

    let some (z: torch.Tensor) (index: torch.Tensor) =
        torch.tanh (torch.mm (z, w) + injected.index_select (0L, index))

    let solution = Solve.runIndexed options some (torch.zeros_like injected)
    let state = (implicit.Attach layer solution.State).State
    let logits = torch.mm (state, readout)

    let loss = torch.nn.functional.binary_cross_entropy_with_logits (logits, label)

    optimiser.zero_grad ()
    loss.backward ()
    optimiser.step () |> ignore

    if epoch % 10 = 0 then
        let right =
            logits.gt((0).ToScalar()).eq(label.gt ((0.5).ToScalar())).``to``(torch.float32).mean().item<float32>()

        let evaluations =
            solution.Reports |> Array.map (fun report -> report.Evaluations) |> Array.max

        printfn $"epoch {epoch}: loss {loss.item<float32>():F3}, {right:P0} right, solved in {evaluations} evaluations"
