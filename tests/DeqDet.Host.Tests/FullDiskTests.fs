/// Training on a disk that is full or read-only: what was saved stays, the program says so, and the run goes on once there is room.
module DeqDet.Tests.FullDiskTests

open System
open System.IO
open System.Text.Json.Nodes
open System.Threading
open Expecto
open DeqDet.Checkpoints
open DeqDet.Tests.RunProgram
open DeqDet.Tests.SettingsFiles
open DeqDet.Tests.SmallDisk

/// Six steps in two epochs, saved every two, of a model of a quarter of a million numbers.
let private arguments (data: string) (work: string) =
    let set =
        [
            "data.shapes.train_images=12"
            "data.shapes.val_images=2"
            "train.batch_size=4"
            "train.epochs=2"
            "train.save_steps=2"
            "train.keep=2"
            "train.log_every=1"
            "backbone.width=8"
            "head.channels=32"
            "head.feed_forward=32"
            "solver.steps=4"
            "rag.supervised=[1,4]"
            "queries.count=8"
            "evaluation.pictures=1"
        ]

    [
        "train"
        config "shapes"
        "--data"
        data
        "--work-dir"
        work
        "--device"
        "cpu"
        "--threads"
        "1"
    ]
    @ List.collect (fun assignment -> [ "--set"; assignment ]) set

let private resume (work: string) =
    [ "train"; "--resume"; work; "--device"; "cpu"; "--threads"; "1" ]

/// Tensors of a checkpoint, bit for bit.
let private tensors (path: string) =
    use file = SafetensorsFile.Open path

    [
        for stored in file.Tensors do
            let bytes = Array.zeroCreate<byte>(int stored.ByteCount)
            stored.CopyTo(0L, Span bytes)
            stored.Name, Convert.ToHexString bytes
    ]

let private metrics (work: string) =
    [
        for line in File.ReadAllLines(Path.Combine(work, "metrics.jsonl")) ->
            let json = JsonNode.Parse(line).AsObject()

            for key in [ "time"; "data_time"; "memory" ] do
                json.Remove key |> ignore

            json.ToJsonString()
    ]

/// What a run comes to.
let private results (work: string) =
    let file name = tensors (Path.Combine(work, name))
    file "latest.safetensors", file "best.safetensors", metrics work

let private states (work: string) =
    if Directory.Exists work then
        Directory.GetFiles(work, "*.safetensors")
    else
        [||]

/// A folder of data, and what an undisturbed run on them comes to.
let private reference =
    lazy
        (let folder = Directory.CreateTempSubdirectory("deqdet-full-").FullName
         AppDomain.CurrentDomain.ProcessExit.Add(fun _ -> Directory.Delete(folder, true))
         let data, work = Path.Combine(folder, "data"), Path.Combine(folder, "work")
         let code, said = run (arguments data work)
         Expect.equal code 0 said

         let bytes =
             Directory.GetFiles(work, "*", SearchOption.AllDirectories)
             |> Array.sumBy (fun file -> FileInfo(file).Length)

         data, results work, bytes)

/// Lets a run that a full disk has ended go on, and compares what it comes to.
let private goesOn (disk: SmallDisk) (work: string) (said: string) =
    let data, wanted, _ = reference.Value

    for file in states work do
        using (CheckpointFile.Open file) (fun file -> Expect.isNonEmpty file.Weights $"{file.Path} is whole: {said}")

    if Directory.Exists work then
        Expect.isEmpty (Directory.GetFiles(work, ".*.tmp")) "nothing is left half written"

    disk.MakeRoom()
    let latest = Path.Combine(work, "latest.safetensors")

    let code, more =
        if File.Exists latest then
            run (resume work)
        else
            if Directory.Exists work then
                Directory.Delete(work, true)

            run (arguments data work)

    Expect.equal code 0 $"{said}\n{more}"
    Expect.equal (results work) wanted $"after: {said}"

[<Tests>]
let tests =
    testSequenced
    <| testList
        "Full disk"
        [
            testCase "with whatever room, training ends with whole states and goes on to the same end"
            <| fun () ->
                let data, _, bytes = reference.Value

                SmallDisk.With (4L * bytes) (fun disk ->
                    let mutable refused = 0

                    // beyond the last one the next state and the one before fit at the same time
                    for share in [ 0.0; 0.01; 0.2; 0.4; 0.6; 0.8; 1.0; 1.3; 1.7 ] do
                        let work = Path.Combine(disk.Folder, "work")

                        if Directory.Exists work then
                            Directory.Delete(work, true)

                        disk.LeaveOnly(int64 (share * float bytes))
                        let code, said = run (arguments data work)

                        if code <> 0 then
                            refused <- refused + 1
                            Expect.equal code 2 said
                            Expect.stringContains (said.ToLowerInvariant()) "no space" "why"

                            if File.Exists(Path.Combine(work, "latest.safetensors")) then
                                expectParts said [ "latest.safetensors" ]

                        goesOn disk work said

                    Expect.isGreaterThan refused 4 "runs that ended early")

            testCase "a disk that others fill up while training runs"
            <| fun () ->
                let data, _, bytes = reference.Value

                SmallDisk.With (4L * bytes) (fun disk ->
                    for line in [ 1; 3; 5 ] do
                        let work = Path.Combine(disk.Folder, $"work-{line}")
                        let log = Path.Combine(work, "metrics.jsonl")

                        let fill =
                            Thread(fun () ->
                                while not (File.Exists log && (File.ReadAllLines log).Length >= line) do
                                    Thread.Sleep 1

                                disk.LeaveOnly 0L)

                        fill.IsBackground <- true
                        fill.Start()
                        let code, said = run (arguments data work)
                        fill.Join()
                        Expect.equal code 2 said
                        goesOn disk work said
                        Directory.Delete(work, true))

            testCase "a read-only folder is said, and neither made nor resumed"
            <| fun () ->
                let data, wanted, bytes = reference.Value

                SmallDisk.With (4L * bytes) (fun disk ->
                    let work = Path.Combine(disk.Folder, "work")
                    let code, said = run (arguments data work @ [ "--max-steps"; "3" ])
                    Expect.equal code 0 said
                    disk.SetReadOnly true
                    let code, said = run (resume work)
                    Expect.equal code 2 said
                    expectParts said [ "Read-only file system"; "work" ]
                    let code, said = run (arguments data (Path.Combine(disk.Folder, "other")))
                    Expect.equal code 2 said
                    expectParts said [ "Read-only file system"; "other" ]
                    disk.SetReadOnly false
                    let code, said = run (resume work)
                    Expect.equal code 0 said
                    Expect.equal (results work) wanted "afterwards")
        ]
