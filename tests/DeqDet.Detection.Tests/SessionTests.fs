/// A detector as a program uses it: opened, asked, disposed.
module DeqDet.Tests.SessionTests

open System
open System.IO
open System.Threading
open Expecto
open TorchSharp
open DeqDet
open DeqDet.Checkpoints
open DeqDet.Detection
open DeqDet.Images
open DeqDet.Kernels
open DeqDet.Model
open DeqDet.Settings
open DeqDet.Tests.SettingsFiles

let private settings (assignments: string list) : Settings =
    SettingsFile.load
        (config "shapes")
        ([
            "classes=3"
            "backbone.width=8"
            "head.channels=32"
            "head.feed_forward=32"
            "queries.count=6"
            "queries.detections=6"
            "data.resize.short_side=64"
            "data.resize.long_max=128"
         ]
         @ assignments)

let private classes =
    [|
        for i in 0..2 ->
            {
                Id = CocoId(int64 (10 * i + 5))
                Name = $"class {i}"
            }
    |]

let private model (assignments: string list) : TrainedModel =
    let settings = settings assignments

    {
        Detector = Detector.initialise settings.Detector 5UL torch.CPU
        Settings = settings
        Classes = classes
        TrainedOn = None
        Thresholds = None
    }

let private picture (seed: int) (width: int) (height: int) : RgbImage =
    let pixels = Array.zeroCreate (width * height * 3)
    Random(seed).NextBytes pixels
    RgbImage(pixels, width, height)

let private numbers (findings: Finding seq) =
    [
        for finding in findings ->
            let box = finding.Box
            finding.Label, finding.Query, [ finding.Score; box.X1; box.Y1; box.X2; box.Y2 ]
    ]

let private near (a: (int * int * float32 list) list) (b: (int * int * float32 list) list) =
    a.Length = b.Length
    && List.forall2
        (fun (label, query, x) (label', query', y) ->
            label = label'
            && query = query'
            && List.forall2 (fun (p: float32) q -> abs (p - q) <= 1e-3f * (1.0f + abs q)) x y)
        a
        b

/// What a network reads out of one picture: a single box, of class 2, by query 3.
let private reading (corners: float32[]) : Model.Detections =
    {
        Scores = torch.tensor([| 0.5f |]).reshape(1L, 1L)
        Labels = torch.tensor([| 2L |]).reshape(1L, 1L)
        Boxes = torch.tensor(corners).reshape(1L, 1L, 4L)
        Queries = torch.tensor([| 3L |]).reshape(1L, 1L)
        Reports = [||]
        State =
            {
                Position = torch.zeros 1L
                Content = torch.zeros 1L
                Box = torch.zeros 1L
            }
        Warm = false
    }

let private withCheckpoint (assignments: string list) (test: string -> unit) =
    let folder = Directory.CreateTempSubdirectory("deqdet-session-").FullName

    try
        let path = Path.Combine(folder, "best.safetensors")
        let model = model assignments

        CheckpointFile.Write(
            path,
            [ for spec, tensor in model.Detector.Tensors -> struct (spec.Name, tensor) ],
            CheckpointInfo(
                SettingsFile.toJson model.Settings,
                classes,
                CheckpointProgress(0, 0L),
                5UL,
                "test",
                System.Text.Json.Nodes.JsonObject()
            )
        )

        TrainedModel.dispose model
        test path
    finally
        Directory.Delete(folder, true)

