// The tables and the plot of docs/scaling.md: sums between processes and steps of a training, measured here; a model fitted to them; and what
// it says of many GPUs.
//
//   dotnet build src/DeqDet.Host
//   dotnet fsi scripts/scaling.fsx sums work/scaling            # sums between 2 and 4 processes of this machine
//   dotnet fsi scripts/scaling.fsx steps work/scaling [DATA]    # a training of the shapes in 1, 2 and 4 processes
//   dotnet fsi scripts/scaling.fsx draw work/scaling docs/images/scaling.png
#I "../src/DeqDet.Host/bin/Debug/net10.0"
#r "SkiaSharp.dll"
#r "DeqDet.Base.dll"
#r "DeqDet.Coco.dll"
#r "DeqDet.Images.dll"
#r "DeqDet.Communication.dll"
#r "DeqDet.Reports.dll"

open System
open System.Diagnostics
open System.IO
open System.Runtime.InteropServices
open System.Text.Json
open DeqDet
open DeqDet.Communication
open DeqDet.Communication.Launching
open DeqDet.Reports.Charts

let median (values: float seq) = Quantile.median values

let launcher =
    lazy (MpiRun.Find(null, (fun name -> Environment.GetEnvironmentVariable name)))

// ---- measuring ----

/// Seconds of a sum of so many bytes: the median over turns, and what a computation of the same length loses while one is under way.
type SumTime =
    {
        Processes: int
        Bytes: float
        Seconds: float
        /// How much longer a computation on this process's core takes beside the sum, as a share of the sum's time.
        Burden: float
    }

let timeSum (communicator: ICommunicator) (bytes: int) : SumTime =
    let memory = Marshal.AllocHGlobal bytes

    for i in 0..4 .. bytes - 4 do
        Marshal.WriteInt32(memory, i, 0)

    let turns = max 5 (min 200 (40_000_000 / bytes))
    // together, so that nobody waits for one who is late
    let together () = communicator.Sum(Span [| 0. |])

    let compute (until: float) =
        let clock = Stopwatch.StartNew()
        let mutable x = 1.0
        let mutable rounds = 0L

        while clock.Elapsed.TotalSeconds < until do
            for _ in 1..1000 do
                x <- x * 1.0000001

            rounds <- rounds + 1L

        if x = 0.0 then
            printf ""

        float rounds / clock.Elapsed.TotalSeconds

    let seconds =
        [
            for _ in 1..turns do
                together ()
                let clock = Stopwatch.StartNew()
                communicator.StartSum(memory, int64 (bytes / 4)).Wait()
                clock.Elapsed.TotalSeconds
        ]
        |> median

    let burden =
        if bytes < 1_000_000 then
            0.0
        else
            [
                for _ in 1..5 do
                    together ()
                    let free = compute seconds
                    together ()
                    let sum = communicator.StartSum(memory, int64 (bytes / 4))
                    let beside = compute seconds
                    sum.Wait()
                    1.0 - beside / free
            ]
            |> median

    Marshal.FreeHGlobal memory

    {
        Processes = communicator.Size
        Bytes = float bytes
        Seconds = seconds
        Burden = burden
    }

let sizes = [ for power in 10..2..26 -> 1 <<< power ]

/// One of the processes whose sums are timed.
let sumsMember (file: string) =
    use communicator = Communicators.Open(fun notice -> eprintfn $"notice: {notice}")
    let times = sizes |> List.map (timeSum communicator)

    if communicator.Rank = 0 then
        File.WriteAllText(file, JsonSerializer.Serialize times)

let sums (folder: string) =
    Directory.CreateDirectory folder |> ignore

    for processes in [ 2; 4 ] do
        let file = Path.Combine(folder, $"sums-{processes}.json")
        let script = Path.Combine(__SOURCE_DIRECTORY__, __SOURCE_FILE__)

        use launch =
            Launch.Start(launcher.Value, processes, 1, [ "dotnet"; "fsi"; script; "member"; file ])

        if launch.Wait() <> 0 then
            failwith $"the sums between {processes} processes failed"

        printfn $"{file}: written"

