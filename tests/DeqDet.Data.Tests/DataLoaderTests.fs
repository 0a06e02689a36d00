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

/// A loader whose results occupy what `size` says, within a budget.
let private sized
    (size: int -> Footprint)
    budget
    workers
    ahead
    (token: CancellationToken)
    requests
    (make: int -> Item)
    =
    new PrefetchingLoader<int, Item>(requests, (fun request _ -> make request), size, workers, ahead, budget, token)

let private loader workers ahead (token: CancellationToken) (requests: int seq) (make: int -> Item) =
    sized (fun _ -> Footprint(1L, 1L)) Int64.MaxValue workers ahead token requests make

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

    let classes = [| { Id = CocoId 1L; Name = "a" }; { Id = CocoId 2L; Name = "b" } |]

    CocoDataset(Array.ofList images, classes, folder, [||])

let private settings workers cache : DataSettings =
    {
        Root = ""
        Train = { Images = ""; Annotations = "" }
        Val = { Images = ""; Annotations = "" }
        AutoSplit = AutoSplitSettings.Default
        Shapes = None
        Resize = { ShortSide = 48; LongMax = 96 }
        Augment =
            { AugmentSettings.Published with
                ShortSides = [ 32; 48 ]
                Crop =
                    Some
                        {
                            Probability = 0.5
                            ShortSides = [ 40 ]
                            MinSize = 30
                            MaxSize = 40
                        }
                Scale = Some ScaleSettings.Default
                Mosaic = Some MosaicSettings.Default
                Colour = Some ColourSettings.Default
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

            testPropertyWithConfig
                { FsCheckConfig.defaultConfig with
                    maxTest = 100
                }
                "evaluation batches hold every image once, beside others of its size alone, in as few batches as that takes"
            <| fun (seed: int) ->
                let random = Random seed
                let side () = 32 * random.Next(1, 4)
                let sizes = Array.init (random.Next 40) (fun _ -> struct (side (), side ()))
                let most = random.Next(1, 7)
                let batches = EpochPlan.BySize(sizes, most)

                Expect.equal
                    (batches |> Seq.concat |> Seq.sort |> List.ofSeq)
                    [ 0 .. sizes.Length - 1 ]
                    "every image once"

                for batch in batches do
                    Expect.hasLength (Array.distinctBy (fun i -> sizes[i]) batch) 1 "one size"
                    Expect.isLessThanOrEqual batch.Length most "no more than asked for"

                let fewest =
                    sizes
                    |> Array.countBy id
                    |> Array.sumBy (fun (_, count) -> (count + most - 1) / most)

                Expect.equal batches.Count fewest "number of batches"
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

            test "a worker's error comes out as it is, in the place of its result, and the rest ends" {
                within (seconds 20.0) "quickly" (fun () ->
                    for workers, ahead in [ 1, 1; 3, 4; 8, 16 ] do
                        // What comes earlier takes longer, so that later errors happen first.
                        let make number =
                            if number = 7 || number = 9 then
                                raise (InputError $"{number}.jpg: truncated")

                            Thread.Sleep((8 - min number 8) * 2)
                            new Item(number)

                        use loader = loader workers ahead CancellationToken.None (Seq.initInfinite id) make

                        let taken =
                            [
                                for _ in 0..6 do
                                    let _, item = loader.TryNext()
                                    item.Number
                            ]

                        Expect.equal taken [ 0..6 ] "all before it"
                        let message = inputError (fun () -> loader.TryNext() |> ignore)
                        Expect.equal message "7.jpg: truncated" "the worker's message"
                        Expect.equal (inputError (fun () -> loader.TryNext() |> ignore)) message "and again")
            }

            testPropertyWithConfig
                { FsCheckConfig.defaultConfig with
                    maxTest = 60
                }
                "what is ahead stays within the budget, or is one result alone, and the order stays"
            <| Prop.forAll
                (Arb.fromGen (
                    Gen.zip3
                        (Gen.nonEmptyListOf (Gen.zip (Gen.choose (1, 60)) (Gen.choose (0, 30))))
                        (Gen.choose (1, 100))
                        (Gen.zip (Gen.choose (1, 6)) (Gen.choose (1, 12)))
                ))
                (fun (sizes, budget, (workers, ahead)) ->
                    let sizes = Array.ofList sizes

                    let size number =
                        let made, more = sizes[number]
                        Footprint(int64 (made + more), int64 made)

                    // Counted from outside. What the consumer is taking may be gone for the loader and still counted here.
                    let gate, bytes, existing, taking, worst = obj (), ref 0L, ref 0, ref 0L, ref 0L

                    let make number =
                        let size = size number

                        lock gate (fun () ->
                            bytes.Value <- bytes.Value + size.Making
                            existing.Value <- existing.Value + 1

                            if existing.Value > 2 then
                                worst.Value <- max worst.Value (bytes.Value - taking.Value))

                        Thread.Yield() |> ignore
                        lock gate (fun () -> bytes.Value <- bytes.Value - size.Making + size.Made)
                        new Item(number)

                    let requests = [ 0 .. sizes.Length - 1 ]

                    use loader =
                        sized size (int64 budget) workers ahead CancellationToken.None requests make

                    for expected in requests do
                        let made = (size expected).Made
                        lock gate (fun () -> taking.Value <- made)
                        let _, item = loader.TryNext()
                        Expect.equal item.Number expected "in order"

                        lock gate (fun () ->
                            bytes.Value <- bytes.Value - made
                            existing.Value <- existing.Value - 1
                            taking.Value <- 0L)

                    Expect.isFalse (fst (loader.TryNext())) "the end"
                    Expect.isLessThanOrEqual worst.Value (int64 budget) "bytes")

            test "nobody taking, exactly what fits is made" {
                for budget, expected in [ 35L, 3; 30L, 3; 29L, 2; 5L, 1; 1000L, 8 ] do
                    let made = ref 0

                    let make number =
                        Interlocked.Increment made |> ignore
                        new Item(number)

                    use _ =
                        sized
                            (fun _ -> Footprint(10L, 10L))
                            budget
                            4
                            8
                            CancellationToken.None
                            (Seq.initInfinite id)
                            make

                    SpinWait.SpinUntil((fun () -> Volatile.Read &made.contents >= expected), 5000)
                    |> ignore

                    Thread.Sleep 20
                    Expect.equal (Volatile.Read &made.contents) expected $"{budget} bytes"
            }

            test "a large result waits for room, and nothing overtakes it" {
                let started = Collections.Concurrent.ConcurrentQueue<int>()

                let make number =
                    started.Enqueue number
                    new Item(number)

                let size number =
                    if number = 2 then
                        Footprint(90L, 90L)
                    else
                        Footprint(10L, 10L)

                use loader = sized size 100L 3 9 CancellationToken.None [ 0..5 ] make
                SpinWait.SpinUntil((fun () -> started.Count >= 2), 5000) |> ignore
                Thread.Sleep 20
                Expect.equal (started.ToArray() |> Array.sort) [| 0; 1 |] "20 of 100 bytes are taken, 90 do not fit"
                let _, first = loader.TryNext()
                SpinWait.SpinUntil((fun () -> started.Count >= 3), 5000) |> ignore
                Thread.Sleep 20
                Expect.equal (first.Number, started.ToArray()[2..]) (0, [| 2 |]) "now it does, and nothing else"
                Expect.equal [ for item in drain loader -> item.Number ] [ 1..5 ] "in order"
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
                        use batches = loader.Train(from, 4, 9L, BatchShare.All, CancellationToken.None)
                        drain batches |> List.map content

                    let whole = epoch 1 0 (DataPosition(2, 0))
                    Expect.hasLength whole 6 "batches"
                    Expect.equal (epoch 3 1 (DataPosition(2, 0))) whole "three workers, pictures in memory"
                    Expect.equal (epoch 2 0 (DataPosition(2, 4))) (List.skip 4 whole) "resumed at batch 4"

                    let narrow =
                        let loader = DataLoader(data, { settings 4 0 with LoaderMb = 0 })

                        use batches =
                            loader.Train(DataPosition(2, 0), 4, 9L, BatchShare.All, CancellationToken.None)

                        drain batches |> List.map content

                    Expect.equal narrow whole "no room for more than one batch at a time"
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
                        [ for id in 100L .. 109L -> CocoId id ]
                        "all"

                    for name, (originalWidth, _, width, height), boxes, labels in images do
                        let scale = if originalWidth = 40 then 48.0f / 40.0f else 48.0f / 44.0f
                        Expect.equal (min width height) 48 "the short side"
                        let box = Box(2.0f * scale, 3.0f * scale, 30.0f * scale, 33.0f * scale)
                        Expect.isLessThan (abs (boxes.Head.X2 - box.X2)) 0.5f "the box follows"
                        Expect.equal labels [ int (fst name).Text % 2 ] "label"

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
                    BatchTensors.images torch.CPU batch, BatchTensors.targets torch.CPU batch

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

            test "what a batch will occupy is known before it is made" {
                inFolder (fun folder ->
                    let data = smallSet folder 12
                    let loader = DataLoader(data, settings 1 0)
                    let sizes = ResizeArray()

                    for epoch in 0..19 do
                        let indices = [| epoch % 12; (epoch * 5 + 1) % 12; (epoch * 7 + 2) % 12 |]
                        use batch = loader.TrainBatch(indices, 3L, epoch, CancellationToken.None)
                        let size = loader.TrainFootprint(indices, BatchShare.All, 3L, epoch)
                        Expect.equal size.Made (4L * int64 batch.Pixels.Length) "bytes of a training batch"

                        let decoded =
                            indices
                            |> Array.sumBy (fun i -> 3L * int64 (data.Images[i].Width * data.Images[i].Height))

                        let passing = size.Making - size.Made

                        let largest =
                            data.Images |> Seq.map (fun i -> 3L * int64 (i.Width * i.Height)) |> Seq.max
                        // a mosaic has three more, and draws them with the picture
                        Expect.isTrue
                            (passing >= decoded && passing <= decoded + 9L * largest)
                            $"{passing} bytes of decoded images, {decoded} without mosaics"

                        sizes.Add((passing = decoded))
                        use batch = loader.EvaluationBatch(indices, CancellationToken.None)
                        let size = loader.EvaluationFootprint indices
                        Expect.equal size.Made (4L * int64 batch.Pixels.Length) "bytes of an evaluation batch"

                    Expect.containsAll sizes [ true; false ] "batches with and without mosaics")
            }

            test
                "shares of a batch are the whole one's pictures, padded to its size; a process without any has the first, without boxes" {
                inFolder (fun folder ->
                    let data = smallSet folder 12
                    let loader = DataLoader(data, settings 1 0)

                    for epoch in 0..4 do
                        let indices = [| epoch % 12; (epoch * 5 + 1) % 12; (epoch * 7 + 2) % 12 |]
                        use whole = loader.TrainBatch(indices, 3L, epoch, CancellationToken.None)
                        let pixels = whole.Pixels.Length / 3

                        for size in [ 1; 2; 3; 5 ] do
                            for rank in 0 .. size - 1 do
                                let share = BatchShare(rank, size)
                                use part = loader.TrainBatch(indices, share, 3L, epoch, CancellationToken.None)
                                let what = $"{rank} of {size}"
                                Expect.equal (part.Width, part.Height) (whole.Width, whole.Height) $"{what}: size"
                                let first, count = part.Place.First, part.Images.Count

                                Expect.isTrue
                                    (part.Pixels.SequenceEqual(whole.Pixels.Slice(first * pixels, count * pixels)))
                                    $"{what}: pixels"

                                Expect.sequenceEqual
                                    part.Place.Files
                                    whole.Place.Files
                                    $"{what}: files of the whole batch"

                                let expected = [ for i in first .. first + count - 1 -> whole.Images[i].Boxes ]

                                let boxes = [ for image in part.Images -> image.Boxes ]

                                if part.Place.Counts then
                                    Expect.equal boxes expected $"{what}: boxes"
                                else
                                    Expect.equal boxes [ [||] ] $"{what}: no boxes"

                                let footprint = loader.TrainFootprint(indices, share, 3L, epoch)
                                Expect.equal footprint.Made (4L * int64 part.Pixels.Length) $"{what}: bytes")
            }

            test "no batch of a run is larger than the largest, and none has more boxes" {
                inFolder (fun folder ->
                    let data = smallSet folder 12
                    let loader = DataLoader(data, settings 1 0)

                    for size in [ 1; 2 ] do
                        let share = BatchShare(0, size)
                        use largest = loader.Largest(4, 5L, 3, share)
                        let mutable reached = false

                        for epoch in 0..2 do
                            use batches =
                                loader.Train(DataPosition(epoch, 0), 4, 5L, share, CancellationToken.None)

                            let mutable batch = null

                            while batches.TryNext &batch do
                                use batch = batch
                                Expect.isLessThanOrEqual batch.Pixels.Length largest.Pixels.Length "pixels"
                                reached <- reached || batch.Pixels.Length = largest.Pixels.Length

                                for image in batch.Images do
                                    Expect.isLessThanOrEqual image.Boxes.Length largest.Images[0].Boxes.Length "boxes"

                        Expect.isTrue reached "as large as one of them")
            }

            test "by default there is a worker for each processor, up to eight" {
                for asked, processors, expected in [ 0, 1, 1; 0, 2, 2; 0, 64, 8; 3, 2, 3; 64, 64, 64 ] do
                    Expect.equal (DataLoader.WorkersFor(asked, processors)) expected $"{asked} on {processors}"
            }

            test "an image that fails is named after every batch before its own, whatever the workers" {
                inFolder (fun folder ->
                    let data = smallSet folder 24
                    // Of the third epoch, as after a disk's fault in the middle of a run.
                    let epoch = DataPosition(2, 0)
                    let landscape = [| for image in data.Images -> image.IsLandscape |]
                    let plan = EpochPlan.Shuffled(landscape, 4, 0L, 2)

                    let damages: (string * (string -> unit)) list =
                        [
                            "truncated", (fun file -> File.WriteAllBytes(file, (File.ReadAllBytes file)[..400]))
                            "empty", (fun file -> File.WriteAllBytes(file, [||]))
                            "gone", File.Delete
                            "no image", (fun file -> File.WriteAllText(file, "hello"))
                            "another size",
                            (fun file ->
                                File.WriteAllBytes(
                                    file,
                                    PngWriter.Encode(ReadOnlySpan(Array.zeroCreate<byte>(9 * 9 * 3)), 9, 9)
                                ))
                        ]

                    let victim = plan[3][1]
                    let file = data.PathOf(data.Images[victim])
                    let whole = File.ReadAllBytes file

                    for damage, spoil in damages do
                        spoil file

                        for workers in [ 1; 2; 6 ] do
                            within (seconds 10.0) "quickly" (fun () ->
                                let loader = DataLoader(data, settings workers 0)
                                use batches = loader.Train(epoch, 4, 0L, BatchShare.All, CancellationToken.None)

                                for expected in Seq.take 3 plan do
                                    let _, batch = batches.TryNext()
                                    use batch = batch

                                    Expect.equal
                                        [ for image in batch.Images -> image.Id ]
                                        [ for i in expected -> data.Images[i].Id ]
                                        $"{damage}: batches before it"

                                let message = inputError (fun () -> batches.TryNext() |> ignore)
                                Expect.stringStarts message $"{file}: " $"{damage}: names the file")

                        File.WriteAllBytes(file, whole))
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
