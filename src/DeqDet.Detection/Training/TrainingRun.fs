namespace DeqDet.Detection

open System
open System.Diagnostics
open System.Threading
open DeqDet
open DeqDet.Data
open DeqDet.Settings

/// How a training ended.
type TrainingOutcome =
    {
        /// Whether it came to its last step; false: it was interrupted and can be resumed.
        Finished: bool
        /// The last validation of this run, if there was one.
        Last: ValidationResult option
        /// The best AP of all validations; NaN where there was none.
        BestAp: float
    }

/// Callbacks of a training, on the training thread.
type ITrainingObserver =
    /// After every optimiser step.
    abstract Stepped: report: StepReport -> unit
    /// While validating: images done, images in all.
    abstract Validating: images: int * all: int -> unit
    /// After a validation: epochs completed, steps taken.
    abstract Validated: epoch: int * step: int64 * result: ValidationResult -> unit

/// One training: does what `Progress.next` decides. A resumed run repeats the one that was not interrupted bit for bit, on one device with one
/// number of threads.
[<Sealed>]
type TrainingRun private (setup: TrainingSetup, plan: TrainingPlan, first: TrainingState) =

    let train = setup.Settings.Train
    let mutable state = first
    let mutable last: ValidationResult option = None

    /// Batches of the epoch in progress, made ahead, and how long has been waited for them so far.
    let mutable batches: (int64 * PrefetchingLoader<int[], Batch> * TimeSpan) option =
        None

    let step = Stopwatch()
    let sinceSaved = Stopwatch.StartNew()

    let update change =
        state <-
            { state with
                Progress = change state.Progress
            }

    let closeBatches () =
        match batches with
        | Some(_, loader, _) -> loader.Dispose()
        | None -> ()

        batches <- None

    /// The loader that gives the next step's batch.
    let openBatches (epoch: int64) =
        match batches with
        | Some(open', loader, waited) when open' = epoch -> loader, waited
        | _ ->
            closeBatches ()

            let position =
                DataPosition(int epoch, int (state.Progress.Step % plan.StepsPerEpoch))

            let loader =
                setup.Loader.Train(position, train.BatchSize, int64 train.Seed, CancellationToken.None)

            batches <- Some(epoch, loader, TimeSpan.Zero)
            step.Restart()
            loader, TimeSpan.Zero

    let trainBatch (observer: ITrainingObserver) =
        let epoch = state.Progress.Step / plan.StepsPerEpoch
        let loader, waited = openBatches epoch
        let mutable batch = null

        if not (loader.TryNext &batch) then
            invalidOp $"epoch {epoch + 1L} has fewer batches than planned"

        use batch = batch

        let factor =
            LearningRate.factor setup.Settings.Schedule train.Epochs (int plan.StepsPerEpoch) (int state.Progress.Step)

        let losses, norm =
            TrainingStep.run state setup.Device (int64 train.Seed) factor batch

        update Progress.stepped

        observer.Stepped
            {
                Epoch = int epoch + 1
                Epochs = train.Epochs
                Step = state.Progress.Step
                Steps = plan.End
                LearningRate = setup.Settings.Optimiser.Lr * factor
                Losses = losses
                GradNorm = norm
                Images = batch.Images.Count
                Time = step.Elapsed
                DataTime = loader.Waited - waited
                MemoryBytes = Environment.WorkingSet
            }

        batches <- Some(epoch, loader, loader.Waited)
        step.Restart()

    let model () : TrainedModel =
        {
            Detector = state.Detector
            Settings = setup.Settings
            Classes = setup.Classes
            TrainedOn = Some setup.Loader.Data.ImageFolder
        }

    /// A validation that is interrupted has not happened.
    let validate (observer: ITrainingObserver) (interruption: CancellationToken) =
        closeBatches ()
        use session = DetectorSession.Over(model (), setup.Device)

        try
            let progress = Action<int, int>(fun images all -> observer.Validating(images, all))
            let result = setup.Validation.Run(session, progress, interruption)
            // an epoch that the end cuts short counts as well
            let epochs = (state.Progress.Step + plan.StepsPerEpoch - 1L) / plan.StepsPerEpoch
            observer.Validated(int epochs, state.Progress.Step, result)
            last <- Some result
            let ap = result.Evaluation |> Option.map (fun evaluation -> evaluation["AP"])
            update (Progress.validated (defaultArg ap nan))
        with :? OperationCanceledException when interruption.IsCancellationRequested ->
            ()

    let saveLatest (folder: WorkFolder) =
        SavedStates.write folder train.Keep (Option.map fst state.Progress.Saved) state.Progress.Step (fun path ->
            TrainingState.save setup true path state)

        update Progress.savedLatest
        sinceSaved.Restart()

    let saveBest (folder: WorkFolder) =
        TrainingState.save setup false folder.Best state
        update Progress.savedBest

    let perform
        (observer: ITrainingObserver)
        (folder: WorkFolder)
        (interruption: CancellationToken)
        (action: TrainingAction)
        =
        match action with
        | TrainBatch -> trainBatch observer
        | Validate -> validate observer interruption
        | SaveBest -> saveBest folder
        | SaveLatest -> saveLatest folder
        | Finish
        | Stop -> ()

    /// After an error: what has been trained so far is kept, as after an interruption. A diverged run can go nowhere from where it is, so its
    /// last checkpoint stays.
    let rescue (observer: ITrainingObserver) (folder: WorkFolder) (error: exn) : exn =
        let isSound = state.Progress.Step > 0L && not (error :? TrainingDivergedException)

        let note =
            if not isSound then
                match state.Progress.Saved with
                | Some(saved, _) -> $"the state after step {saved} is kept in {folder.Latest}"
                | None -> "nothing was saved"
            else
                try
                    Progress.next
                        plan
                        {
                            Interrupted = true
                            SinceSaved = TimeSpan.Zero
                        }
                        state.Progress
                    |> List.iter (perform observer folder CancellationToken.None)

                    $"the state after step {state.Progress.Step} is saved in {folder.Latest}"
                with
                | :? InputError
                | :? TrainingDivergedException as failed ->
                    $"the state after step {state.Progress.Step} could not be saved: {failed.Message}"

        match error with
        | :? InputError -> InputError($"{error.Message}; {note}", error)
        | :? TrainingDivergedException ->
            let lower = setup.Settings.Optimiser.Lr / 2.0

            TrainingDivergedException(
                $"{error.Message}; {note}. Try a lower rate (--set optimiser.lr={lower:g3}) or a longer warm-up"
            )
        | _ -> Exception($"{error.Message}; {note}", error)

    /// Whether training came to its end.
    let rec go (observer: ITrainingObserver) (folder: WorkFolder) (interruption: CancellationToken) : bool =
        let circumstances =
            {
                Interrupted = interruption.IsCancellationRequested
                SinceSaved = sinceSaved.Elapsed
            }

        let actions = Progress.next plan circumstances state.Progress
        actions |> List.iter (perform observer folder interruption)

        match List.last actions with
        | Finish -> true
        | Stop -> false
        | _ -> go observer folder interruption

    static let planOf (setup: TrainingSetup) (maxSteps: int64 option) : TrainingPlan =
        let train = setup.Settings.Train

        {
            StepsPerEpoch = setup.StepsPerEpoch
            End = min setup.StepsInAll (defaultArg maxSteps Int64.MaxValue)
            ValidateEvery = train.EvaluateEvery
            SaveSteps =
                if train.SaveSteps > 0 then
                    Some(int64 train.SaveSteps)
                else
                    None
            SaveEvery =
                if train.SaveMinutes > 0.0 then
                    Some(TimeSpan.FromMinutes train.SaveMinutes)
                else
                    None
        }

    /// A run from the start, to the end or to a number of steps. Raises InputError where the backbone's weights cannot be used.
    static member Start(setup: TrainingSetup, maxSteps: int64 option) : TrainingRun =
        new TrainingRun(setup, planOf setup maxSteps, TrainingState.create setup)

    /// A run that goes on where a checkpoint stopped. Raises InputError where it cannot (see TrainingState.read).
    static member Resume(setup: TrainingSetup, maxSteps: int64 option, checkpoint: string) : TrainingRun =
        let plan = planOf setup maxSteps
        let state = TrainingState.read setup plan checkpoint

        new TrainingRun(
            setup,
            plan,
            { state with
                Progress = SavedStates.withBest checkpoint state.Progress
            }
        )

    /// The detector in training.
    member _.Detector = state.Detector

    /// What has been done so far.
    member _.Progress: Progress = state.Progress

    /// Trains to the end, validating and saving as `Progress.next` says. `interruption` asks to stop: the step in progress is finished, the
    /// state saved. After an error of whatever kind the state is saved, and the error raised again with the place where.
    member _.Train(folder: WorkFolder, observer: ITrainingObserver, interruption: CancellationToken) : TrainingOutcome =
        try
            let finished =
                try
                    go observer folder interruption
                with error ->
                    raise (rescue observer folder error)

            {
                Finished = finished
                Last = last
                BestAp = state.Progress.BestAp
            }
        finally
            closeBatches ()

    interface IDisposable with
        member _.Dispose() =
            closeBatches ()
            TrainingState.dispose state