/// Processes, images of a step in all of them, and whether batch normalisations have their statistics from all.
let trainings =
    [
        1, 2, false
        1, 4, false
        1, 8, false
        2, 4, false
        2, 8, false
        2, 8, true
        4, 8, false
        4, 16, false
    ]

let workOf folder (processes: int, images: int, statistics: bool) (kind: string) =
    let norm = if statistics then "-batch" else ""
    Path.Combine(folder, $"steps-{processes}-{images}{norm}-{kind}")

/// Starts a training of 60 steps with one thread a process.
let startTraining (work: string) (processes: int) (images: int) (statistics: bool) (data: string option) : Process =
    let program =
        Path.Combine(__SOURCE_DIRECTORY__, "../src/DeqDet.Host/bin/Debug/net10.0/DeqDet.Host.dll")

    let arguments =
        [
            program
            if processes > 1 then
                yield! [ "launch"; "-n"; string processes ]
            "train"
            yield! [ "--set"; $"train.batch_size={images}"; "--set"; "train.log_every=1" ]

            if not statistics then
                yield! [ "--set"; "backbone.norm=frozen"; "--set"; "backbone.frozen_stages=-1" ]

            yield!
                [
                    "--max-steps"
                    "60"
                    "--seed"
                    "1"
                    "--device"
                    "cpu"
                    "--threads"
                    "1"
                    "--work-dir"
                    work
                ]

            match data with
            | Some data -> yield! [ "--data"; data ]
            | None -> ()
        ]

    let start = ProcessStartInfo("dotnet", arguments)
    start.RedirectStandardOutput <- true
    let training = Process.Start start
    training.OutputDataReceived.Add ignore
    training.BeginOutputReadLine()
    training

let steps (folder: string) (data: string option) =
    Directory.CreateDirectory folder |> ignore

    let finish (work: string) (training: Process) =
        use training = training
        training.WaitForExit()

        if training.ExitCode <> 0 then
            failwith $"{work}: the training failed"

    for processes, images, statistics in trainings do
        let work = workOf folder (processes, images, statistics)

        startTraining (work "together") processes images statistics data
        |> finish (work "together")

        if processes > 1 then
            // as many trainings on as many images, which exchange nothing: what sharing the machine costs by itself
            [
                for other in 1..processes ->
                    let work = work $"apart-{other}"
                    work, startTraining work 1 (images / processes) statistics data
            ]
            |> List.iter (fun (work, training) -> finish work training)

        printfn $"""{work "together"}: trained"""

// ---- the model ----

/// A network as a model has it: a sum of x bytes over N takes 2 (N - 1) / N x / Rate + Latency log2 N for each of its parts.
type Network =
    {
        Name: string
        /// Bytes that a process sends in a second.
        Rate: float
        /// Seconds of a round between all.
        Latency: float
    }

/// What a training step is made of.
type Training =
    {
        Name: string
        /// Seconds that do not depend on the images: the optimiser, starting kernels.
        Fixed: float
        /// Seconds of an image.
        Image: float
        /// Bytes of gradients that are summed while the backbone's backward pass still runs: the decoder's.
        Early: float
        /// Bytes that are summed after it: the others.
        Late: float
        /// The share of an image's time that is the backward pass of backbone and neck.
        Behind: float
        /// Bytes of one sum.
        Part: float
        /// Sums of a few numbers, each of which is waited for: normalisers of losses, whether a step is bad.
        Small: int
    }

let sumSeconds (network: Network) (processes: int) (part: float) (bytes: float) =
    if processes = 1 || bytes = 0.0 then
        0.0
    else
        let n = float processes

        2.0 * (n - 1.0) / n * bytes / network.Rate
        + ceil (bytes / part) * network.Latency * ceil (log n / log 2.0)

/// Seconds of a step with so many images in each process; and those of them in which only sums are waited for.
let stepSeconds (training: Training) (network: Network) (processes: int) (images: float) =
    let compute = training.Fixed + training.Image * images
    let sum = sumSeconds network processes training.Part
    let hidden = training.Behind * training.Image * images

    let waiting =
        max 0.0 (sum training.Early - hidden)
        + sum training.Late
        + float training.Small * sum 64.0

    compute + waiting, waiting

