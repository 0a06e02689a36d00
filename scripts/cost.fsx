// The table and the plot of docs/performance.md, from timings that `bench` has written.
//
//   dotnet build src/DeqDet.Host
//   for q in 50 100 300 900; do dotnet run --no-build --project src/DeqDet.Host -- bench step --queries $q --json work/cost/queries-$q.json; done
//   dotnet fsi scripts/cost.fsx work/cost docs/images/cost.png
//
// Takes every file WHAT-NUMBER.json of the folder; those of `queries` are drawn.
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

type Timing =
    {
        What: string
        Number: float
        Plain: float
        Ours: float
        Ratio: float
        /// The time that the machine's peak and its copy rate leave at best, ms.
        Floor: float
    }

let folder, picture =
    match fsi.CommandLineArgs with
    | [| _; folder; picture |] -> folder, picture
    | _ -> failwith "usage: dotnet fsi scripts/cost.fsx FOLDER OUT.png"

let read (file: string) =
    let name = Path.GetFileNameWithoutExtension file
    let at = name.LastIndexOf '-'
    use document = JsonDocument.Parse(File.ReadAllText file)
    let machine = document.RootElement.GetProperty "machine"
    let comparison = document.RootElement.GetProperty("comparisons").[0]
    let ours, other = comparison.GetProperty "ours", comparison.GetProperty "other"
    let number (name: string) (element: JsonElement) = element.GetProperty(name).GetDouble()

    let bf16 =
        document.RootElement.GetProperty("model").GetProperty("precision").GetString() = "bf16"

    {
        What = name[.. at - 1]
        Number = float name[at + 1 ..]
        Plain = 1e3 * number "seconds" other
        Ours = 1e3 * number "seconds" ours
        Ratio = number "ratio" comparison
        Floor =
            1e3
            * max
                (number "flops" ours
                 / number (if bf16 then "peak_flops_bf16" else "peak_flops_fp32") machine)
                (number "bytes" ours / number "copy_bytes_per_second" machine)
    }

let timings =
    [ for file in Directory.GetFiles(folder, "*-*.json") -> read file ]
    |> List.sortBy (fun timing -> timing.What, timing.Number)

printfn "| what varies | number | plain, ms | ours, ms | ratio | roofline, ms | ours above it |"
printfn "|---|---|---|---|---|---|---|"

for timing in timings do
    let ms (value: float) =
        if value < 10.0 then value.ToString "0.00"
        elif value < 100.0 then value.ToString "0.0"
        else value.ToString "0"

    printfn
        "| %s | %g | %s | %s | %.2f | %s | %.1f times |"
        timing.What
        timing.Number
        (ms timing.Plain)
        (ms timing.Ours)
        timing.Ratio
        (ms timing.Floor)
        (timing.Ours / timing.Floor)

let line name colour dashed (time: Timing -> float) (what: string) =
    LineMark(
        name,
        colour,
        [|
            for timing in timings do
                if timing.What = what then
                    ChartPoint(timing.Number, time timing)
        |],
        dashed,
        not dashed
    )
    :> Mark

let chart =
    Chart(
        "One application at 800 x 1344",
        Axis("queries", AxisScale.Log),
        Axis("ms", AxisScale.Log),
        [|
            line "plain, float32" 0 false _.Plain "queries"
            line "kernels, float32" 1 false _.Ours "queries"
            line "kernels, bfloat16" 2 false _.Ours "queries-bf16"
            line "roofline, float32" 1 true _.Floor "queries"
            line "roofline, bfloat16" 2 true _.Floor "queries-bf16"
        |]
    )

File.WriteAllBytes(picture, ChartPicture.Draw(ChartLayout.Of(chart, 760, 420)).ToPng())
printfn $"{picture}: drawn"
