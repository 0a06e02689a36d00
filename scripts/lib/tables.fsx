// Tables and plots of docs/results.md, from the work folders of what was trained.
#I "../../src/DeqDet.Host/bin/Debug/net10.0"
#r "SkiaSharp.dll"
#r "DeqDet.Base.dll"
#r "DeqDet.Images.dll"
#r "DeqDet.Reports.dll"
#load "results.fsx"

open System
open System.IO
open System.Text.Json
open DeqDet.Reports.Charts
open Results

/// Validations of a training: epoch and numbers.
let validations (folder: string) : (int * Map<string, float>) list =
    [
        for line in File.ReadLines(Path.Combine(folder, "metrics.jsonl")) do
            if line.Contains "coco/bbox_mAP\"" then
                use document = JsonDocument.Parse line

                let numbers =
                    Map
                        [
                            for entry in document.RootElement.EnumerateObject() do
                                if entry.Value.ValueKind = JsonValueKind.Number then
                                    entry.Name, entry.Value.GetDouble()
                        ]

                int numbers["epoch"], numbers
    ]

/// What was measured at other depths, by the names of the columns; empty where nothing was.
let depths (folder: string) : Map<string, float> =
    if not (File.Exists(depthsFile folder)) then
        Map.empty
    else
        use document = JsonDocument.Parse(File.ReadAllText(depthsFile folder))
        let root = document.RootElement
        let number (element: JsonElement) (name: string) = element.GetProperty(name).GetDouble()
        let within (name: string) = root.GetProperty(name).EnumerateArray()

        Map
            [
                for one in within "ap" do
                    let depth = number one "applications"
                    $"AP after {depth}", number one "ap"
                for one in within "tolerance" do
                    let tolerance = number one "tolerance"
                    $"AP, tolerance {tolerance}", number one "ap"
                    $"applications, tolerance {tolerance}", number one "applications"
                for one in within "residual" do
                    let depth = number one "applications"
                    $"residual after {depth}", number one "median"
                "settled", number root "settled"
                "resting", number root "resting"
                "radius", number root "radius"
            ]

/// Mean of what there is, with the least and the greatest.
let spread (format: string) (numbers: float list) =
    match List.filter Double.IsFinite numbers with
    | [] -> "-"
    | [ number ] -> number.ToString format
    | numbers ->
        let text (number: float) = number.ToString format
        $"{text (List.average numbers)} ({text (List.min numbers)}-{text (List.max numbers)})"

let private finished (options: Options) (row: Row) =
    options.Seeds |> List.map (folder options row) |> List.filter isDone

/// What a table's detectors are worth at other depths, those of them that were measured.
let private showDepths (options: Options) (table: string) (data: string) =
    let measured =
        [
            for row in rows |> List.filter (fun row -> row.Table = table && row.Data = data) do
                match finished options row |> List.map depths |> List.filter (Map.isEmpty >> not) with
                | [] -> ()
                | numbers -> row.Label, numbers
        ]

    let columns =
        [
            "AP after 5", "0.000"
            "AP after 21", "0.000"
            "AP after 60", "0.000"
            "AP, tolerance 0.1", "0.000"
            "applications, tolerance 0.1", "0.0"
            "residual after 21", "0.0000"
            "residual after 60", "0.00000"
            "settled", "0.00"
            "resting", "0.00"
            "radius", "0.00"
        ]

    if not measured.IsEmpty then
        printfn ""
        printfn "| | seeds | %s |" (columns |> List.map fst |> String.concat " | ")
        printfn "| --- | --- |%s" (columns |> List.map (fun _ -> " --- |") |> String.concat "")

        for label, numbers in measured do
            let cells =
                columns
                |> List.map (fun (name, format) -> numbers |> List.map (Map.find name) |> spread format)

            printfn "| %s | %d | %s |" label numbers.Length (String.concat " | " cells)

/// AP of the epochs that were validated: mean over the seeds, a line a row.
let private showEpochs (curves: (string * (int * Map<string, float>) list list) list) =
    let epochs =
        curves
        |> List.collect snd
        |> List.collect (List.map fst)
        |> List.distinct
        |> List.sort

    // of many epochs some are enough
    let shown =
        epochs
        |> List.filter (fun epoch -> epochs.Length <= 12 || epoch % 2 = List.last epochs % 2)

    if not curves.IsEmpty then
        printfn ""
        printfn "| AP after epoch | %s |" (shown |> List.map string |> String.concat " | ")
        printfn "| --- |%s" (shown |> List.map (fun _ -> " --- |") |> String.concat "")

        for label, runs in curves do
            let at epoch =
                match runs |> List.choose (List.tryFind (fst >> (=) epoch)) with
                | [] -> "-"
                | found ->
                    let mean = found |> List.averageBy (fun (_, numbers) -> numbers["coco/bbox_mAP"])

                    mean.ToString "0.000"

            printfn "| %s | %s |" label (shown |> List.map at |> String.concat " | ")

/// A table's rows: AP of the last and of the best epoch, AP50, minutes; mean over the seeds, least and greatest.
let show (options: Options) (table: string) (data: string) =
    printfn $"\n{table}, {data}\n"
    printfn "| | seeds | AP | AP50 | AP75 | best AP | minutes |"
    printfn "| --- | --- | --- | --- | --- | --- | --- |"

    let curves =
        [
            for row in rows |> List.filter (fun row -> row.Table = table && row.Data = data) do
                let folders = finished options row
                let runs = folders |> List.map validations

                if not runs.IsEmpty then
                    let last name =
                        runs |> List.map (fun run -> (snd (List.last run))[name]) |> spread "0.000"

                    let best =
                        runs
                        |> List.map (fun run ->
                            run |> List.map (fun (_, numbers) -> numbers["coco/bbox_mAP"]) |> List.max)
                        |> spread "0.000"

                    let minutes =
                        folders |> List.map (fun folder -> seconds folder / 60.0) |> spread "0.0"

                    printfn
                        "| %s | %d | %s | %s | %s | %s | %s |"
                        row.Label
                        runs.Length
                        (last "coco/bbox_mAP")
                        (last "coco/bbox_mAP_50")
                        (last "coco/bbox_mAP_75")
                        best
                        minutes

                    row.Label, runs
        ]

    showEpochs curves
    showDepths options table data

    match options.Images, curves with
    | Some images, _ :: _ ->
        let marks: Mark list =
            [
                for colour, (label, runs) in List.indexed curves do
                    let epochs = runs |> List.map (List.map fst) |> List.minBy List.length

                    let at epoch =
                        [
                            for run in runs do
                                match List.tryFind (fun (e, _) -> e = epoch) run with
                                | Some(_, numbers) -> numbers["coco/bbox_mAP"]
                                | None -> ()
                        ]

                    let points (of': float list -> float) =
                        [| for epoch in epochs -> ChartPoint(float epoch, of' (at epoch)) |]

                    BandMark("", colour, points List.min, points List.max)
                    LineMark(label, colour, points List.average, Dots = true)
            ]

        let chart =
            Chart(
                $"{table}, {data}: AP by epoch, mean and range of the seeds",
                Axis("epoch", Whole = true),
                Axis("AP", Low = Nullable 0.0),
                marks
            )

        Directory.CreateDirectory images |> ignore
        let file = Path.Combine(images, $"results-{table}-{data}.png")
        File.WriteAllBytes(file, ChartPicture.Draw(ChartLayout.Of(chart, 640, 400)).ToPng())
        printfn $"\n{file}"
    | _ -> ()
