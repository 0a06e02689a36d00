/// Many at a time, with a real network.
module DeqDet.Tests.LoadTests

open System
open System.Net
open System.Net.Http
open System.Text.Json
open System.Threading.Tasks
open Expecto
open TorchSharp
open DeqDet
open DeqDet.Detection
open DeqDet.Images
open DeqDet.Model
open DeqDet.Serving
open DeqDet.Serving.Measures
open DeqDet.Tests.Fakes
open DeqDet.Tests.SettingsFiles

let private model () : TrainedModel =
    let settings =
        Settings.SettingsFile.load
            (config "shapes")
            [
                "classes=3"
                "backbone.width=8"
                "head.channels=32"
                "head.feed_forward=32"
                "queries.count=6"
                "queries.detections=6"
                "solver.steps=4"
                "rag.supervised=[1,4]"
                "data.resize.short_side=64"
                "data.resize.long_max=128"
            ]

    {
        Detector = Detector.initialise settings.Detector 5UL torch.CPU
        Settings = settings
        Classes =
            [|
                for i in 0..2 ->
                    {
                        Id = CocoId(int64 i)
                        Name = $"class {i}"
                    }
            |]
        TrainedOn = None
        Thresholds = None
    }

/// Noise: pictures of different seeds have different scores.
let private noise (seed: int) (width: int) (height: int) =
    let pixels = Array.zeroCreate (width * height * 3)
    Random(seed).NextBytes pixels
    RgbImage(pixels, width, height)

/// Label, query, score, right and lower edge of each.
let private numbers (findings: Finding seq) =
    [
        for finding in findings ->
            finding.Label, finding.Query, [ finding.Score; finding.Box.X2 / 100.0f; finding.Box.Y2 / 100.0f ]
    ]

let private numbersOf (answer: JsonElement) =
    [
        for found in answer.GetProperty("detections").EnumerateArray() ->
            let box = found.GetProperty "box"
            let edge (place: int) = box.Item(place).GetSingle() / 100.0f

            found.GetProperty("label").GetInt32(),
            found.GetProperty("query").GetInt32(),
            [ found.GetProperty("score").GetSingle(); edge 2; edge 3 ]
    ]

/// How far two answers are apart: the largest difference of a number, infinity where queries or labels differ.
let private distance (a: (int * int * float32 list) list) (b: (int * int * float32 list) list) : float32 =
    if
        [ for label, query, _ in a -> label, query ]
        <> [ for label, query, _ in b -> label, query ]
    then
        infinityf
    else
        List.zip a b
        |> List.collect (fun ((_, _, x), (_, _, y)) -> List.map2 (fun p q -> abs (p - q)) x y)
        |> List.max

/// Asks until there is an answer, which has to be the expected one; gives how often the service was busy.
let private ask (client: HttpClient) (file: byte[]) (expected: (int * int * float32 list) list) : Task<int> =
    task {
        let mutable refused = 0
        let mutable response = null
        let! first = post client "detect" (body "image/png" file)
        response <- first

        while response.StatusCode = HttpStatusCode.TooManyRequests do
            Expect.isTrue response.Headers.RetryAfter.Delta.HasValue "when to come back"
            refused <- refused + 1
            // a test has no time for whole seconds
            do! Task.Delay 50
            let! next = post client "detect" (body "image/png" file)
            response <- next

        let! answer = json "application/json" response
        Expect.isLessThan (distance (numbersOf answer) expected) 1e-3f "its own answer"
        return refused
    }

[<Tests>]
let tests =
    testSequenced
    <| testList
        "Load"
        [
            testCaseTask "of 200 clients at once each gets the answer to its own picture, at once or when it comes back"
            <| fun () ->
                task {
                    use session = DetectorSession.Of(model (), torch.CPU)
                    // two sizes of the network's input; within one the pictures' own sizes differ, and so do boxes
                    let pictures =
                        [
                            for i in 0..19 ->
                                if i % 2 = 0 then
                                    noise i (80 + i / 2) 60
                                else
                                    noise i 60 (80 + i / 2)
                        ]

                    let alone = [ for picture in pictures -> numbers (session.Detect picture) ]

                    for i in 0..19 do
                        for j in 0 .. i - 1 do
                            Expect.isGreaterThan (distance alone[i] alone[j]) 5e-3f "the pictures can be told apart"

                    let options = ServingOptions(QueueLength = 24, Threshold = Nullable 0.0)

                    do!
                        withServer (SessionPredictor session) options (fun server client ->
                            task {
                                let files = [ for picture in pictures -> png picture ]

                                let! refusals =
                                    Task.WhenAll [ for i in 0..199 -> ask client files[i % 20] alone[i % 20] ]


                                do!
                                    eventually "all are answered" (fun () ->
                                        server.Service.Measures.Now()[RequestOutcome.Answered] = 200L)

                                let requests = server.Service.Measures.Now()
                                Expect.equal requests[RequestOutcome.Busy] (int64 (Array.sum refusals)) "or came back"
                                Expect.equal requests[RequestOutcome.Failed] 0L "none failed"
                                Expect.isGreaterThan (Array.sum refusals) 0 "the queue was full at times"
                                Expect.isGreaterThan requests.MeanBatch 1.5 "they went through the network together"
                                do! memoryGivenBack server
                            })
                }

            testCaseTask "a tolerance of a request is its own: fewer steps, with the model's settings unchanged"
            <| fun () ->
                task {
                    use session = DetectorSession.Of(model (), torch.CPU)

                    do!
                        withServer
                            (SessionPredictor session)
                            (ServingOptions(Threshold = Nullable 0.0))
                            (fun _ client ->
                                task {
                                    let steps query =
                                        task {
                                            let! response =
                                                post client $"detect{query}" (body "image/png" (png (noise 3 80 60)))

                                            let! answer = json "application/json" response
                                            return answer.GetProperty("refinement").GetProperty("steps").GetInt32()
                                        }

                                    let! all = steps ""
                                    let! loose = steps "?tolerance=1"
                                    let! again = steps ""
                                    Expect.equal (all, again) (5, 5) "all steps"
                                    Expect.isLessThan loose 5 "fewer"
                                })
                }
        ]
