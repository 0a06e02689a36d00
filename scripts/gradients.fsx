// The gradients of deep-equilibrium models compared: how near each is to the exact one, and what it costs.
//
//   dotnet build src/DeqDet.Host
//   dotnet fsi scripts/gradients.fsx
//
// Change `norm` (how strongly the layer pulls) and run it again: the nearer the spectral radius comes to 1, the more terms count.
#I "../src/DeqDet.Host/bin/Debug/net10.0"
#r "TorchSharp.dll"
#r "DeqDet.Solver.dll"

open TorchSharp
open DeqDet.Solver

let samples, width, norm = 8L, 48L, 1.6
let generator = new torch.Generator(3UL, torch.CPU)

let normal (shape: int64 list) =
    torch.randn (Array.ofList shape, dtype = torch.float64, generator = generator)

let w =
    (normal [ width; width ] * (norm / sqrt (float width) / 2.0).ToScalar()).requires_grad_()

let injected = normal [ samples; width ]
let target = normal [ samples; width ]
let mutable applications = 0

// z = tanh(z W + x), and the loss |z* - target|^2 / 2
let some (z: torch.Tensor) (index: torch.Tensor) =
    torch.tanh (torch.mm (z, w) + injected.index_select (0, index))

let layer (z: torch.Tensor) =
    applications <- applications + 1
    torch.tanh (torch.mm (z, w) + injected)

let solved =
    Solve.runIndexed
        { Solve.defaults with
            Tolerance = Tolerance.relative 1e-12
            Steps = 500
        }
        some
        (torch.zeros_like injected)

let radius =
    Spectral.radius Spectral.defaults layer solved.State
    |> Array.map (fun report -> report.Radius)
    |> Array.max

printfn "solved: %b, spectral radius at the solution %.3f" solved.Converged radius

/// dL/dW, the applications of the layer in the forward pass, and what became of the adjoint equation.
let gradient (way: Gradient) =
    w.grad <- null
    applications <- 0
    let attached = way.Attach layer solved.State
    ((attached.State - target).square().sum() * (0.5).ToScalar()).backward()

    let adjoint =
        match attached.Adjoint with
        | Solved reports -> $"adjoint solved in %d{reports |> Array.map (fun r -> r.Evaluations) |> Array.max} products"
        | other -> $"{other}"

    w.grad.clone (), applications, adjoint

let exactly =
    { Gradient.adjointDefaults with
        Tolerance = Tolerance.relative 1e-12
        Steps = 500
    }

let exact, _, _ = gradient (Gradient.implicit exactly)

printfn "%-28s %9s %12s %13s" "gradient" "cosine" "rel. error" "applications"

for way in
    [
        Gradient.oneStep
        Gradient.unrolled 2
        Gradient.unrolled 5
        Gradient.unrolled 20
        Gradient.phantom 5 0.5
        Gradient.neumann 5
        Gradient.neumann 20
        Gradient.implicit Gradient.adjointDefaults
    ] do
    let found, used, adjoint = gradient way
    let cosine = ((found * exact).sum() / (found.norm () * exact.norm ())).ToDouble()
    let error = ((found - exact).norm() / exact.norm ()).ToDouble()
    printfn "%-28s %9.6f %12.2e %13d   %s" way.Name cosine error used adjoint
