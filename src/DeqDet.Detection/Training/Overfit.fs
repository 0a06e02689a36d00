namespace DeqDet.Detection

open System
open System.Collections.Generic
open System.Diagnostics
open System.Threading
open TorchSharp
open DeqDet
open DeqDet.Coco.Evaluation
open DeqDet.Data
open DeqDet.Model
open DeqDet.Model.Backbones
open DeqDet.Settings

/// How it went to learn a few images by heart.
type OverfitResult =
    {
        /// Whether AP50 on them reached `OverfitDiagnosis.learned`.
        Learned: bool
        /// Steps taken.
        Steps: int
        /// The last AP50.
        Ap50: float
        Evidence: OverfitEvidence
        /// What is wrong; empty where the images were learned.
        Diagnoses: Diagnosis list
    }

/// Training on a few images that are validated on as well. What cannot be learned so will not be learned from many images either. Nothing
/// is written: the detector is given up at the end.
module Overfit =

    let private imageStream = 0x0FE1L

    /// So many images with boxes, drawn by the seed, in the order of the set; all of them where there are no more. Raises InputError where
    /// no image has a box.
    let images (count: int) (seed: int64) (data: CocoDataset) : CocoDataset =
        let numbers =
            [|
                for number, image in Seq.indexed data.Images do
                    if not (Seq.isEmpty image.Targets) then
                        number
            |]

        if numbers.Length = 0 then
            raise (InputError $"{data.ImageFolder}: no training image has a box, so there is nothing to learn")

        SplitMix64.For(seed, ReadOnlySpan [| imageStream |]).Shuffle(Span numbers)
        let chosen = numbers |> Array.truncate count |> Array.sort

        CocoDataset([| for number in chosen -> data.Images[number] |], data.Categories, data.ImageFolder, data.Notices)

    /// Settings for so many images: nothing is varied at random, no averages, no more images a step than there are.
    let settings (count: int) (settings: Settings) : Settings =
        { settings with
            Data =
                { settings.Data with
                    Augment =
                        {
                            Flip = 0.0
                            FlipVertical = 0.0
                            ShortSides = [ settings.Data.Resize.ShortSide ]
                            Crop = None
                            Scale = None
                            Mosaic = None
                            Colour = None
                        }
                }
            Train =
                { settings.Train with
                    BatchSize = min settings.Train.BatchSize count
                    Ema = 0.0
                }
        }

    /// The boxes of images as the evaluation takes them.
    let truth (data: CocoDataset) : GroundTruth =
        let builder = GroundTruth.Builder "training images"

        for category in data.Categories do
            builder.AddCategory(category.Id, category.Name)

        for image in data.Images do
            builder.AddImage image.Id

            for box in image.Boxes do
                let inside = box.Box

                builder.AddBox(
                    box.Id,
                    image.Id,
                    data.Categories[box.Label].Id,
                    float inside.X1,
                    float inside.Y1,
                    float inside.Width,
                    float inside.Height,
                    Nullable box.Area,
                    not box.IsTarget
                )

        builder.Build()

    /// The factor on the rate at a step, from 0, of so many: a short warm-up, then all of it, and over the last two fifths down to a twentieth.
    let factor (schedule: ScheduleSettings) (steps: int) (step: int) : float =
        let warmup = min schedule.WarmupSteps (steps / 10)

        if step < warmup then
            float (step + 1) / float warmup
        else
            let left = float (steps - step) / (0.4 * float steps)
            0.05 + 0.95 * min 1.0 left

    /// Mean and standard deviation of a batch's pixels, without the padding.
    let ofPixels (batch: Batch) : struct (float * float) =
        let mutable sum, squares, count = 0.0, 0.0, 0L
        let pixels = batch.Pixels

        for number in 0 .. batch.Images.Count - 1 do
            let image = batch.Images[number]

            for channel in 0..2 do
                for y in 0 .. image.Height - 1 do
                    let start = ((number * 3 + channel) * batch.Height + y) * batch.Width

                    for x in start .. start + image.Width - 1 do
                        let value = float pixels[x]
                        sum <- sum + value
                        squares <- squares + value * value

                    count <- count + int64 image.Width

        let mean = sum / float count
        struct (mean, sqrt (max 0.0 (squares / float count - mean * mean)))

    /// Whether the backbone starts from random weights of which a part never changes. Raises InputError as `DetectorStart.check` does.
    let isRandomAndFrozen (settings: Settings) : bool =
        let backbone = settings.Detector.Backbone

        backbone.Weights.IsNone
        && (backbone.FrozenStages >= 0
            || backbone.Norm = Frozen && not (BackboneForm.ofKind backbone.Kind).IsWindowed)
        && not (DetectorStart.bringsBackbone settings)

    /// Boxes that are missed, and how many of them are tiny.
    let private missed (settings: DataSettings) (data: CocoDataset) (found: Coco.Evaluation.Detections) : int * int =
        let byImage = Dictionary<CocoId, List<int>>()

        for i in 0 .. found.Count - 1 do
            if found.Score[i] >= 0.3 then
                match byImage.TryGetValue found.ImageId[i] with
                | true, list -> list.Add i
                | _ -> byImage[found.ImageId[i]] <- List [ i ]

        let isFound (image: DataImage) (box: DataBox) =
            match byImage.TryGetValue image.Id with
            | true, list ->
                list
                |> Seq.exists (fun i ->
                    let x, y = float32 found.X[i], float32 found.Y[i]

                    found.CategoryId[i] = data.Categories[box.Label].Id
                    && DataOutlook.iou
                        box.Box
                        (Coco.Box(x, y, x + float32 found.Width[i], y + float32 found.Height[i]))
                       >= 0.5)
            | _ -> false

        let lost =
            [
                for image in data.Images do
                    let boxes =
                        [|
                            for box in image.Targets do
                                if not (isFound image box) then
                                    box
                        |]

                    if boxes.Length > 0 then
                        DataImage(image.Id, image.FileName, image.Width, image.Height, boxes)
            ]

        if lost.IsEmpty then
            0, 0
        else
            let outlook =
                CocoDataset(Array.ofList lost, data.Categories, data.ImageFolder, [||])
                |> DataOutlook.ofData settings 1

            outlook.Boxes, outlook.TinyBoxes

    let private mean (values: float seq) =
        if Seq.isEmpty values then nan else Seq.average values

    let private course (losses: List<float>) : LossCourse =
        let part first last =
            let at share = int (share * float losses.Count)
            let from = min (at first) (max 0 (losses.Count - 1))
            mean (losses.GetRange(from, max 1 (at last - from) |> min (losses.Count - from)))

        {
            First = part 0.0 0.1
            Before = part 0.7 0.8
            Last = part 0.9 1.0
        }

    /// One run; what it has come to lies in its fields.
    [<Sealed>]
    type private Run
        (
            setup: TrainingSetup,
            steps: int,
            stepped: StepReport -> unit,
            evaluated: int -> float -> unit,
            cancellation: CancellationToken
        ) =

        let train, data = setup.Settings.Train, setup.Loader.Data
        let truth = truth data

        let validation =
            Validation(setup.Loader, Some truth, setup.Settings.Evaluation.BatchSize)

        let mutable state = TrainingState.create setup

        let work =
            {
                Device = setup.Device
                Seed = int64 train.Seed
                Parts = train.Accumulate
                Processes = Processes.Alone
                Sums = None
            }

        let losses = List<float>()
        let mutable input = struct (nan, nan)
        let mutable bad = 0
        let mutable travel = 0.0
        let mutable last: ValidationResult option = None
        let every = max 20 (steps / 20)
        let watch = Stopwatch()

        let ap50 (result: ValidationResult) = max 0.0 result.Evaluation.Value["AP50"]

        let evaluate () =
            let result =
                TrainingState.withSession setup state (fun session -> validation.Run(session, null, cancellation))

            last <- Some result
            evaluated (int state.Progress.Step) (ap50 result)

        let update change =
            state <-
                { state with
                    Progress = change state.Progress
                }

        let step (batch: Batch) =
            let number = int state.Progress.Step

            if number = 0 then
                input <- ofPixels batch

            let factor = factor setup.Settings.Schedule steps number
            watch.Restart()

            match TrainingStep.run work state factor batch with
            | Moved(parts, norm, scale) ->
                let report =
                    {
                        Epoch = 1
                        Epochs = 1
                        Step = int64 number + 1L
                        Steps = int64 steps
                        LearningRate = setup.Settings.Optimiser.Lr * factor
                        Losses = parts
                        GradNorm = norm
                        Images = batch.Images.Count
                        Time = watch.Elapsed
                        DataTime = TimeSpan.Zero
                        MemoryBytes = Environment.WorkingSet
                    }

                losses.Add report.Loss
                travel <- travel + report.LearningRate
                state <- { state with LossScale = scale }
                update Progress.stepped
                stepped report
            | Bad _ ->
                bad <- bad + 1
                update Progress.skipped

        let trainable =
            Detector.trainable state.Detector
            |> List.sumBy (fun (_, tensor) -> tensor.numel ())

        let isDone () =
            trainable = 0L
            || int state.Progress.Step >= steps
            || last |> Option.exists (fun result -> ap50 result >= OverfitDiagnosis.learned)

        let epoch number =
            use batches =
                setup.Loader.Train(
                    DataPosition(number, 0),
                    train.BatchSize,
                    int64 train.Seed,
                    BatchShare.All,
                    cancellation
                )

            let mutable batch = null

            while not (isDone ()) && batches.TryNext &batch do
                cancellation.ThrowIfCancellationRequested()
                using batch step
                let number = int state.Progress.Step

                if number % every = 0 || number >= steps then
                    evaluate ()

        let evidence () =
            let result = last.Value
            let struct (mean, deviation) = input
            let lost, tiny = missed setup.Settings.Data data result.Detections

            let ap parameters =
                Evaluator.Evaluate(truth, result.Detections, parameters)["AP"]

            {
                Outlook = DataOutlook.ofData setup.Settings.Data setup.Settings.Detector.Queries.Count data
                Trainable = trainable
                RandomFrozenBackbone = isRandomAndFrozen setup.Settings
                InputMean = mean
                InputDeviation = deviation
                Steps = int state.Progress.Step
                BadSteps = bad
                Rate = setup.Settings.Optimiser.Lr
                Travel = travel
                Loss = course losses
                Ap50 = ap50 result
                Ap50OfAnyClass = ap (EvaluationParameters(IouThresholds = [| 0.5 |], ClassAgnostic = true))
                Ap10 = ap (EvaluationParameters(IouThresholds = [| 0.1 |]))
                Missed = lost
                MissedTiny = tiny
            }

        member _.Train() : OverfitResult =
            let mutable number = 0

            // without a weight that trains there is no step to take
            if isDone () then
                evaluate ()

            while not (isDone ()) do
                epoch number
                number <- number + 1

            let evidence = evidence ()
            let learned = evidence.Ap50 >= OverfitDiagnosis.learned

            {
                Learned = learned
                Steps = evidence.Steps
                Ap50 = evidence.Ap50
                Evidence = evidence
                Diagnoses = if learned then [] else OverfitDiagnosis.ofEvidence evidence
            }

        interface IDisposable with
            member _.Dispose() = TrainingState.dispose state

    /// Trains on the images of a setup, whose settings `settings` has made, and validates on them now and then until they are learned, or so
    /// many steps are taken. `stepped` gets each step, `evaluated` each AP50 with the steps before it. Raises OperationCanceledException when
    /// cancelled, and what training raises.
    let run
        (setup: TrainingSetup)
        (steps: int)
        (stepped: StepReport -> unit)
        (evaluated: int -> float -> unit)
        (cancellation: CancellationToken)
        : OverfitResult =
        use run = new Run(setup, steps, stepped, evaluated, cancellation)
        run.Train()
