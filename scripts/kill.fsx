// Ends a training at random moments, as the machine might, lets it go on each time, and compares what it comes to with the run that nobody disturbed.
//
//   dotnet build src/DeqDet.Host
//   dotnet fsi scripts/kill.fsx --kills 100 --seed 1
//
// --kills N     so many times by SIGKILL: at any moment, or while a file is being written
// --full N      so many times by filling up its disk, a small one in memory; needs the right to mount one (root on Linux)
// --seconds S   no further ones after so many seconds of either kind; the run in progress goes on to its end
// --seed N      decides the moments, as far as the machine repeats itself, and the number of loader threads of each start
//
// After each end every state in the folder has to be whole. At the end of a run losses and validations of every step, weights, optimiser
// states and detections have to be those of the undisturbed run, bit for bit. Exit code 1 if anything is not.

open System
open System.Collections.Generic
open System.Diagnostics
open System.IO
open System.Text
open System.Text.Json
open System.Text.Json.Nodes
open System.Text.RegularExpressions
open System.Threading

let options =
    let known = [ "--kills"; "--full"; "--seconds"; "--seed" ]

    fsi.CommandLineArgs
    |> List.ofArray
    |> List.tail
    |> List.chunkBySize 2
    |> List.map (function
        | [ name; value ] when List.contains name known -> name, int value
        | other ->
            failwithf "usage: dotnet fsi scripts/kill.fsx [--kills N] [--full N] [--seconds S] [--seed N], not %A" other)
    |> Map

let option name otherwise =
    options |> Map.tryFind name |> Option.defaultValue otherwise

let kills = option "--kills" 100
let fills = option "--full" 0
let seconds = option "--seconds" Int32.MaxValue
let random = Random(option "--seed" 1)
let clock = Stopwatch.StartNew()

/// When the present kind of ends began.
let mutable began = TimeSpan.Zero

let isTimeLeft () =
    (clock.Elapsed - began).TotalSeconds < float seconds

let program =
    Path.Combine(__SOURCE_DIRECTORY__, "..", "src", "DeqDet.Host", "bin", "Debug", "net10.0", "DeqDet.Host.dll")

let scratch = Directory.CreateTempSubdirectory("deqdet-kill-").FullName
let data = Path.Combine(scratch, "data")

/// 60 steps in 5 epochs, with a validation after each, saved every three steps.
let settings =
    [
        "data.shapes.train_images=48"
        "data.shapes.val_images=8"
        "train.batch_size=4"
        "train.epochs=5"
        "train.save_steps=3"
        "train.keep=2"
        "train.log_every=1"
        "train.ema=0.9"
        "backbone.width=8"
        "head.channels=32"
        "head.feed_forward=32"
        "queries.count=8"
        "evaluation.pictures=0"
    ]

/// A run of the program in progress, with what it says.
type Run =
    {
        Process: Process
        Said: StringBuilder
    }

let start (folder: string) : Run =
    let resumed = File.Exists(Path.Combine(folder, "latest.safetensors"))

    let arguments =
        [
            program
            "train"

            if resumed then
                "--resume"
                folder
            else
                Path.Combine(__SOURCE_DIRECTORY__, "..", "configs", "shapes.json")
                "--data"
                data
                "--work-dir"
                folder

                for assignment in settings do
                    "--set"
                    assignment
            "--device"
            "cpu"
            "--threads"
            "1"
            "--set"
            $"data.workers={random.Next(1, 5)}"
        ]

    let info = ProcessStartInfo("dotnet", arguments)
    info.RedirectStandardOutput <- true
    info.RedirectStandardError <- true
    let said = StringBuilder()
    let started = new Process(StartInfo = info)

    let listen (line: DataReceivedEventArgs) =
        lock said (fun () -> said.AppendLine line.Data |> ignore)

    started.OutputDataReceived.Add listen
    started.ErrorDataReceived.Add listen
    started.Start() |> ignore
    started.BeginOutputReadLine()
    started.BeginErrorReadLine()
    { Process = started; Said = said }

let fail (text: string) =
    printfn $"FAILED: {text}\n(files in {scratch})"
    exit 1

/// Waits for the end; gives the exit code.
let wait (run: Run) : int =
    run.Process.WaitForExit()
    let code = run.Process.ExitCode
    run.Process.Dispose()
    code

