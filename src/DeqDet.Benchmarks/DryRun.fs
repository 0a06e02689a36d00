namespace DeqDet.Benchmarks

open System
open System.Diagnostics
open System.Threading
open TorchSharp
open DeqDet
open DeqDet.Data
open DeqDet.Detection
open DeqDet.Kernels
open DeqDet.Model
open DeqDet.Settings

/// What a training is expected to need, before anything is computed.
type ExpectedNeed =
    {
        /// Operations of a step with the largest images (Cost).
        Flops: float
        /// Memory of such a step, bytes, to within a factor of two (Memory).
        Bytes: float
        /// What a step takes where all of it runs as fast as a matrix product does here: it cannot be faster.
        AtLeast: TimeSpan
    }

/// What single steps have taken.
type MeasuredNeed =
    {
        /// Parts in which the largest batch fits into memory.
        Parts: int
        /// A step of the largest batch.
        LargestStep: TimeSpan
        /// The most memory that the process had during it, bytes; None where the system does not tell.
        Peak: int64 option
        /// Steps with images of the training that were timed, their mean, and the mean time spent waiting for data.
        Steps: int
        Step: TimeSpan
        Waiting: TimeSpan
        /// An image of a validation.
        Image: TimeSpan
    }

/// What a training would be, and what it would need.
type DryRun =
    {
        /// Numbers that are trained.
        Trainable: int64
        Training: DataOutlook
        Validation: DataOutlook
        /// Images of the largest batch, and their size with padding.
        LargestBatch: int
        LargestSize: ImageSize
        StepsPerEpoch: int64
        Epochs: int
        Validations: int
        Expected: ExpectedNeed
        Measured: MeasuredNeed
    }

    /// Time of all steps.
    member run.StepTime: TimeSpan =
        run.Measured.Step * float (run.StepsPerEpoch * int64 run.Epochs)

    /// Time of all validations.
    member run.ValidationTime: TimeSpan =
        run.Measured.Image * float (run.Validations * run.Validation.Images)

