// Resident memory of trainings over their steps: the plot of docs/reliability.md.
//
//   dotnet build src/DeqDet.Host
//   dotnet run --no-build --project src/DeqDet.Host -- train --max-steps 3000 --set train.epochs=12 --set train.ema=0.999 --set train.evaluate_every=4 --work-dir work/ema-0.999
//   dotnet fsi scripts/memory.fsx docs/images/memory.png work/ema-0.999
//
// Takes the metrics.jsonl of each folder; a line is named after its folder.
#I "../src/DeqDet.Host/bin/Debug/net10.0"
#r "SkiaSharp.dll"
#r "DeqDet.Base.dll"
#r "DeqDet.Coco.dll"
#r "DeqDet.Images.dll"
#r "DeqDet.Reports.dll"

open System
open System.IO
open System.Text.Json
open DeqDet.Reports.Charts

let picture, folders =
    match List.ofArray fsi.CommandLineArgs with
    | _ :: picture :: (_ :: _ as folders) -> picture, folders
    | _ -> failwith "usage: dotnet fsi scripts/memory.fsx OUT.png FOLDER..."

/// Steps with the resident memory after them, MiB; validations have none.
let memory (folder: string) : ChartPoint[] =
    [|
        for line in File.ReadLines(Path.Combine(folder, "metrics.jsonl")) do
            use json = JsonDocument.Parse line

            match json.RootElement.TryGetProperty "memory" with
            | true, mebibytes -> ChartPoint(json.RootElement.GetProperty("step").GetDouble(), mebibytes.GetDouble())
            | _ -> ()
    |]

let runs =
    [
        for folder in folders -> Path.GetFileName(Path.TrimEndingDirectorySeparator folder), memory folder
    ]

for name, points in runs do
    let at (share: float) =
        points[int (share * float (points.Length - 1))]

    for share in [ 0.0; 0.1; 0.25; 0.5; 0.75; 1.0 ] do
        printfn $"{name}: {(at share).Y} MiB after step {(at share).X}"

    let largest = points |> Array.maxBy _.Y
    printfn $"{name}: at most {largest.Y} MiB, after step {largest.X}"

let chart =
    Chart(
        "Resident memory of the default training",
        Axis("step"),
        Axis("MiB", Low = Nullable 0.0),
        [|
            for i, (name, points) in List.indexed runs -> LineMark(name, i, points, false, false) :> Mark
        |]
    )

File.WriteAllBytes(picture, ChartPicture.Draw(ChartLayout.Of(chart, 760, 360)).ToPng())
printfn $"{picture}: drawn"
