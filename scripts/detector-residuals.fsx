// How the residuals of a detector's queries fall, step by step, and what early exit makes of it.
//
//   dotnet build src/DeqDet.Host
//   dotnet fsi scripts/detector-residuals.fsx [CHECKPOINT [DATA [IMAGES]]]
//
// Change the solvers or the tolerances and run it again.
#load "lib/detector.fsx"

open System
open TorchSharp
open DeqDet.Solver
open DeqDet.Model


let experiment = Detector.experiment (List.ofArray fsi.CommandLineArgs |> List.tail)

let detector, settings = experiment.Detector, experiment.Detector.Settings
let heads = detector.Weights.Decoder.Heads
let noGradients = torch.no_grad ()
let pyramid = DeqDet.Model.Detector.pyramid None detector experiment.Batch.Images

let first =
    DeqDet.Model.Detector.start detector experiment.Batch
    |> Refinement.apply heads[0] pyramid

let solver =
    { settings.Solver with
        Steps = 60
        Tolerance = None
    }

let quantile (part: float) (numbers: float[]) =
    let sorted = numbers |> Array.filter Double.IsFinite |> Array.sort

    if sorted.Length = 0 then
        nan
    else
        sorted[int (part * float (sorted.Length - 1))]

printfn "%-16s %4s %9s %9s %9s" "solver" "step" "10 %" "median" "90 %"

for name, scheme in [ "picard", PicardScheme; "anderson", AndersonScheme; "broyden", BroydenScheme ] do
    let options =
        { Equilibrium.options { solver with Scheme = scheme } Effort.Unhurried with
            Trace = true
        }

    let _, solution = Equilibrium.iterate options heads[1] pyramid first

    for row in solution.Trace do
        if List.contains row.Evaluation [ 1; 2; 3; 5; 10; 20; 30; 60 ] then
            let at part = quantile part row.Relative
            printfn "%-16s %4d %9.1e %9.1e %9.1e" name row.Evaluation (at 0.1) (at 0.5) (at 0.9)

printfn ""
printfn "%-10s %20s %9s" "tolerance" "applications a query" "settled"

for tolerance in [ 0.2; 0.1; 0.05; 0.02; 0.01 ] do
    let options =
        Equilibrium.options
            { solver with
                Tolerance = Some tolerance
            }
            Effort.Unhurried

    let _, solution = Equilibrium.iterate options heads[1] pyramid first

    let mean measure =
        Array.averageBy measure solution.Reports

    let settled (report: Report) =
        if report.Outcome = Converged then 1.0 else 0.0

    printfn "%-10g %20.1f %8.1f%%" tolerance (mean (fun report -> float report.Evaluations)) (100.0 * mean settled)
