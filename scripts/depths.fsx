// What a trained detector is worth at other depths than its own, with early exit, and how well its queries come to rest: a row a model.
//
//   dotnet build src/DeqDet.Host
//   dotnet fsi scripts/depths.fsx WORK... [--data DIR] [--threads N]
//
// AP of the whole validation set after 5, 10, 21, 40 and 60 applications of the refinement head, and at the model's own depth with tolerances;
// then of the first 16 images: the middle residual after as many applications, the share of queries that settle within 60 applications at a
// tolerance of 0.05, and the middle spectral radius of the head's Jacobian after 60 (of the first 4). One JSON line a model; `results.fsx depths` keeps them.
#load "lib/detector.fsx"

open System
open System.Text.Json
open System.Threading
open TorchSharp
open DeqDet
open DeqDet.Model
open DeqDet.Settings
open DeqDet.Detection

let rec options (arguments: string list) (works, data, threads) =
    match arguments with
    | "--data" :: folder :: rest -> options rest (works, Some folder, threads)
    | "--threads" :: count :: rest -> options rest (works, data, Some(int count))
    | work :: rest -> options rest (work :: works, data, threads)
    | [] -> List.rev works, data, threads

let works, data, threads =
    options (List.ofArray fsi.CommandLineArgs |> List.tail) ([], None, None)

threads |> Option.iter torch.set_num_threads

/// AP with a solver, mean applications of the head to a query.
let evaluated (model: TrainedModel) (settings: Settings) (solver: SolverSettings) =
    let changed =
        model
        |> TrainedModel.withDetectorSettings (fun detector -> { detector with Solver = solver })

    use session = DetectorSession.Over(changed, torch.CPU)
    let validation = Validation.Of(settings, model.Classes)
    let updates = ResizeArray<float>()

    let result = validation.Run(session, null, CancellationToken.None)

    for queries in result.Refinements.Images do
        updates.Add(queries |> Array.averageBy (fun query -> float query.Evaluations))

    result.Evaluation.Value["AP"], Seq.average updates

let depths = [ 5; 10; 21; 40; 60 ]

let row (work: string) =
    let model = TrainedModel.load work torch.CPU

    let settings =
        match data with
        | Some folder -> Settings.withDataRoot folder model.Settings
        | None -> model.Settings

    let own = model.Settings.Detector.Solver.Steps
    let plain steps = SolverSettings.ofSteps steps

    let byDepth =
        [
            for depth in depths -> depth, fst (evaluated model settings (plain (depth - 1)))
        ]

    let byTolerance =
        [
            for tolerance in [ 0.2; 0.1; 0.05 ] ->
                let ap, applications =
                    evaluated
                        model
                        settings
                        { plain own with
                            Tolerance = Some tolerance
                        }

                tolerance, ap, applications
        ]

    let experiment =
        Detector.experiment (work :: Option.toList data @ (if data.IsSome then [ "16" ] else []))

    let ready = Convergence.prepare experiment.Detector experiment.Batch

    let paths, _ =
        Convergence.follow
            (List.head (Convergence.schemes experiment.Detector))
            (List.max depths)
            CancellationToken.None
            experiment.Detector
            ready

    let residual depth =
        paths
        |> Seq.collect (fun path -> path.Residual[depth - 1])
        |> Seq.filter Double.IsFinite
        |> Quantile.median

    let settled =
        let queries =
            paths |> Seq.collect (fun path -> Array.transpose path.Residual) |> Array.ofSeq

        let rests (query: float[]) =
            query |> Array.exists (fun r -> r <= 0.05)

        float (queries |> Array.filter rests |> Array.length) / float queries.Length

    // those that stay within the tolerance from some application on, which is more than having been there once
    let resting =
        let last =
            paths |> Seq.collect (fun path -> Array.last path.Residual) |> Array.ofSeq

        float (last |> Array.filter (fun r -> r <= 0.05) |> Array.length)
        / float last.Length

    let few =
        { experiment.Batch with
            Images = experiment.Batch.Images.narrow (0L, 0L, min 4L (experiment.Batch.Images.size 0))
            Sizes = List.truncate 4 experiment.Batch.Sizes
        }

    let ready = Convergence.prepare experiment.Detector few

    let _, state =
        Convergence.follow
            (List.head (Convergence.schemes experiment.Detector))
            (List.max depths)
            CancellationToken.None
            experiment.Detector
            ready

    let radii =
        Convergence.spectrum
            { DeqDet.Solver.Spectral.defaults with
                Steps = 150
                Tolerance = 1e-2
            }
            experiment.Detector
            ready
            state
        |> Array.map _.Radius

    let line =
        {|
            work = IO.Path.GetFileName(work.TrimEnd '/')
            steps = own
            ap = [| for depth, ap in byDepth -> {| applications = depth; ap = ap |} |]
            tolerance =
                [|
                    for tolerance, ap, applications in byTolerance ->
                        {|
                            tolerance = tolerance
                            ap = ap
                            applications = applications
                        |}
                |]
            residual =
                [|
                    for depth in depths ->
                        {|
                            applications = depth
                            median = residual depth
                        |}
                |]
            settled = settled
            resting = resting
            radius = Quantile.median radii
        |}

    TrainedModel.dispose model
    printfn "%s" (JsonSerializer.Serialize line)

for work in works do
    use _ = torch.NewDisposeScope()
    row work