/// Header and numbers of a safetensors file; fails where the file is not whole.
let read (path: string) : JsonObject * byte[] =
    let bytes = File.ReadAllBytes path
    let damaged () = fail $"{path} is damaged"

    if bytes.Length < 8 then
        damaged ()

    let length = int (BitConverter.ToInt64(bytes, 0))

    if length < 0 || 8 + length > bytes.Length then
        damaged ()

    let header = JsonNode.Parse(ReadOnlySpan(bytes, 8, length)).AsObject()

    let finish =
        [
            for entry in header do
                if entry.Key <> "__metadata__" then
                    entry.Value["data_offsets"].[1].GetValue<int>()
        ]
        |> List.max

    if 8 + length + finish <> bytes.Length then
        damaged ()

    header, bytes[8 + length ..]

let stepOf (header: JsonObject) : int64 =
    JsonNode.Parse(header["__metadata__"].["progress"].GetValue<string>()).["step"].GetValue<int64>()

/// Names, shapes and numbers of all tensors.
let tensors (path: string) =
    let header, numbers = read path
    header.Remove "__metadata__" |> ignore
    header.ToJsonString(), Convert.ToHexString(Security.Cryptography.SHA256.HashData numbers)

/// Lines of metrics without what depends on the clock.
let metrics (folder: string) =
    [
        for line in File.ReadAllLines(Path.Combine(folder, "metrics.jsonl")) ->
            let json = JsonNode.Parse(line).AsObject()

            for key in [ "time"; "data_time"; "memory" ] do
                json.Remove key |> ignore

            json.ToJsonString()
    ]

/// What a run comes to, by name.
let results (folder: string) =
    [
        for file in Directory.GetFiles(folder, "*.safetensors") |> Array.sort do
            Path.GetFileName file, box (tensors file)

        "metrics", box (metrics folder)
        "detections", box (File.ReadAllText(Path.Combine(folder, "val_detections.json")))
    ]

/// How a run is ended.
type End =
    | Kill
    | Fill

/// What was met.
let counts = SortedDictionary<string, int>()

let count (what: string) =
    counts[what] <- (if counts.ContainsKey what then counts[what] else 0) + 1

/// Milliseconds of an undisturbed run.
let mutable whole = 0.0

/// Waits for a moment of a run: any, or one while a file is being written. Gives up when the run ends by itself.
let waitForMoment (folder: string) (run: Run) =
    let begun = Stopwatch.StartNew()
    let atWrite = random.NextDouble() < 0.6
    let delay = random.NextDouble() * (if atWrite then 0.4 else 0.7) * whole
    // a fraction of the time that a write takes
    let further = TimeSpan.FromMilliseconds(random.NextDouble() * 4.0)

    let isWriting () =
        Directory.Exists folder
        && Directory.EnumerateFiles(folder, ".*.tmp") |> Seq.isEmpty |> not

    while begun.Elapsed.TotalMilliseconds < delay && not run.Process.HasExited do
        Thread.Sleep 1

    if atWrite then
        while not (isWriting () || run.Process.HasExited) do
            Thread.SpinWait 200

        let seen = Stopwatch.StartNew()

        while seen.Elapsed < further do
            Thread.SpinWait 50

/// After a run has been ended: every state is whole.
let inspect (folder: string) =
    if Directory.Exists folder then
        for file in Directory.GetFiles(folder, "*.safetensors") do
            read file |> ignore

/// Where a killed run was.
let countKill (folder: string) =
    if Directory.Exists folder then
        let log = Path.Combine(folder, "metrics.jsonl")

        let lines =
            if File.Exists log then
                (File.ReadAllLines log).Length
            else
                0

        match Directory.GetFiles(folder, ".*.tmp") with
        | [||] when lines = 0 -> count "before the first step"
        | [||] -> count "between writes"
        | left ->
            // .NAME.DIGITS.tmp
            let name = Path.GetFileName left[0]
            count $"while writing {name.Substring(1, name.Length - 38)}"
    else
        count "before the folder was made"

/// What a run could not write on a full disk: the file that it named first.
let countFill (said: string) =
    let found = Regex.Match(said, @"error: \S*?([^/\\\s]+): cannot be")

    count (
        if found.Success then
            $"at {found.Groups[1].Value}"
        else
            "elsewhere"
    )

/// Fills up the disk that a folder lies on.
let fillUp (disk: string) =
    use file = File.Create(Path.Combine(disk, "ballast"), 1)
    let page = Array.zeroCreate<byte> 4096

    try
        while true do
            file.Write(page, 0, page.Length)
    with :? IOException ->
        ()