[<Tests>]
let tests =
    testSequenced
    <| testList
        "Session"
        [
            testCase "opened, asked and disposed, it leaves no tensor behind"
            <| fun () ->
                withCheckpoint [] (fun path ->
                    let round () =
                        use session = DetectorSession.Open path
                        session.Detect(picture 1 80 60) |> ignore
                        session.Detect([ picture 2 80 60; picture 3 60 80 ]) |> ignore
                        use frames = new FrameSequence(session)
                        use batch = ImageBatching.ofImages session.Model.Settings.Data [ picture 4 80 60 ]
                        frames.Next(batch, CancellationToken.None) |> ignore
                        frames.Next(batch, CancellationToken.None) |> ignore
                        session.Follow(batch, 4, (fun _ -> true), CancellationToken.None) |> ignore

                    // what libtorch and the settings make once
                    round ()
                    // what other tests left to the collector must not go meanwhile
                    GC.Collect()
                    GC.WaitForPendingFinalizers()
                    let before = torch.Tensor.TotalCount
                    round ()
                    Expect.equal torch.Tensor.TotalCount before "tensors alive")

            testCase "after Dispose it says so, and Dispose can be called again"
            <| fun () ->
                withCheckpoint [] (fun path ->
                    let session = DetectorSession.Open path
                    (session :> IDisposable).Dispose()
                    (session :> IDisposable).Dispose()

                    Expect.throwsT<ObjectDisposedException>
                        (fun () -> session.Detect(picture 1 80 60) |> ignore)
                        "disposed")

            testCase "a session over somebody else's model leaves it alone"
            <| fun () ->
                let model = model []

                do
                    use session = DetectorSession.Over(model, torch.CPU)
                    session.Detect(picture 1 80 60) |> ignore

                Expect.isFalse (snd model.Detector.Tensors.Head).IsInvalid "its weights are alive"
                TrainedModel.dispose model

            testCase "a finding has the class's name and id, the query and what was measured of it"
            <| fun () ->
                withCheckpoint [] (fun path ->
                    use session = DetectorSession.Open(path, torch.CPU, Nullable 1)
                    let found = session.Detect(picture 1 80 60)
                    Expect.equal found.Count 6 "as many as the settings want"

                    for finding in found do
                        Expect.equal finding.Name $"class {finding.Label}" "name"
                        Expect.equal finding.Class.Id (CocoId(int64 (10 * finding.Label + 5))) "id"
                        Expect.isTrue (finding.Residual.HasValue && finding.Steps.Value = 21) "refinement"
                        Expect.isTrue (finding.Query >= 0 && finding.Query < 6) "query"

                    let scores = [ for finding in found -> finding.Score ]
                    Expect.equal scores (List.sortDescending scores) "best first")

            testCase "in bfloat16 a session finds the same up to its rounding, or says what the processor lacks"
            <| fun () ->
                withCheckpoint [ "precision=bf16" ] (fun path ->
                    match Computation.Lacking Precision.Bf16 with
                    | null ->
                        use reduced = DetectorSession.Open(path, torch.CPU)
                        Expect.equal reduced.Model.Detector.Computation.Precision Precision.Bf16 "as the settings say"

                        let scores (session: DetectorSession) =
                            [ for finding in session.Detect(picture 1 80 60) -> float finding.Score ]
                            |> List.max

                        let exact =
                            TrainedModel.load path torch.CPU
                            |> TrainedModel.withDetectorSettings (fun settings ->
                                { settings with Precision = Float32 })

                        use exact = DetectorSession.Of(exact, torch.CPU)

                        Expect.floatClose
                            { absolute = 0.02; relative = 0.05 }
                            (scores reduced)
                            (scores exact)
                            "best score"
                    | lacking ->
                        let error =
                            Expect.throwsC (fun () -> DetectorSession.Open(path, torch.CPU) |> ignore) (fun error ->
                                error.Message)

                        Expect.stringContains error lacking "what is missing")

            testCase "a model without equilibrium has no residuals"
            <| fun () ->
                withCheckpoint [ "kind=ffndet"; "head.stages=2" ] (fun path ->
                    use session = DetectorSession.Open path

                    for finding in session.Detect(picture 1 80 60) do
                        Expect.isFalse finding.Residual.HasValue "residual"
                        Expect.isFalse finding.Steps.HasValue "steps")

            testCase "a prediction that is followed is the same one, and its states lead there"
            <| fun () ->
                for assignments, states in
                    [
                        [ "solver.steps=4"; "rag.supervised=[1,4]" ], 6
                        [ "kind=adamixer"; "head.stages=3" ], 3
                    ] do
                    withCheckpoint assignments (fun path ->
                        use session = DetectorSession.Open path
                        session.Times <- PartTimes()
                        use batch = ImageBatching.ofImages session.Model.Settings.Data [ picture 1 301 200 ]
                        let expected = session.Predict(batch, CancellationToken.None)[0]
                        let best = expected.Findings[0]

                        let struct (prediction, followed) =
                            session.Follow(
                                batch,
                                4,
                                (fun finding -> finding.Query = best.Query),
                                CancellationToken.None
                            )

                        Expect.isTrue (near (numbers expected.Findings) (numbers prediction.Findings)) "the same"
                        Expect.equal followed.States states "states"
                        Expect.equal followed.HasEquilibrium (states = 6) "stages or an equilibrium"
                        Expect.hasLength followed.Queries 4 "as many as were asked for"

                        Expect.equal
                            [ for query in followed.Queries -> query.IsKept ]
                            [ true; false; false; false ]
                            "what was kept comes first"

                        let last (query: FollowedQuery) = Array.last query.Moments
                        let others = [ for query in Array.tail followed.Queries -> (last query).Score ]
                        Expect.equal others (List.sortDescending others) "then the surest others"
                        let first = followed.Queries[0]
                        Expect.equal first.Query best.Query "its query"
                        let box = (last first).Box

                        for a, b in [ box.X1, best.Box.X1; box.Y2, best.Box.Y2; (last first).Score, best.Score ] do
                            Expect.isLessThan (abs (a - b)) (1e-3f * (1.0f + abs b)) "what was read out"

                        Expect.equal (last first).Label best.Label "its class"
                        let looked = if states = 6 then 6 else 2
                        Expect.hasLength first.Points looked "where it looks, as long as something follows"
                        let points = first.Points[0].Length / 2
                        Expect.equal first.LevelWeights[0].Length (4 * points) "a weight for each level"

                        for query in followed.Queries do
                            for weights in query.LevelWeights do
                                for point in Array.chunkBySize 4 weights do
                                    Expect.isLessThan (abs (Array.sum point - 1.0f)) 1e-4f "of one in all"

                        // the first box is the whole picture, and the points of a new head lie on a grid in it
                        for i, place in Array.indexed first.Points[0] do
                            Expect.isTrue
                                (place > 0.0f && place < (if i % 2 = 0 then 301.0f else 200.0f))
                                "in px of the picture"

                        Expect.equal followed.Strides[0] (4.0 / float batch.Images[0].ScaleX) "strides, too")

                withCheckpoint [] (fun path ->
                    use session = DetectorSession.Open path

                    use two =
                        ImageBatching.ofImages session.Model.Settings.Data [ picture 1 80 60; picture 2 80 60 ]

                    Expect.throwsT<ArgumentException>
                        (fun () -> session.Follow(two, 4, (fun _ -> true), CancellationToken.None) |> ignore)
                        "one at a time")

            testCase "many images in one call are those of one at a time, in their order"
            <| fun () ->
                withCheckpoint [] (fun path ->
                    use session = DetectorSession.Open path

                    let pictures =
                        [
                            for i, (w, h) in List.indexed [ 80, 60; 60, 80; 80, 60; 96, 64; 80, 60 ] -> picture i w h
                        ]

                    for batchSize in [ 1; 2; 4 ] do
                        let together = session.Detect(pictures, batchSize)

                        for picture, found in Seq.zip pictures together do
                            Expect.isTrue
                                (near (numbers found) (numbers (session.Detect picture)))
                                $"{picture.Width} x {picture.Height} in batches of {batchSize}")

            testCase "many images come one by one, those of one size computed together when the first of them is wanted"
            <| fun () ->
                withCheckpoint [] (fun path ->
                    use session = DetectorSession.Open path
                    use cancellation = new CancellationTokenSource()

                    let pictures =
                        [ picture 0 80 60; picture 1 60 80; picture 2 80 60; picture 3 60 80 ]

                    use predictions =
                        session.PredictEach(pictures, 2, cancellation.Token).GetEnumerator()

                    Expect.isTrue (predictions.MoveNext()) "the first"
                    Expect.isTrue (predictions.MoveNext()) "the second, of another size"
                    // whatever is computed from here on raises
                    cancellation.Cancel()

                    for number in 2..3 do
                        Expect.isTrue (predictions.MoveNext()) "computed with its like"

                        Expect.isTrue
                            (near (numbers predictions.Current.Findings) (numbers (session.Detect pictures[number])))
                            "its own findings"

                    Expect.isFalse (predictions.MoveNext()) "no more"

                    Expect.throwsT<OperationCanceledException>
                        (fun () -> session.PredictEach(pictures, 2, cancellation.Token) |> Seq.head |> ignore)
                        "cancelled before the first")

            testCase
                "as many small pictures as are allowed go through the network together, on the CPU fewer large ones"
            <| fun () ->
                let together device size = ImageBatching.together device 8 size
                Expect.equal (together DeviceType.CPU (struct (128, 96))) 8 "small"
                Expect.equal (together DeviceType.CPU (struct (448, 320))) 3 "middle"
                Expect.equal (together DeviceType.CPU (struct (1344, 800))) 1 "large"
                Expect.equal (together DeviceType.CUDA (struct (1344, 800))) 8 "on an accelerator"

            testCase "boxes are in the picture's own pixels, x and y each by its own factor"
            <| fun () ->
                // a box over the whole network input is one over the whole picture, whatever the resize did
                let model = model []

                let found = reading [| 0.0f; 0.0f; 96.0f; 64.0f |]

                // 301 x 200 -> 96 x 64: the factors differ
                use batch = ImageBatching.ofImages model.Settings.Data [ picture 1 301 200 ]
                Expect.notEqual batch.Images[0].ScaleX batch.Images[0].ScaleY "the factors differ"
                let prediction = (Prediction.ofBatch classes batch found)[0]
                let box = prediction.Findings[0].Box
                Expect.floatClose { absolute = 1e-3; relative = 0.0 } (float box.X2) 301.0 "right edge"
                Expect.floatClose { absolute = 1e-3; relative = 0.0 } (float box.Y2) 200.0 "lower edge"
                TrainedModel.dispose model

            testCase "a session's boxes are in the picture's own pixels"
            <| fun () ->
                // the box layers of a new model are zero, so every query keeps its first box: the whole picture, without the padding
                withCheckpoint [] (fun path ->
                    use session = DetectorSession.Open path
                    let sizes = [ 301, 200; 77, 130; 1000, 70; 64, 64 ]
                    let pictures = [ for i, (w, h) in List.indexed sizes -> picture i w h ]

                    for (width, height), found in Seq.zip sizes (session.Detect pictures) do
                        Expect.equal found.Count 6 "as many as the settings want"

                        for finding in found do
                            let box = finding.Box

                            for corner, expected in
                                [ box.X1, 0.0; box.Y1, 0.0; box.X2, float width; box.Y2, float height ] do
                                Expect.floatClose
                                    { absolute = 0.02; relative = 0.0 }
                                    (float corner)
                                    expected
                                    $"{width} x {height}: {box}")

            testCase "each corner is checked on its own: opposite infinities are no finite box, large ones are"
            <| fun () ->
                let largest = Single.MaxValue

                for corners, kept in
                    [
                        [| 0.0f; 0.0f; 1.0f; 1.0f |], true
                        [| -infinityf; 0.0f; infinityf; 1.0f |], false
                        [| nanf; 0.0f; 1.0f; 1.0f |], false
                        [| largest; largest; largest; largest |], true
                    ] do
                    let settings = settings []
                    use batch = ImageBatching.ofImages settings.Data [ picture 1 64 64 ]

                    let found = reading corners
                    let findings = (Array.head (Prediction.ofBatch classes batch found)).Findings
                    Expect.equal findings.Count (if kept then 1 else 0) $"%A{corners}"

            testCase "a file, its bytes, a tensor and a picture are one and the same"
            <| fun () ->
                withCheckpoint [] (fun path ->
                    use session = DetectorSession.Open path
                    let image = picture 1 80 60
                    let bytes = PngWriter.Encode(ReadOnlySpan image.Pixels, 80, 60)
                    let file = Path.Combine(Path.GetDirectoryName path, "Bild 1.png")
                    File.WriteAllBytes(file, bytes)

                    use pixels =
                        torch.tensor(image.Pixels, dtype = torch.uint8).reshape(60L, 80L, 3L).permute(2L, 0L, 1L)

                    let expected = numbers (session.Detect image)
                    Expect.equal (numbers (session.Detect file)) expected "file"
                    Expect.equal (numbers (session.Detect bytes)) expected "bytes"
                    Expect.equal (numbers (session.Detect pixels)) expected "tensor"

                    let refused (shape: int64 list) (dtype: torch.ScalarType) =
                        use tensor = torch.zeros (Array.ofList shape, dtype = dtype)

                        Expect.throwsT<ArgumentException>
                            (fun () -> session.Detect tensor |> ignore)
                            $"{dtype} %A{shape}"

                    refused [ 60; 80; 3 ] torch.uint8
                    refused [ 1; 3; 60; 80 ] torch.uint8
                    refused [ 3; 0; 80 ] torch.uint8
                    refused [ 3; 60; 80 ] torch.float32

                    Expect.stringContains
                        (complaint (fun () -> session.Detect(bytes[..20]) |> ignore))
                        "the image"
                        "what is damaged")

            testCase "with a tolerance and a number of steps each query takes what it needs, and no more than that"
            <| fun () ->
                withCheckpoint [] (fun path ->
                    let steps (tolerance: Nullable<float>) (steps: Nullable<int>) =
                        use session = DetectorSession.Open(path, tolerance = tolerance, steps = steps)

                        [ for found in session.Detect(picture 1 80 60) -> found.Steps.Value ]

                    Expect.equal (steps (Nullable()) (Nullable 3)) [ 4; 4; 4; 4; 4; 4 ] "steps, and the read-out's"

                    Expect.isTrue
                        (steps (Nullable 1e3) (Nullable()) |> List.forall (fun taken -> taken < 4))
                        "a loose tolerance ends early"

                    for tolerance, most in [ 0.0, 3; nan, 3; 0.1, 0 ] do
                        Expect.throwsT<ArgumentOutOfRangeException>
                            (fun () -> steps (Nullable tolerance) (Nullable most) |> ignore)
                            $"tolerance {tolerance}, {most} steps")

                withCheckpoint [ "kind=ffndet"; "head.stages=2" ] (fun path ->
                    Expect.stringContains
                        (complaint (fun () -> DetectorSession.Open(path, steps = Nullable 3)))
                        "DEQDet"
                        "no equilibrium")

            testCase "several threads ask one session, and each gets what it would get alone"
            <| fun () ->
                withCheckpoint [] (fun path ->
                    use session = DetectorSession.Open path
                    let pictures = [| for i in 0..11 -> picture i (64 + 8 * (i % 3)) 60 |]
                    let alone = pictures |> Array.map (fun picture -> numbers (session.Detect picture))
                    let together = Array.create pictures.Length []

                    let threads =
                        [
                            for first in 0..3 ->
                                Thread(fun () ->
                                    for i in first..4..11 do
                                        together[i] <- numbers (session.Detect pictures[i]))
                        ]

                    for thread in threads do
                        thread.Start()

                    for thread in threads do
                        thread.Join()

                    Expect.equal together alone "findings")

            testCase "Dispose while others ask: each gets its findings or is refused, and no tensor stays"
            <| fun () ->
                withCheckpoint [] (fun path ->
                    let round () =
                        let session = DetectorSession.Open path
                        let outcomes = Array.create 4 ""
                        use begun = new CountdownEvent(4)

                        let ask number () =
                            try
                                let mutable more = true
                                session.Detect(picture number 80 60) |> ignore
                                begun.Signal() |> ignore

                                while more do
                                    more <- session.Detect(picture number 80 60).Count = 6
                            with
                            | :? ObjectDisposedException -> outcomes[number] <- "refused"
                            | error -> outcomes[number] <- error.Message

                        let threads = [ for number in 0..3 -> Thread(ask number) ]

                        for thread in threads do
                            thread.Start()

                        begun.Wait()
                        (session :> IDisposable).Dispose()

                        for thread in threads do
                            thread.Join()

                        Expect.equal outcomes (Array.create 4 "refused") "each went on until it was refused"

                    round ()
                    GC.Collect()
                    GC.WaitForPendingFinalizers()
                    let before = torch.Tensor.TotalCount
                    round ()
                    Expect.equal torch.Tensor.TotalCount before "tensors alive")

            testCase "what is no detector is refused by name"
            <| fun () ->
                let complain path =
                    complaint (fun () -> (DetectorSession.Open path :> IDisposable).Dispose())

                Expect.stringContains (complain "/no/such/file.safetensors") "/no/such/file.safetensors" "the file"
        ]
