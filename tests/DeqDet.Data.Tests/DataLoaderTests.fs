module DeqDet.Tests.DataLoaderTests

open System
open System.Diagnostics
open System.IO
open System.Threading
open Expecto
open FsCheck
open FsCheck.FSharp
open TorchSharp
open DeqDet
open DeqDet.Settings
open DeqDet.Coco
open DeqDet.Data
open DeqDet.Detection
open DeqDet.Images
open DeqDet.Tests.DataFiles
open DeqDet.Tests.Seeded

/// A result that remembers whether it was disposed.
type private Item(number: int) =
    member _.Number = number
    member val Disposed = false with get, set

    interface IDisposable with
        member this.Dispose() = this.Disposed <- true

let private loader workers ahead (token: CancellationToken) (requests: int seq) (make: int -> Item) =
    new PrefetchingLoader<int, Item>(requests, (fun request _ -> make request), workers, ahead, token)

let private drain (loader: PrefetchingLoader<'a, 'b>) : 'b list =
    let rec next taken =
        match loader.TryNext() with
        | true, item -> next (item :: taken)
        | false, _ -> List.rev taken

    next []

let private within (limit: TimeSpan) (what: string) (action: unit -> unit) =
    let clock = Stopwatch.StartNew()
    action ()
    Expect.isLessThan clock.Elapsed limit what

let private seconds (s: float) = TimeSpan.FromSeconds s

/// Writes a small set of noise pictures (landscape and portrait) and loads it.
let private smallSet (folder: string) (count: int) : CocoDataset =
    let random = randomOf 1L

    let images =
        [
            for i in 0 .. count - 1 do
                let width, height = if i % 3 = 0 then 40, 56 else 60, 44
                let pixels = Array.init (width * height * 3) (fun _ -> byte (random.Below 256))

                File.WriteAllBytes(
                    Path.Combine(folder, $"{i}.png"),
                    PngWriter.Encode(ReadOnlySpan pixels, width, height)
                )

                let box = DataBox(int64 i, i % 2, Box(2.0f, 3.0f, 30.0f, 33.0f), 840.0, false)
                DataImage(int64 (100 + i), $"{i}.png", width, height, [| box |])
        ]

    CocoDataset(Array.ofList images, [| DataCategory(1L, "a"); DataCategory(2L, "b") |], folder, [||])

let private settings workers cache : DataSettings =
    {
        Root = ""
        Train = { Images = ""; Annotations = "" }
        Val = { Images = ""; Annotations = "" }
        Shapes = None
        Resize = { ShortSide = 48; LongMax = 96 }
        Augment =
            {
                Flip = 0.5
                ShortSides = [ 32; 48 ]
                Crop =
                    Some
                        {
                            Probability = 0.5
                            ShortSides = [ 40 ]
                            MinSize = 30
                            MaxSize = 40
                        }
            }
        Normalise =
            {
                Mean = [ 120.0; 110.0; 100.0 ]
                Std = [ 60.0; 50.0; 40.0 ]
            }
        Filter = { MinSide = 1; DropEmpty = false }
        Workers = workers
        CacheMb = cache
        LoaderMb = 2048
    }

/// Everything a batch holds, to compare with.
let private content (batch: Batch) =
    use batch = batch

    let images =
        [
            for i in batch.Images ->
                (i.Id, i.FileName),
                (i.OriginalWidth, i.OriginalHeight, i.Width, i.Height),
                List.ofArray i.Boxes,
                List.ofArray i.Labels
        ]

    batch.Width, batch.Height, images, batch.Pixels.ToArray()

[<Tests>]
let plan =
    testList
        "epoch plan"
        [
            testProperty "every image comes once, in batches of one orientation except at the end"
            <| Prop.forAll
                (Arb.fromGen (
                    Gen.zip3 (Gen.listOf (Gen.elements [ true; false ])) (Gen.choose (1, 7)) (Gen.choose (0, 99))
                ))
                (fun (landscape, batchSize, epoch) ->
                    let landscape = Array.ofList landscape
                    let batches = EpochPlan.Shuffled(landscape, batchSize, 3L, epoch)
                    Expect.equal batches.Count (EpochPlan.BatchCount(landscape.Length, batchSize)) "number of batches"

                    Expect.equal
                        (batches |> Seq.concat |> Seq.sort |> List.ofSeq)
                        [ 0 .. landscape.Length - 1 ]
                        "every image once"

                    for batch in Seq.take (max 0 (batches.Count - 1)) batches do
                        Expect.hasLength batch batchSize "only the last batch may be smaller"

                    let mixed =
                        batches
                        |> Seq.filter (fun batch ->
                            batch |> Array.distinctBy (fun i -> landscape[i]) |> Array.length > 1)

                    Expect.isLessThanOrEqual (Seq.length mixed) 2 "mixed batches are made of leftovers alone")

            test "the order is a function of seed and epoch" {
                let landscape = Array.init 50 (fun i -> i % 3 > 0)

                let order seed epoch =
                    EpochPlan.Shuffled(landscape, 4, seed, epoch) |> Seq.concat |> List.ofSeq

                Expect.equal (order 1L 2) (order 1L 2) "same"
                Expect.notEqual (order 1L 2) (order 1L 3) "another epoch"
                Expect.notEqual (order 1L 2) (order 2L 2) "another seed"
            }

            test "evaluation batches hold every image once, alike ones together" {
                let sizes =
                    [| for i in 0..19 -> if i % 2 = 0 then struct (60, 40) else struct (40, 60) |]

                let batches = EpochPlan.BySize(sizes, 5)
                Expect.equal (batches |> Seq.concat |> Seq.sort |> List.ofSeq) [ 0..19 ] "every image once"

                for batch in batches do
                    Expect.hasLength (Array.distinctBy (fun i -> sizes[i]) batch) 1 "one size"
            }
        ]