// ---- drawing ----

let readSums (folder: string) : SumTime list =
    [
        for processes in [ 2; 4 ] do
            let file = Path.Combine(folder, $"sums-{processes}.json")

            if File.Exists file then
                yield! JsonSerializer.Deserialize<SumTime list>(File.ReadAllText file)
    ]

/// Latency and rate of sums between so many processes, of those that stay in the processor's caches: least squares of relative errors.
let fitNetwork (times: SumTime list) (processes: int) : Network =
    let times =
        times
        |> List.filter (fun time -> time.Processes = processes && time.Bytes <= 1048576.0)

    let n = float processes
    // seconds = a + b bytes, weighted by 1 / seconds^2
    let weighted f =
        times |> List.sumBy (fun time -> f time / (time.Seconds * time.Seconds))

    let w = weighted (fun _ -> 1.0)
    let x = weighted _.Bytes
    let xx = weighted (fun time -> time.Bytes * time.Bytes)
    let y = weighted _.Seconds
    let xy = weighted (fun time -> time.Bytes * time.Seconds)
    let b = (w * xy - x * y) / (w * xx - x * x)
    let a = (y - b * x) / w

    {
        Name = $"{processes} processes here"
        Rate = 2.0 * (n - 1.0) / n / b
        Latency = a / ceil (log n / log 2.0)
    }

/// The median time of a step, without the first twenty, in which code is still compiled; None where it was not measured.
let readSteps (work: string) : float option =
    let file = Path.Combine(work, "metrics.jsonl")

    if not (File.Exists file) then
        None
    else
        [
            for line in File.ReadAllLines file do
                use document = JsonDocument.Parse line

                // validations have a time, too
                if fst (document.RootElement.TryGetProperty "loss") then
                    document.RootElement.GetProperty("time").GetDouble()
        ]
        |> List.skip 20
        |> median
        |> Some

/// Bytes of the gradients of a training: one number for each that the optimiser has an average of.
let gradientBytes (work: string) : float =
    use file = File.OpenRead(Path.Combine(work, "latest.safetensors"))
    use reader = new BinaryReader(file)
    let header = reader.ReadBytes(int (reader.ReadUInt64()))
    use document = JsonDocument.Parse(ReadOnlyMemory header)

    Seq.sum
        [
            for entry in document.RootElement.EnumerateObject() do
                if entry.Name.StartsWith("optimiser.exp_avg.", StringComparison.Ordinal) then
                    let places = entry.Value.GetProperty "data_offsets"
                    float (places[1].GetInt64() - places[0].GetInt64())
        ]

/// The published R50 model with 300 queries at 800 x 1344, on a GPU of 100 TFLOP/s sustained.
let ofGpu =
    let rate = 100e12
    // GFLOP of an image: backbone and neck forward and backward, the decoder's applications with and without gradients
    let backbone, decoder = 3.0 * 324e9, (9.0 + 36.0 + 20.0) * 15.7e9

    {
        Name = "R50, 300 queries, 800 x 1344"
        Fixed = 0.02
        Image = (backbone + decoder) / rate
        // two heads
        Early = 2.0 * 91e6
        // ResNet-50 without stem and first stage, and the pyramid's convolutions
        Late = 4.0 * (23.3e6 + 3.3e6)
        Behind = 2.0 / 3.0 * backbone / (backbone + decoder)
        Part = 16.0 * 1048576.0
        Small = 3
    }

let networks =
    [
        {
            Name = "NVLink"
            Rate = 360e9
            Latency = 8e-6
        }
        {
            Name = "100 Gbit"
            Rate = 0.9 * 12.5e9
            Latency = 20e-6
        }
        {
            Name = "10 Gbit"
            Rate = 0.9 * 1.25e9
            Latency = 50e-6
        }
    ]

