// A deep-equilibrium layer of ten lines, solved with every scheme.
//
//   dotnet build src/DeqDet.Host
//   dotnet fsi scripts/fixed-points.fsx
//
// Change the map or the options and run it again.
#I "../src/DeqDet.Host/bin/Debug/net10.0"
#r "TorchSharp.dll"
#r "DeqDet.Solver.dll"

open TorchSharp
open DeqDet.Solver

let samples, width = 4L, 32L
let generator = new torch.Generator(7UL, torch.CPU)

let normal (shape: int64 list) =
    torch.randn (Array.ofList shape, dtype = torch.float64, generator = generator)

// z = tanh(z W + x U): the norm of W decides how fast plain iteration converges
let w = normal [ width; width ] * (1.2 / sqrt (float width)).ToScalar()
let injected = torch.mm (normal [ samples; 8L ], normal [ 8L; width ])

let layer (z: torch.Tensor) (index: torch.Tensor) =
    torch.tanh (torch.mm (z, w) + injected.index_select (0L, index))

let schemes =
    [
        "Picard", Picard.scheme Picard.defaults
        "Anderson", Anderson.scheme Anderson.defaults
        "Broyden", Broyden.scheme Broyden.defaults
    ]

let start = torch.zeros_like injected

for name, scheme in schemes do
    let options =
        { Solve.defaults with
            Scheme = scheme
            Steps = 200
            Tolerance = Tolerance.relative 1e-9
        }

    let solution = Solve.runIndexed options layer start

    for report in solution.Reports do
        printfn
            $"{name, -9} {report.Outcome}: {report.Evaluations, 3} evaluations, residual {report.RelativeResidual:e1}, rate {report.ContractionRate:f2}"

        if report.Outcome <> Converged then
            printfn $"          {report.Outcome.Sentence}"