[<Tests>]
let prefetching =
    testList
        "prefetching"
        [
            test "results come in order whatever the workers' pace, and never more than allowed ahead" {
                for workers, ahead in [ 1, 1; 3, 2; 4, 8 ] do
                    let made, taken, most = ref 0, ref 0, ref 0

                    let make number =
                        let inWork = Interlocked.Increment made - Volatile.Read &taken.contents
                        lock most (fun () -> most.Value <- max most.Value inWork)
                        Thread.Sleep(if number % 4 = 0 then 4 else 0)
                        new Item(number)

                    use loader = loader workers ahead CancellationToken.None [ 0..59 ] make

                    for expected in 0..59 do
                        let ok, item = loader.TryNext()
                        Expect.isTrue ok "there is more"
                        Interlocked.Increment taken |> ignore
                        Expect.equal item.Number expected "in order"

                    Expect.isFalse (fst (loader.TryNext())) "the end"
                    // The consumer counts a result a moment after it made room for the next one.
                    Expect.isLessThanOrEqual most.Value (ahead + 1) "bounded"
            }

            test "a worker's error comes out as it is, at once, and the rest ends" {
                within (seconds 5.0) "quickly" (fun () ->
                    let make number =
                        if number = 7 then
                            raise (InputError "7.jpg: truncated")

                        Thread.Sleep 1
                        new Item(number)

                    use loader = loader 3 4 CancellationToken.None (Seq.initInfinite id) make
                    let message = inputError (fun () -> drain loader |> ignore)
                    Expect.equal message "7.jpg: truncated" "the worker's message"
                    Expect.throwsT<InputError> (fun () -> loader.TryNext() |> ignore) "and again")
            }

            test "an error of the request source comes out too" {
                let requests =
                    seq {
                        yield 1
                        failwith "no more of this"
                    }

                use loader = loader 2 2 CancellationToken.None requests (fun n -> new Item(n))
                Expect.throwsT<Exception> (fun () -> drain loader |> ignore) "the source's error"
            }

            test "cancellation wakes a waiting consumer" {
                within (seconds 5.0) "quickly" (fun () ->
                    use stop = new CancellationTokenSource(50)
                    let blocked = new ManualResetEventSlim()

                    let make (_: int) =
                        blocked.Wait stop.Token
                        new Item(0)

                    use loader = loader 2 2 stop.Token (Seq.initInfinite id) make
                    Expect.throwsT<OperationCanceledException> (fun () -> drain loader |> ignore) "cancelled")
            }

            test "disposing ends the workers and disposes what nobody took" {
                within (seconds 5.0) "quickly" (fun () ->
                    let items = Collections.Concurrent.ConcurrentBag<Item>()

                    let make number =
                        let item = new Item(number)
                        items.Add item
                        item

                    let loader = loader 2 5 CancellationToken.None (Seq.initInfinite id) make
                    let _, first = loader.TryNext()
                    SpinWait.SpinUntil((fun () -> items.Count >= 6), 2000) |> ignore
                    loader.Dispose()
                    Expect.isFalse first.Disposed "what was taken is the caller's"

                    for item in items do
                        Expect.equal item.Disposed (item.Number <> 0) $"item {item.Number}"

                    Expect.throwsT<ObjectDisposedException> (fun () -> loader.TryNext() |> ignore) "no use after that")
            }

            test "the time the consumer waits is measured" {
                let slow number =
                    Thread.Sleep 20
                    new Item(number)

                use loader = loader 1 1 CancellationToken.None [ 0..4 ] slow
                drain loader |> ignore
                Expect.isGreaterThan loader.Waited (seconds 0.08) "all of the work was waited for"
            }
        ]