let draw (folder: string) (picture: string) =
    let times = readSums folder
    printfn "| bytes | 2 processes, ms | 4 processes, ms | computing beside it, slower by |"
    printfn "|---|---|---|---|"

    for bytes in sizes do
        let of' processes =
            times
            |> List.tryFind (fun time -> time.Processes = processes && time.Bytes = float bytes)

        let ms =
            function
            | Some time -> (1e3 * time.Seconds).ToString "0.000"
            | None -> ""

        let burden =
            match of' 2 with
            | Some time when bytes >= 1_000_000 -> (100.0 * time.Burden).ToString "0" + " %"
            | _ -> ""

        printfn "| %d | %s | %s | %s |" bytes (ms (of' 2)) (ms (of' 4)) burden

    for processes in [ 2; 4 ] do
        let fitted = fitNetwork times processes
        printfn $"{fitted.Name}: {fitted.Rate / 1e9:F2} GB/s, {1e6 * fitted.Latency:F0} us a round"

    printfn ""
    printfn "| processes | images of a step | statistics | exchanged, MB | apart, ms | together, ms | images/s |"
    printfn "|---|---|---|---|---|---|---|"

    for processes, images, statistics in trainings do
        let work = workOf folder (processes, images, statistics)

        match readSteps (work "together") with
        | Some together ->
            let bytes =
                if processes = 1 then
                    0.0
                else
                    gradientBytes (work "together")

            let apart =
                [ for other in 1..processes -> readSteps (work $"apart-{other}") ]
                |> List.choose id

            let apart =
                match apart with
                | [] -> together
                | times -> List.max times

            let norm = if statistics then "of all images" else "frozen"

            printfn
                $"| {processes} | {images} | {norm} | {bytes / 1e6:F1} | {1e3 * apart:F0} | {1e3 * together:F0} | {float images / together:F1} |"
        | None -> ()

    let counts = [ for power in 0..9 -> 1 <<< power ]
    let perGpu = 2.0
    let alone = stepSeconds ofGpu networks.Head 1 perGpu |> fst

    printfn ""

    printfn
        "| GPUs | network | 2 images each: step, ms | waiting for sums, ms | efficiency | 512 images in all: step, ms | speed-up |"

    printfn "|---|---|---|---|---|---|---|"

    for processes in [ 8; 64; 512 ] do
        for network in networks do
            let weak, waiting = stepSeconds ofGpu network processes perGpu
            let strong = stepSeconds ofGpu network processes (512.0 / float processes) |> fst
            let one = stepSeconds ofGpu network 1 512.0 |> fst

            printfn
                $"| {processes} | {network.Name} | {1e3 * weak:F0} | {1e3 * waiting:F0} | {100.0 * alone / weak:F0} %% | {1e3 * strong:F0} | {one / strong:F0} |"

    let line name colour dashed (value: int -> float) =
        LineMark(name, colour, [| for count in counts -> ChartPoint(float count, value count) |], dashed, not dashed)
        :> Mark

    let chart =
        Chart(
            "Images a second on GPUs, as the model has it",
            Axis("GPUs", AxisScale.Log),
            Axis("images/s", AxisScale.Log),
            [|
                for index, network in List.indexed networks do
                    line $"weak, {network.Name}" index false (fun count ->
                        perGpu * float count / (stepSeconds ofGpu network count perGpu |> fst))

                for index, network in List.indexed networks do
                    line $"strong, {network.Name}" index true (fun count ->
                        512.0 / (stepSeconds ofGpu network count (512.0 / float count) |> fst))
            |]
        )

    File.WriteAllBytes(picture, ChartPicture.Draw(ChartLayout.Of(chart, 760, 420)).ToPng())
    printfn $"{picture}: drawn"

match List.ofArray fsi.CommandLineArgs |> List.tail with
| [ "sums"; folder ] -> sums folder
| [ "member"; file ] -> sumsMember file
| [ "steps"; folder ] -> steps folder None
| [ "steps"; folder; data ] -> steps folder (Some data)
| [ "draw"; folder; picture ] -> draw folder picture
| _ -> failwith "usage: dotnet fsi scripts/scaling.fsx sums|steps|draw FOLDER [DATA | OUT.png]"
