/// What signals do to a training: the program as a process of its own.
module DeqDet.Tests.SignalTests

open System
open System.Diagnostics
open System.IO
open System.Runtime.InteropServices
open System.Threading
open Expecto
open DeqDet.Checkpoints
open DeqDet.Tests.SettingsFiles

[<DllImport("libc", SetLastError = true)>]
extern int private kill(int pid, int signal)

let private sigInt, private sigTerm = 2, 15

let private settings =
    [
        "data.shapes.train_images=12"
        "data.shapes.val_images=2"
        "train.batch_size=4"
        "train.epochs=1000"
        "train.evaluate_every=1000"
        "train.log_every=1"
        "train.try_largest=false"
        "backbone.width=8"
        "head.channels=32"
        "head.feed_forward=32"
        "solver.steps=4"
        "rag.supervised=[1,4]"
        "queries.count=8"
    ]

/// Starts a training in a folder; `test` gets the process and its work folder, and is given a minute for each thing it waits for.
let private withTraining (more: string list) (test: Process -> string -> unit) =
    let folder = Directory.CreateTempSubdirectory("deqdet-signal-").FullName
    let work = Path.Combine(folder, "work")

    let info =
        ProcessStartInfo(
            "dotnet",
            [
                typeof<DeqDet.Host.Program>.Assembly.Location
                "train"
                config "shapes"
                "--data"
                Path.Combine(folder, "data")
                "--work-dir"
                work
                "--device"
                "cpu"
                "--threads"
                "1"
                for assignment in settings @ more do
                    "--set"
                    assignment
            ]
        )

    info.RedirectStandardOutput <- true
    use started = Process.Start info

    try
        test started work
    finally
        if not started.HasExited then
            started.Kill()
            started.WaitForExit()

        Directory.Delete(folder, true)

let private minute = TimeSpan.FromMinutes 1.0

/// Waits until a file has at least so many lines.
let private waitForLines (count: int) (work: string) (started: Process) =
    let file = Path.Combine(work, "metrics.jsonl")
    let clock = Stopwatch.StartNew()

    while not (File.Exists file && (File.ReadAllLines file).Length >= count) do
        Expect.isFalse started.HasExited "it trains"
        Expect.isLessThan clock.Elapsed minute "it comes so far"
        Thread.Sleep 5

[<Tests>]
let tests =
    testSequenced
    <| testList
        "Signals"
        [
            // Windows has no signals between processes
            if not (OperatingSystem.IsWindows()) then
                for signal, name in [ sigInt, "SIGINT"; sigTerm, "SIGTERM" ] do
                    testCase $"{name} ends a training after its step, with its state saved and exit code {128 + signal}"
                    <| fun () ->
                        withTraining [] (fun started work ->
                            waitForLines 2 work started
                            kill (started.Id, signal) |> ignore
                            let said = started.StandardOutput.ReadToEnd()
                            Expect.isTrue (started.WaitForExit minute) "it ends"
                            Expect.equal started.ExitCode (128 + signal) said
                            let lines = File.ReadAllLines(Path.Combine(work, "metrics.jsonl"))
                            use file = CheckpointFile.Open(Path.Combine(work, "latest.safetensors"))
                            Expect.equal file.Info.Progress.Step (int64 lines.Length) "every step is saved"
                            expectParts said [ $"Stopped after step {lines.Length}"; "train --resume" ])

                testCase "a second signal ends a training at once, within its step"
                <| fun () ->
                    // one step takes seconds: nothing but the second signal can end it so early
                    let slow = [ "solver.steps=1500"; "rag.supervised=[1,1500]" ]

                    withTraining slow (fun started work ->
                        waitForLines 1 work started
                        Thread.Sleep 200
                        kill (started.Id, sigTerm) |> ignore
                        Thread.Sleep 300
                        Expect.isFalse started.HasExited "it finishes its step first"
                        kill (started.Id, sigTerm) |> ignore
                        let said = started.StandardOutput.ReadToEnd()
                        Expect.isTrue (started.WaitForExit minute) "it ends"
                        Expect.equal started.ExitCode (128 + sigTerm) said
                        Expect.isFalse (said.Contains "Stopped after") "the second step was not finished"
                        Expect.isFalse (File.Exists(Path.Combine(work, "latest.safetensors"))) "nothing was saved")
        ]