[<Tests>]
let batches =
    testList
        "data loader"
        [
            test "batches do not depend on workers or memory, and a run can start anywhere" {
                inFolder (fun folder ->
                    let data = smallSet folder 22

                    let epoch workers cache from =
                        let loader = DataLoader(data, settings workers cache)
                        use batches = loader.Train(from, 4, 9L, CancellationToken.None)
                        drain batches |> List.map content

                    let whole = epoch 1 0 (DataPosition(2, 0))
                    Expect.hasLength whole 6 "batches"
                    Expect.equal (epoch 3 1 (DataPosition(2, 0))) whole "three workers, pictures in memory"
                    Expect.equal (epoch 2 0 (DataPosition(2, 4))) (List.skip 4 whole) "resumed at batch 4"
                    Expect.notEqual (epoch 1 0 (DataPosition(3, 0))) whole "another epoch")
            }

            test "an evaluation visits every image once, unaugmented" {
                inFolder (fun folder ->
                    let data = smallSet folder 10
                    let loader = DataLoader(data, settings 2 1)
                    use batches = loader.Evaluation(3, CancellationToken.None)
                    let found = drain batches |> List.map content
                    let images = found |> List.collect (fun (_, _, images, _) -> images)

                    Expect.equal
                        (images |> List.map (fun (name, _, _, _) -> fst name) |> List.sort)
                        [ 100L .. 109L ]
                        "all"

                    for name, (originalWidth, _, width, height), boxes, labels in images do
                        let scale = if originalWidth = 40 then 48.0f / 40.0f else 48.0f / 44.0f
                        Expect.equal (min width height) 48 "the short side"
                        let box = Box(2.0f * scale, 3.0f * scale, 30.0f * scale, 33.0f * scale)
                        Expect.isLessThan (abs (boxes.Head.X2 - box.X2)) 0.5f "the box follows"
                        Expect.equal labels [ int (fst name) % 2 ] "label"

                    for width, height, _, _ in found do
                        Expect.equal (width % 32, height % 32) (0, 0) "padded")
            }

            test "a batch becomes the network's input and targets" {
                let none = BatchImage(2L, "", 4, 2, 4, 2, 1.0f, 1.0f, [||], [||])
                let boxes = [| Box(1.0f, 2.0f, 3.0f, 4.0f); Box(0.5f, 0.0f, 2.0f, 1.5f) |]
                let two = BatchImage(1L, "", 4, 6, 4, 6, 1.0f, 1.0f, boxes, [| 5; 0 |])
                use batch = new Batch([| two; none |], 4, 6)
                let values = Array.init batch.Pixels.Length float32
                values.AsSpan().CopyTo batch.Pixels
                use _ = torch.NewDisposeScope()

                let images, targets =
                    BatchTensors.Images(batch, torch.CPU), BatchTensors.Targets(batch, torch.CPU)

                Expect.equal images.Images.shape [| 2L; 3L; 6L; 4L |] "shape"
                Expect.equal (images.Images.data<float32>().ToArray()) values "pixels"
                Expect.equal images.Sizes [ struct (4.0, 6.0); struct (4.0, 2.0) ] "valid sizes"
                Expect.equal [ for t in targets -> t.Boxes.shape ] [ [| 2L; 4L |]; [| 0L; 4L |] ] "boxes"

                Expect.equal
                    (targets.Head.Boxes.data<float32>().ToArray())
                    [| 1.0f; 2.0f; 3.0f; 4.0f; 0.5f; 0.0f; 2.0f; 1.5f |]
                    "corners"

                Expect.equal (targets.Head.Labels.data<int64>().ToArray()) [| 5L; 0L |] "labels"
                Expect.equal (targets[1].Size) (struct (4.0, 2.0)) "size"
            }

            test "a failing image is named and the run ends" {
                inFolder (fun folder ->
                    let data = smallSet folder 12
                    let victim = Path.Combine(folder, "5.png")
                    File.WriteAllBytes(victim, (File.ReadAllBytes victim)[..400])

                    within (seconds 5.0) "quickly" (fun () ->
                        let loader = DataLoader(data, settings 2 1)
                        use batches = loader.Train(DataPosition(0, 0), 4, 0L, CancellationToken.None)

                        let message =
                            inputError (fun () -> drain batches |> List.iter (fun batch -> batch.Dispose()))

                        Expect.stringStarts message victim "names the file"))
            }

            test "pictures are kept in memory up to the budget" {
                let loads = ref 0

                let load _ =
                    Interlocked.Increment loads |> ignore
                    RgbImage(Array.zeroCreate 300, 10, 10)

                let cache = ImageCache(5, 1000L, load)

                for _ in 1..2 do
                    for i in 0..4 do
                        cache.Get i |> ignore

                Expect.equal loads.Value 7 "three fit, two are decoded again"
                Expect.equal cache.Used 900L "bytes"
            }
        ]
