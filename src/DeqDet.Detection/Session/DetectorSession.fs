namespace DeqDet.Detection

open System
open System.Collections.Generic
open System.Diagnostics
open System.Runtime.InteropServices
open System.Threading
open TorchSharp
open DeqDet
open DeqDet.Data
open DeqDet.Images
open DeqDet.Kernels
open DeqDet.Model
open DeqDet.Settings

/// A detector that is opened, asked and disposed: the one way from pixels to detections. Several threads may ask one session: their predictions
/// are computed one after the other, each on all cores, and Dispose waits for the one in progress. Findings are plain numbers that outlive it.
[<Sealed>]
type DetectorSession internal (model: TrainedModel, device: torch.Device, owned: bool) =

    let mutable disposed = false

    /// Held by the thread that computes or disposes.
    let turn = obj ()

    do
        if model.Detector.Computation.Precision = Precision.Bf16 then
            let instead = "set precision to fp32 (--precision fp32)"

            if device.``type`` <> DeviceType.CPU then
                raise (InputError $"precision bf16 is for the CPU only; {instead}")

            match Computation.Lacking Precision.Bf16 with
            | null -> ()
            | lacking -> raise (InputError $"precision bf16: this processor lacks {lacking}; {instead}")

    let watch = Stopwatch.StartNew()

    let clock () =
        // on an accelerator time is that of the work done, not of the work asked for
        if device.``type`` = DeviceType.CUDA then
            torch.cuda.synchronize device

        watch.Elapsed

    /// What a prediction may take: time by the machine's clock, for budgets, and a way to end it.
    let effort (parts: PartWatch option) (cancellation: CancellationToken) : Effort =
        {
            Clock = clock
            Cancellation = cancellation
            Observer =
                match parts with
                | Some parts -> parts.Pass
                | None -> ignore
        }

    let alive () =
        ObjectDisposedException.ThrowIf(disposed, typeof<DetectorSession>)

    /// Pictures that the network sees at one size, as one batch may hold, with their numbers.
    let groups (most: int) (images: RgbImage list) : (int * RgbImage) list list =
        images
        |> List.indexed
        |> List.groupBy (fun (_, image) -> ImageBatching.sizeOf model.Settings.Data image)
        |> List.collect (fun (size, group) -> List.chunkBySize (ImageBatching.together device.``type`` most size) group)

    /// The model, its settings and its classes.
    member _.Model: TrainedModel = model

    /// Where it computes.
    member _.Device: torch.Device = device

    /// Where the times of a prediction's parts are added up; null, as at first: nowhere. On an accelerator each part then waits for the device.
    member val Times: PartTimes = null with get, set

    /// Opens a checkpoint of this program, or the one of a work folder. `device`: where to compute, by default the CPU. `threads`: for
    /// tensor operations on the CPU, which all sessions of a process share; by default as they are. `tolerance`: the residual at which a query has
    /// settled and is refined no further, `steps`: how often it is refined at most; by default what the checkpoint's settings say.
    /// Raises InputError where there is no checkpoint, it is damaged, its weights do not fit its settings, or the device cannot compute with the
    /// numbers that they ask for.
    static member Open
        (
            checkpoint: string,
            [<Optional; DefaultParameterValue(null: torch.Device)>] device: torch.Device,
            [<Optional; DefaultParameterValue(Nullable<int>())>] threads: Nullable<int>,
            [<Optional; DefaultParameterValue(Nullable<float>())>] tolerance: Nullable<float>,
            [<Optional; DefaultParameterValue(Nullable<int>())>] steps: Nullable<int>
        ) : DetectorSession =
        if threads.HasValue then
            torch.set_num_threads threads.Value

        let device = if isNull device then torch.CPU else device
        let model = TrainedModel.load checkpoint device

        try
            new DetectorSession(TrainedModel.solvedWithin steps tolerance model, device, owned = true)
        with _ ->
            TrainedModel.dispose model
            reraise ()

    /// A session over a model that is already there, which Dispose then frees.
    static member Of(model: TrainedModel, device: torch.Device) : DetectorSession =
        new DetectorSession(model, device, owned = true)

    /// A session over a model that somebody else owns, such as one in training.
    static member Over(model: TrainedModel, device: torch.Device) : DetectorSession =
        new DetectorSession(model, device, owned = false)

    /// A batch of pictures for `Predict`, resized and normalised as the model wants it and padded to one size.
    member session.Batch(images: RgbImage list) : Batch =
        let started = watch.Elapsed
        let batch = ImageBatching.ofImages model.Settings.Data images

        match session.Times with
        | null -> ()
        | times -> times.Add(DetectionPart.Prepare, watch.Elapsed - started)

        batch

    /// What is found in each image of a batch. `warm`: the state in which the images' predecessors came to rest (None: as usual). Gives
    /// the state reached, in no dispose scope (the caller disposes of it), and whether it was reached from the warm one.
    /// Raises OperationCanceledException when cancelled: a refinement that was cut short is no result.
    member session.PredictFrom
        (warm: Query option, batch: Batch, cancellation: CancellationToken)
        : Prediction[] * Query * bool =
        lock turn (fun () ->
            alive ()
            use _ = torch.NewDisposeScope()

            let parts =
                match session.Times with
                | null -> None
                | times -> Some(PartWatch(times, clock))

            let lap part =
                parts |> Option.iter (fun parts -> parts.Lap part)

            let images = BatchTensors.images device batch
            lap DetectionPart.Prepare

            let found =
                images |> Detector.detectFrom warm (effort parts cancellation) model.Detector

            cancellation.ThrowIfCancellationRequested()
            let predictions = Prediction.ofBatch model.Classes batch found
            lap DetectionPart.ReadOut
            predictions, Query.map (fun tensor -> tensor.DetachFromDisposeScope()) found.State, found.Warm)

    /// What is found in the one image of a batch, and how its queries came there: those of findings that `keeps` wants, and of the others the
    /// surest, `most` in all. The numbers are those of `Predict`. Raises OperationCanceledException when cancelled.
    member session.Follow
        (batch: Batch, most: int, keeps: Predicate<Finding>, cancellation: CancellationToken)
        : struct (Prediction * FollowedImage) =
        if batch.Images.Count <> 1 then
            invalidArg (nameof batch) $"one image is followed at a time, not {batch.Images.Count}"

        lock turn (fun () ->
            alive ()
            use _ = torch.NewDisposeScope()
            use follower = new QueryFollower(model.Detector)

            let parts =
                match session.Times with
                | null -> None
                | times -> Some(PartWatch(times, clock))

            let images = BatchTensors.images device batch
            parts |> Option.iter (fun parts -> parts.Lap DetectionPart.Prepare)
            let effort = effort parts cancellation

            let observe passed =
                effort.Observer passed
                follower.Pass passed
                // looking is no part of the prediction
                parts |> Option.iter (fun parts -> parts.Skip())

            let found =
                images |> Detector.detect { effort with Observer = observe } model.Detector

            cancellation.ThrowIfCancellationRequested()
            let prediction = (Prediction.ofBatch model.Classes batch found)[0]
            parts |> Option.iter (fun parts -> parts.Lap DetectionPart.ReadOut)
            let states = follower.States found

            let chosen =
                FollowedImage.choose most keeps prediction.Findings (Array.last states).Scores

            let image = batch.Images[0]

            let followed =
                FollowedImage.ofStates
                    model.Settings.Detector
                    (image.ScaleX, image.ScaleY)
                    prediction.Refinement
                    chosen
                    states

            struct (prediction, followed))

    /// What is found in each image of a batch. Raises OperationCanceledException when cancelled.
    member session.Predict(batch: Batch, cancellation: CancellationToken) : Prediction[] =
        let predictions, state, _ = session.PredictFrom(None, batch, cancellation)

        for tensor in Query.tensors state do
            tensor.Dispose()

        predictions

    /// What is found in each of several pictures, in their order, each as soon as it is asked for. Those that the network sees at one size go
    /// through it together, at most `batchSize` of them and on the CPU fewer where nothing is gained: padding changes nothing then, and the
    /// result is that of one picture at a time up to rounding. Raises OperationCanceledException when cancelled.
    member session.PredictEach
        (images: IEnumerable<RgbImage>, batchSize: int, cancellation: CancellationToken)
        : Prediction seq =
        ArgumentOutOfRangeException.ThrowIfLessThan(batchSize, 1)
        let images = List.ofSeq images
        let results = Array.create images.Length None
        let groups = groups batchSize images

        seq {
            for at in 0 .. images.Length - 1 do
                if results[at].IsNone then
                    let group = groups |> List.find (List.exists (fun (number, _) -> number = at))
                    use batch = session.Batch(List.map snd group)

                    for (number, _), prediction in Seq.zip group (session.Predict(batch, cancellation)) do
                        results[number] <- Some prediction

                yield results[at].Value
        }

    /// What is found in a picture, best first, boxes in its own pixels.
    member session.Detect(image: RgbImage) : IReadOnlyList<Finding> = session.Detect([ image ])[0]

    /// What is found in an image file, turned as its EXIF orientation says. Raises InputError where it cannot be read as an image.
    member session.Detect(file: string) : IReadOnlyList<Finding> = session.Detect(ImageFile.Load file)

    /// What is found in the bytes of an image file, such as one that was uploaded. Raises InputError where they are no image.
    member session.Detect(file: byte[]) : IReadOnlyList<Finding> =
        session.Detect(ImageFile.Decode(file, "the image"))

    /// What is found in a picture uint8 [3, H, W], RGB, on any device. Raises ArgumentException for any other tensor.
    member session.Detect(pixels: torch.Tensor) : IReadOnlyList<Finding> =
        session.Detect(BatchTensors.picture pixels)

    /// What is found in each of several pictures, in their order, as `PredictEach` finds it.
    member session.Detect
        (images: IEnumerable<RgbImage>, [<Optional; DefaultParameterValue(4)>] batchSize: int)
        : IReadOnlyList<IReadOnlyList<Finding>> =
        [|
            for prediction in session.PredictEach(images, batchSize, CancellationToken.None) -> prediction.Findings
        |]

    interface IDisposable with

        /// Frees every tensor of the session.
        member _.Dispose() =
            lock turn (fun () ->
                if not disposed then
                    disposed <- true

                    if owned then
                        TrainedModel.dispose model)