/// A training tried out: a few real steps of a model that is given up afterwards. Nothing is written.
module DryRun =

    /// Batches of the training that are timed, and how long at most.
    let private mostSteps, mostTime = 12, TimeSpan.FromSeconds 20.0

    /// Batches of the validation that are timed.
    let private mostPredictions = 5

    /// The first of several is slower than all others: buffers are mapped, and kernels pack their weights.
    let private steady (times: TimeSpan list) =
        match times with
        | [] -> TimeSpan.Zero
        | [ only ] -> only
        | _ :: rest -> TimeSpan.FromSeconds(rest |> List.averageBy _.TotalSeconds)

    /// How many validations a training has: one after every so many epochs, and one at the end.
    let validations (train: TrainSettings) : int =
        (train.Epochs + train.EvaluateEvery - 1) / train.EvaluateEvery

    let private expected (setup: TrainingSetup) (images: int) (size: ImageSize) : ExpectedNeed =
        let detector = setup.Settings.Detector

        let width =
            match TrainingPrecision.ofNumbers setup.Device setup.Settings.Train.Precision with
            | Precision.Fp32 -> 4.0
            | _ -> 2.0

        let cost = Cost.trainingStep width detector images size
        let bf16 = isNull (Computation.Lacking Precision.Bf16) && width < 4.0
        let rates = Rates.measure setup.Device bf16

        {
            Flops = cost.Flops
            Bytes = Memory.ofTraining detector (max 1 (images / setup.Settings.Train.Accumulate)) size
            AtLeast = TimeSpan.FromSeconds(cost.Flops / defaultArg rates.Bf16 rates.Fp32)
        }

    /// Times of typical steps with what of them was spent waiting.
    let private typical
        (setup: TrainingSetup)
        (work: StepWork)
        (state: TrainingState)
        (cancellation: CancellationToken)
        =
        let train = setup.Settings.Train
        let whole = Stopwatch.StartNew()

        use batches =
            setup.Loader.Train(DataPosition(0, 0), train.BatchSize, int64 train.Seed, BatchShare.All, cancellation)

        let rec next (taken: (TimeSpan * TimeSpan) list) =
            cancellation.ThrowIfCancellationRequested()
            let watch, waited = Stopwatch.StartNew(), batches.Waited
            let mutable batch = null

            if taken.Length < mostSteps && whole.Elapsed < mostTime && batches.TryNext &batch then
                use batch = batch
                TrainingStep.run work state 0.0 batch |> ignore
                next ((watch.Elapsed, batches.Waited - waited) :: taken)
            else
                List.rev taken

        next []

    let private predictions (setup: TrainingSetup) (state: TrainingState) (cancellation: CancellationToken) =
        TrainingState.withSession setup state (fun session ->
            let loader = DataLoader(setup.Validation.Data, setup.Settings.Data)
            use batches = loader.Evaluation(setup.Settings.Evaluation.BatchSize, cancellation)

            let rec next (taken: TimeSpan list) =
                let watch = Stopwatch.StartNew()
                let mutable batch = null

                if taken.Length < mostPredictions && batches.TryNext &batch then
                    use batch = batch
                    session.Predict(batch, cancellation) |> ignore
                    next (watch.Elapsed / float batch.Images.Count :: taken)
                else
                    List.rev taken

            next [])

    /// Tries out a training: one step of the largest batch that it will bring, a few of its first ones, and a few batches of its validation.
    /// Raises InputError where nothing would train or the largest batch does not fit into memory, and OperationCanceledException when cancelled.
    let run (setup: TrainingSetup) (cancellation: CancellationToken) : DryRun =
        let settings = setup.Settings
        let train, queries = settings.Train, settings.Detector.Queries.Count
        let state = TrainingState.create setup

        let trainable =
            Detector.trainable state.Detector
            |> List.sumBy (fun (_, tensor) -> tensor.numel ())

        try
            if trainable = 0L then
                raise (InputError "no weight would train; look at optimiser.freeze and backbone.frozen_stages")

            use largest =
                setup.Loader.Largest(train.BatchSize, int64 train.Seed, train.Epochs, BatchShare.All)

            let size =
                {
                    Height = largest.Height
                    Width = largest.Width
                }

            let expected = expected setup largest.Images.Count size

            let asked =
                {
                    Device = setup.Device
                    Seed = int64 train.Seed
                    Parts = train.Accumulate
                    Processes = Processes.Alone
                    Sums = None
                }

            let work =
                { asked with
                    Parts =
                        try
                            max asked.Parts (TrainingStep.tryOut asked state largest)
                        with error when OutOfMemory.isCause error ->
                            raise (
                                InputError(
                                    $"a step of {largest.Images.Count} images of {size} does not fit into memory, not even in {2 * asked.Parts} parts; lower train.batch_size or data.resize, or raise train.accumulate ({error.Message})",
                                    error
                                )
                            )
                }

            Usage.resetPeak ()
            let watch = Stopwatch.StartNew()
            // at a rate of 0 the optimiser computes all that it does otherwise, and black images teach nothing
            TrainingStep.run work state 0.0 largest |> ignore
            let largestStep, peak = watch.Elapsed, Usage.now().Peak
            let steps = typical setup work state cancellation
            let images = predictions setup state cancellation

            {
                Trainable = trainable
                Training = DataOutlook.ofData settings.Data queries setup.Loader.Data
                Validation = DataOutlook.ofData settings.Data queries setup.Validation.Data
                LargestBatch = largest.Images.Count
                LargestSize = size
                StepsPerEpoch = setup.StepsPerEpoch
                Epochs = train.Epochs
                Validations = validations train
                Expected = expected
                Measured =
                    {
                        Parts = work.Parts
                        LargestStep = largestStep
                        Peak = peak
                        Steps = max 1 (steps.Length - 1)
                        Step = steady (List.map fst steps)
                        Waiting = steady (List.map snd steps)
                        Image = steady images
                    }
            }
        finally
            TrainingState.dispose state
