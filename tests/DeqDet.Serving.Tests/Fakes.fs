/// What the tests of the service share: pictures with a number in them, something that finds it, and servers on loopback.
module DeqDet.Tests.Fakes

open System
open System.Collections.Concurrent
open System.Collections.Generic
open System.Net
open System.Net.Http
open System.Net.Http.Headers
open System.Text.Json
open System.Threading
open System.Threading.Tasks
open Expecto
open DeqDet
open DeqDet.Coco
open DeqDet.Detection
open DeqDet.Images
open DeqDet.Serving

/// A picture that holds a number of up to 16 bits in its pixels.
let picture (width: int) (height: int) (number: int) : RgbImage =
    let pixels = Array.zeroCreate<byte>(width * height * 3)

    for at in 0..3 .. pixels.Length - 1 do
        pixels[at] <- byte number
        pixels[at + 1] <- byte (number >>> 8)

    RgbImage(pixels, width, height)

/// The number in a picture.
let numberIn (picture: RgbImage) =
    int picture.Pixels[0] ||| (int picture.Pixels[1] <<< 8)

/// A picture as a PNG file.
let png (picture: RgbImage) =
    PngWriter.Encode(ReadOnlySpan picture.Pixels, picture.Width, picture.Height)

/// The picture with this number makes the prediction fail.
let poison = 666

/// Finds one object in a picture: its left edge is the picture's number, its score 0.5. It can be made to wait.
type Fake(?hasEquilibrium: bool) =
    let batches = ConcurrentQueue<int list>()
    let gate = new ManualResetEventSlim true
    let mutable calls = 0

    /// What went through it together, without the first call, by which a service warms up.
    member _.Batches: int list list = List.ofSeq batches

    /// Predictions that have started, that first one included.
    member _.Calls: int = Volatile.Read &calls

    /// From here on predictions wait.
    member _.Hold() = gate.Reset()
    member _.Release() = gate.Set()

    interface IPredictor with
        member _.Facts =
            DetectorFacts(
                [| { Id = CocoId 7L; Name = "ball" } |],
                [| 0.3 |],
                (if defaultArg hasEquilibrium true then
                     Nullable 20
                 else
                     Nullable()),
                Nullable(),
                16
            )

        member _.InputSize picture = struct (picture.Width, picture.Height)
        member _.Together(_, most) = most

        member _.Predict(pictures, _, cancellation) =
            let first = Interlocked.Increment &calls = 1
            let numbers = [ for picture in pictures -> numberIn picture ]

            if not first then
                gate.Wait cancellation
                batches.Enqueue numbers

            if List.contains poison numbers then
                failwith "poisoned"

            [|
                for number in numbers ->
                    {
                        Findings =
                            [|
                                {
                                    Class = { Id = CocoId 7L; Name = "ball" }
                                    Label = 0
                                    Score = 0.5f
                                    Box = Box(float32 number, 1.0f, float32 number + 2.0f, 3.0f)
                                    Query = 0
                                    Report = None
                                }
                            |]
                        Refinement = [||]
                    }
            |]
            :> IReadOnlyList<Prediction>

/// A test that is a task, with `use` for what is disposed of at once.
let testCaseTask (name: string) (test: unit -> Task<unit>) : Test =
    testCase name (fun () -> (test ()).GetAwaiter().GetResult())

/// Waits until something holds; fails the test when it does not within a minute.
let eventually (what: string) (holds: unit -> bool) : Task =
    task {
        let deadline = DateTime.UtcNow.AddMinutes 1.0

        while not (holds ()) do
            Expect.isLessThan DateTime.UtcNow deadline what
            do! Task.Delay 5
    }

/// Runs a test with a server on a free port of loopback, and a client for it.
let withServer (predictor: IPredictor) (options: ServingOptions) (test: DetectionServer -> HttpClient -> Task<unit>) =
    task {
        use! server = DetectionServer.Start(predictor, options, IPAddress.Loopback, 0)
        use client = new HttpClient(BaseAddress = server.Address)
        client.Timeout <- TimeSpan.FromMinutes 1.0
        do! test server client
    }

/// A body of bytes with a type.
let body (mediaType: string) (bytes: byte[]) : HttpContent =
    let content = new ByteArrayContent(bytes)
    content.Headers.ContentType <- MediaTypeHeaderValue.Parse mediaType
    content

let post (client: HttpClient) (path: string) (content: HttpContent) : Task<HttpResponseMessage> =
    client.PostAsync(path, content)

/// The object in an answer, which has to be JSON of a type.
let json (mediaType: string) (response: HttpResponseMessage) : Task<JsonElement> =
    task {
        let! text = response.Content.ReadAsStringAsync()
        Expect.equal response.Content.Headers.ContentType.MediaType mediaType text
        return JsonDocument.Parse(text).RootElement
    }

/// The number that a fake found, from an answer.
let foundNumber (answer: JsonElement) : int =
    let box = answer.GetProperty("detections").Item(0).GetProperty("box")
    int (box.[0].GetDouble())

/// No request holds memory any more, as soon as the last answer is out.
let memoryGivenBack (server: DetectionServer) : Task =
    eventually "all memory is given back" (fun () -> server.Service.Memory.Held = 0L)

/// The metrics have these words, as soon as the last answer is out.
let metricsSay (client: HttpClient) (words: string) : Task =
    eventually $"the metrics say '{words}'" (fun () -> client.GetStringAsync("metrics").Result.Contains words)
