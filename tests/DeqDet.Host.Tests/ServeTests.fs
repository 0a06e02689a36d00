/// The service as a program: what its options mean, how it refuses to start, and how it ends.
module DeqDet.Tests.ServeTests

open System
open System.Diagnostics
open System.IO
open System.Net
open System.Net.Http
open System.Net.Sockets
open System.Runtime.InteropServices
open System.Text.Json
open System.Text.Json.Nodes
open System.Text.RegularExpressions
open Expecto
open TorchSharp
open DeqDet
open DeqDet.Checkpoints
open DeqDet.CommandLine
open DeqDet.Host.Commands
open DeqDet.Model
open DeqDet.Serving
open DeqDet.Settings
open DeqDet.Tests.SettingsFiles

[<DllImport("libc", SetLastError = true)>]
extern int private kill(int pid, int signal)

let private sigTerm = 15

let private requestOf (arguments: string list) : ServeRequest =
    match RequestParser.parse (Array.ofList ("serve" :: "w" :: arguments)) with
    | Request.Serve request -> request
    | other -> failtest $"%A{other}"

/// A checkpoint of a small detector with random weights.
let private withCheckpoint (test: string -> unit) =
    let folder = Directory.CreateTempSubdirectory("deqdet-serve-").FullName

    try
        let settings =
            SettingsFile.load
                (config "shapes")
                [
                    "classes=2"
                    "backbone.width=8"
                    "head.channels=32"
                    "head.feed_forward=32"
                    "queries.count=6"
                    "queries.detections=6"
                ]

        let detector = Detector.initialise settings.Detector 5UL torch.CPU
        let path = Path.Combine(folder, "best.safetensors")

        CheckpointFile.Write(
            path,
            [ for spec, tensor in detector.Tensors -> struct (spec.Name, tensor) ],
            CheckpointInfo(
                SettingsFile.toJson settings,
                [| for name in [ "a"; "b" ] -> { Id = CocoId 1L; Name = name } |]
                |> Array.mapi (fun i kind -> { kind with Id = CocoId(int64 i) }),
                CheckpointProgress(0, 0L),
                5UL,
                "test",
                JsonObject()
            )
        )

        Detector.dispose detector
        test path
    finally
        Directory.Delete(folder, true)

let private minute = TimeSpan.FromMinutes 1.0

