// How long a detector takes here and as an ONNX file in ONNX Runtime, by turns in one process: a row of docs/onnx.md for each file.
//
//   dotnet build src/DeqDet.Host -p:OnnxRuntime=yes
//   dotnet fsi scripts/onnx-times.fsx CHECKPOINT DATA IMAGES THREADS FILE.onnx...
//
// The files are what `export CHECKPOINT FILE.onnx` wrote. A batch of so many validation images of DATA is computed by both, from normalised pixels to
// detections, with the iteration that the file says; the order within a pair changes each time. Median milliseconds of 15 pairs, and median of the ratios
// (more than 1 where DeqDet is faster) with quartiles.
#load "lib/detector.fsx"
#r "Microsoft.ML.OnnxRuntime.dll"
#r "DeqDet.Export.dll"
#r "DeqDet.Verification.dll"

open System
open System.Diagnostics
open System.IO
open TorchSharp
open DeqDet.Export
open DeqDet.Model
open DeqDet.Verification

match List.ofArray fsi.CommandLineArgs |> List.tail with
| checkpoint :: data :: images :: threads :: (_ :: _ as files) ->
    let threads = int threads
    torch.set_num_threads threads
    // ONNX Runtime's own library, beside the program
    if isNull (Environment.GetEnvironmentVariable OnnxLibrary.variable) then
        let program =
            Path.Combine(__SOURCE_DIRECTORY__, "../src/DeqDet.Host/bin/Debug/net10.0")

        Environment.SetEnvironmentVariable(OnnxLibrary.variable, Path.GetFullPath program)

    let experiment = Detector.experiment [ checkpoint; data; images ]

    let middle (share: float) (numbers: float list) =
        (List.sort numbers)[int (share * float (numbers.Length - 1) + 0.5)]

    let timed (work: unit -> unit) =
        let clock = Stopwatch.StartNew()
        work ()
        clock.Elapsed.TotalMilliseconds

    printfn "| file | MB | iteration | here, ms | ONNX Runtime, ms | ratio (quartiles) |"
    printfn "|---|---|---|---|---|---|"

    for path in files do
        use file = OnnxDetector.Open(path, threads)
        let settings = experiment.Detector.Settings

        let solver, iteration =
            match file.Info.Iteration with
            | Some(Looped(applications, tolerance)) ->
                { SolverSettings.ofSteps (applications - 1) with
                    Tolerance = tolerance
                },
                match tolerance with
                | Some tolerance -> $"loop, tolerance {tolerance}"
                | None -> $"loop of {applications}"
            | Some(Unrolled applications) -> SolverSettings.ofSteps (applications - 1), $"{applications} written out"
            | None -> settings.Solver, "stages"

        let ours =
            Detector.withSettings { settings with Solver = solver } experiment.Detector

        let here () =
            use _ = torch.NewDisposeScope()
            use _ = torch.no_grad ()
            Detector.detect Effort.Unhurried ours experiment.Batch |> ignore

        let there () =
            use _ = torch.NewDisposeScope()
            file.Run experiment.Batch |> ignore

        for _ in 1..3 do
            here ()
            there ()

        let pairs =
            [
                for pair in 1..15 do
                    if pair % 2 = 0 then
                        let a = timed here
                        a, timed there
                    else
                        let b = timed there
                        timed here, b
            ]

        let ratios = [ for ours, theirs in pairs -> theirs / ours ]

        printfn
            "| %s | %.1f | %s | %.1f | %.1f | %.2f (%.2f - %.2f) |"
            (Path.GetFileName path)
            (float (FileInfo path).Length / 1e6)
            iteration
            (middle 0.5 (List.map fst pairs))
            (middle 0.5 (List.map snd pairs))
            (middle 0.5 ratios)
            (middle 0.25 ratios)
            (middle 0.75 ratios)
| _ ->
    eprintfn
        "usage: dotnet fsi scripts/onnx-times.fsx CHECKPOINT DATA IMAGES THREADS FILE.onnx...; the first lines of the script say more"

    exit 2