/// Runs to the end, with ends in between taken from `ends` as long as there are any; gives how many there were.
let train (disk: string) (name: string) (ends: Queue<End>) : string * int =
    let folder = Path.Combine(disk, name)
    let ballast = Path.Combine(disk, "ballast")
    let mutable ended = 0
    let mutable finished = false

    while not finished do
        // what was killed before it saved anything begins anew
        if
            Directory.Exists folder
            && not (File.Exists(Path.Combine(folder, "latest.safetensors")))
        then
            Directory.Delete(folder, true)

        let run = start folder

        if ends.Count > 0 && isTimeLeft () then
            waitForMoment folder run

            match ends.Peek() with
            | _ when run.Process.HasExited -> ()
            | Kill -> run.Process.Kill()
            | Fill -> fillUp disk

        match wait run with
        | 0 -> finished <- true
        | 137 when ends.Count > 0 && ends.Peek() = Kill ->
            ends.Dequeue() |> ignore
            ended <- ended + 1
            countKill folder
            inspect folder
        | 2 when
            ends.Count > 0
            && ends.Peek() = Fill
            && run.Said.ToString().ToLowerInvariant().Contains "no space"
            ->
            ends.Dequeue() |> ignore
            ended <- ended + 1
            countFill (run.Said.ToString())

            if Directory.Exists folder && Directory.GetFiles(folder, ".*.tmp").Length > 0 then
                fail "a temporary file is left"

            inspect folder
            File.Delete ballast
        | code -> fail $"exit code {code}: {run.Said}"

    File.Delete ballast
    folder, ended

let compare (wanted: (string * obj) list) (folder: string) =
    let found = results folder

    if List.map fst wanted <> List.map fst found then
        fail $"other files: %A{List.map fst found} instead of %A{List.map fst wanted}"

    for (name, a), (_, b) in List.zip wanted found do
        if a <> b then
            fail $"{folder}: {name} differs from the undisturbed run's"

let wanted =
    // once to make the data, once for the time
    let folder, _ = train scratch "first" (Queue())
    let begun = Stopwatch.StartNew()
    let again, _ = train scratch "second" (Queue())
    whole <- begun.Elapsed.TotalMilliseconds
    let wanted = results folder
    compare wanted again
    wanted

printfn
    "an undisturbed run takes %.1f s: %d lines of metrics, last state after step %d"
    (whole / 1000.0)
    (metrics (Path.Combine(scratch, "first"))).Length
    (stepOf (fst (read (Path.Combine(scratch, "first", "latest.safetensors")))))

/// Runs on a disk until all ends have been met, each compared at its end.
let rounds (disk: string) (what: string) (ends: Queue<End>) =
    let mutable round = 0
    let mutable met = 0
    began <- clock.Elapsed

    while ends.Count > 0 && isTimeLeft () do
        round <- round + 1
        let folder, ended = train disk $"round-{round}" ends
        met <- met + ended
        compare wanted folder
        Directory.Delete(folder, true)

    let plural = if round = 1 then "run" else "runs"

    printfn
        $"{met} {what} in {round} {plural}, each of which came to the undisturbed run's losses, weights and optimiser states, bit for bit:"

    for entry in counts do
        printfn $"  {entry.Value, 4}  {entry.Key}"

    counts.Clear()

let mount (arguments: string list) =
    try
        use mounting = Process.Start("mount", arguments)
        mounting.WaitForExit()
        mounting.ExitCode = 0
    with :? ComponentModel.Win32Exception ->
        false

if kills > 0 then
    rounds scratch "kills" (Queue(Seq.replicate kills Kill))

if fills > 0 then
    let disk = Path.Combine(scratch, "disk")
    Directory.CreateDirectory disk |> ignore

    let size =
        6L
        * (DirectoryInfo(Path.Combine(scratch, "first")).EnumerateFiles()
           |> Seq.sumBy _.Length)

    if
        OperatingSystem.IsLinux()
        && mount [ "-t"; "tmpfs"; "-o"; $"size={size}"; "none"; disk ]
    then
        try
            rounds disk "full disks" (Queue(Seq.replicate fills Fill))
        finally
            use unmounting = Process.Start("umount", [ "-l"; disk ])
            unmounting.WaitForExit()
    else
        printfn "full disks: skipped, this process may not mount a small one"

Directory.Delete(scratch, true)
printfn "%.0f s" clock.Elapsed.TotalSeconds