[<Tests>]
let tests =
    testSequenced
    <| testList
        "Serve"
        [
            testCase "without arguments everything is as the service has it, and help says so"
            <| fun () ->
                let usual, options = ServingOptions(), ServeCommand.OptionsOf(requestOf [])
                Expect.equal options (ServingOptions(Name = "w")) "the service's own"

                match RequestParser.parse [| "serve"; "--help" |] with
                | Request.Help text ->
                    let text = text.Replace("\n" + String(' ', 24), " ")

                    expectParts
                        text
                        [
                            $"waits for others. Default: {usual.BatchWindow.TotalMilliseconds}."
                            $"come back (429). Default: {usual.QueueLength}."
                            $"then to be answered. Default: {usual.Timeout.TotalSeconds}."
                            $"units of 2^20 bytes. Default: {usual.MaxBodyBytes >>> 20}."
                            $"refused undecoded. Default: {usual.MaxPixels / 1_000_000L}."
                            $"bodies and pixels. Default: {usual.MemoryBytes >>> 20}."
                        ]
                | other -> failtest $"%A{other}"

            testCase "each argument changes its option, in its unit"
            <| fun () ->
                let options =
                    [
                        "--threshold 0.5 --batch-size 3 --batch-window 2.5 --queue 7 --timeout 1.5"
                        "--max-body 2 --max-pixels 1.5 --memory 40"
                    ]
                    |> List.collect (fun text -> List.ofArray (text.Split ' '))
                    |> requestOf
                    |> ServeCommand.OptionsOf

                Expect.equal
                    options
                    (ServingOptions(
                        Name = "w",
                        Threshold = Nullable 0.5,
                        BatchSize = Nullable 3,
                        BatchWindow = TimeSpan.FromMilliseconds 2.5,
                        QueueLength = 7,
                        Timeout = TimeSpan.FromSeconds 1.5,
                        MaxBodyBytes = (2L <<< 20),
                        MaxPixels = 1_500_000L,
                        MemoryBytes = (40L <<< 20)
                    ))
                    "options"

            testCase "memory for less than one picture is refused, with what is needed"
            <| fun () ->
                let message =
                    complaint (fun () -> ServeCommand.OptionsOf(requestOf [ "--memory"; "100" ]))
                // 32 MiB and 150 million bytes
                expectParts message [ "--memory 100"; "--memory 176" ]
                ServeCommand.OptionsOf(requestOf [ "--memory"; "176" ]) |> ignore

            testCase "an address is one of IP"
            <| fun () ->
                Expect.equal (ServeCommand.AddressOf "localhost") IPAddress.Loopback "localhost"
                Expect.equal (ServeCommand.AddressOf "::1") IPAddress.IPv6Loopback "version 6"
                let message = complaint (fun () -> ServeCommand.AddressOf "my-machine")
                expectParts message [ "--address my-machine"; "0.0.0.0" ]

            testCase "a checkpoint that is not there, is damaged or is of a newer version ends it with exit code 2"
            <| fun () ->
                withCheckpoint (fun path ->
                    let ofNewer = path + ".newer.safetensors"
                    let bytes = File.ReadAllBytes path
                    let header = Text.Encoding.Latin1.GetString bytes
                    let at = header.IndexOf("deqdet-checkpoint-", StringComparison.Ordinal)
                    Expect.isGreaterThan at 0 "the header has its format"
                    bytes[at + 18] <- byte '9'
                    File.WriteAllBytes(ofNewer, bytes)
                    let cut = path + ".cut.safetensors"
                    File.WriteAllBytes(cut, bytes[..1000])

                    for file, word in [ path + "x", "no such"; ofNewer, "newer"; cut, "" ] do
                        let code, said = RunProgram.run [ "serve"; file; "--port"; "0"; "--device"; "cpu" ]
                        Expect.equal code 2 said
                        expectParts said [ "error: "; Path.GetFileName file; word ])

            testCase "a port in use ends it with exit code 2"
            <| fun () ->
                withCheckpoint (fun path ->
                    use other = new TcpListener(IPAddress.Loopback, 0)
                    other.Start()
                    let port = (other.LocalEndpoint :?> IPEndPoint).Port

                    let code, said =
                        RunProgram.run [ "serve"; path; "--port"; string port; "--device"; "cpu" ]

                    Expect.equal code 2 said
                    expectParts said [ $"127.0.0.1:{port}: the port is in use"; "0 for any" ])

            // Windows has no signals between processes
            if not (OperatingSystem.IsWindows()) then
                testCase $"SIGTERM ends it after what is on its way, with exit code {128 + sigTerm}"
                <| fun () ->
                    withCheckpoint (fun path ->
                        let program = typeof<DeqDet.Host.Program>.Assembly.Location

                        let arguments =
                            $"{program} serve {path} --port 0 --device cpu --threads 1 --batch-window 1000"

                        let info = ProcessStartInfo("dotnet", arguments.Split ' ')
                        info.RedirectStandardOutput <- true
                        info.RedirectStandardError <- true
                        use started = Process.Start info

                        try
                            let line = started.StandardOutput.ReadLine()
                            let address = Regex.Match(line, "http://127.0.0.1:\\d+/")
                            Expect.isTrue address.Success line
                            use client = new HttpClient(BaseAddress = Uri address.Value, Timeout = minute)
                            let pixels = Array.create (64 * 48 * 3) 100uy

                            let picture =
                                new ByteArrayContent(DeqDet.Images.PngWriter.Encode(ReadOnlySpan pixels, 64, 48))

                            // it waits a second for others, and is not kept waiting when the service is to end
                            let answer = client.PostAsync("detect?threshold=0", picture)

                            // on a busy machine its second may be over already
                            let isThere () =
                                let text = client.GetStringAsync("metrics?format=json").Result
                                let metrics = JsonDocument.Parse(text).RootElement
                                let waiting = metrics.GetProperty("queue").GetProperty "waiting"
                                let answered = metrics.GetProperty("requests").GetProperty "answered"
                                waiting.GetInt32() + answered.GetInt32() = 1

                            let clock = Stopwatch.StartNew()

                            while not (isThere ()) do
                                Expect.isLessThan clock.Elapsed minute "it is there"

                            kill (started.Id, sigTerm) |> ignore
                            let answer = answer.Result
                            let text = answer.Content.ReadAsStringAsync().Result
                            Expect.equal answer.StatusCode HttpStatusCode.OK text
                            let found = JsonDocument.Parse(text).RootElement.GetProperty "detections"
                            Expect.equal (found.GetArrayLength()) 6 "all queries"
                            let said = started.StandardOutput.ReadToEnd() + started.StandardError.ReadToEnd()
                            Expect.isTrue (started.WaitForExit minute) "it ends"
                            Expect.equal started.ExitCode (128 + sigTerm) said
                            expectParts said [ "1 answered, 0 refused" ]
                        finally
                            if not started.HasExited then
                                started.Kill()
                                started.WaitForExit())
        ]
