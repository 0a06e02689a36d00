namespace DeqDet.Detection

open System
open System.Collections.Generic
open System.Diagnostics
open System.Threading
open DeqDet
open DeqDet.Data
open DeqDet.Model
open DeqDet.Settings

/// How a training ended.
type TrainingOutcome =
    {
        /// Whether it came to its end; false: it was interrupted and can be resumed.
        Finished: bool
        /// The last validation of this run, if there was one.
        Last: ValidationResult option
        /// The best AP of all validations; NaN where there was none.
        BestAp: float
        /// Why it came there before its last step, if it did.
        EndedEarly: string option
    }

/// Callbacks of a training, on the training thread.
type ITrainingObserver =
    /// After every optimiser step.
    abstract Stepped: report: StepReport -> unit
    /// After a step that was bad and changed nothing: what was not finite, and the images of the step.
    abstract Skipped: report: StepReport * faults: string list * images: IReadOnlyList<string> -> unit
    /// Something that people should know.
    abstract Noticed: notice: string -> unit
    /// Before a state is saved: what was reported of the steps up to it has to be on the disk, or it would be missing from a run that goes on
    /// from the state. After an exception nothing is saved.
    abstract Saving: unit -> unit
    /// While validating: images done, images in all.
    abstract Validating: images: int * all: int -> unit
    /// After a validation: epochs completed, steps taken.
    abstract Validated: epoch: int * step: int64 * result: ValidationResult -> unit

/// One training: does what `Progress.next` decides. A resumed run repeats the one that was not interrupted bit for bit, on one device with one
/// number of threads.
[<Sealed>]
type TrainingRun private (setup: TrainingSetup, plan: TrainingPlan, first: TrainingState) =

    let train = setup.Settings.Train
    let processes = setup.Processes
    let mutable state = first

    /// What is to be said before the first step.
    let notices = List<string>()

    let sums =
        if processes.IsAlone then
            None
        else
            Some(new GradientSums(processes.Communicator, first.Detector, notices.Add))

    let mutable work =
        {
            Device = setup.Device
            Seed = int64 train.Seed
            Parts = train.Accumulate
            Processes = processes
            Sums = sums
        }

    let mutable last: ValidationResult option = None

    /// What was not finite in the last bad step, and its images.
    let mutable lastBad: (string list * string seq) option = None

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
                setup.Loader.Train(position, train.BatchSize, int64 train.Seed, processes.Share, CancellationToken.None)

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

        let outcome = TrainingStep.run work state factor batch

        let report losses norm =
            {
                Epoch = int epoch + 1
                Epochs = train.Epochs
                Step = state.Progress.Step
                Steps = plan.End
                LearningRate = setup.Settings.Optimiser.Lr * factor
                Losses = losses
                GradNorm = norm
                Images = batch.Place.Files.Count
                Time = step.Elapsed
                DataTime = loader.Waited - waited
                MemoryBytes = Environment.WorkingSet
            }

        match outcome with
        | Moved(losses, norm, scale) ->
            state <- { state with LossScale = scale }
            update Progress.stepped
            observer.Stepped(report losses norm)
        | Bad(losses, norm, faults) ->
            update Progress.skipped
            observer.Skipped(report losses norm, faults, batch.Place.Files)
            lastBad <- Some(faults, batch.Place.Files :> string seq)

        batches <- Some(epoch, loader, loader.Waited)
        step.Restart()

    /// A validation that is interrupted has not happened.
    let validate (observer: ITrainingObserver) (interruption: CancellationToken) =
        closeBatches ()

        if not processes.IsAlone then
            // every step has left the same weights in all; where a machine computes otherwise, training would be worth nothing
            Agreement.check
                processes
                [
                    $"the weights after step {state.Progress.Step}", Agreement.weights state.Detector
                ]

        let progress = Action<int, int>(fun images all -> observer.Validating(images, all))

        try
            let result =
                TrainingState.withSession setup state (fun session ->
                    setup.Validation.Run(session, processes, progress, interruption))
            // an epoch that the end cuts short counts as well
            let epochs = (state.Progress.Step + plan.StepsPerEpoch - 1L) / plan.StepsPerEpoch
            observer.Validated(int epochs, state.Progress.Step, result)
            last <- Some result

            state <-
                { state with
                    Thresholds = Thresholds.ofValidation setup.Validation.Truth result.Detections setup.Classes
                }

            let ap = result.Evaluation |> Option.map (fun evaluation -> evaluation["AP"])
            update (Progress.validated (defaultArg ap nan))
        with :? OperationCanceledException ->
            // here or in another process
            ()

    let saveLatest (observer: ITrainingObserver) (folder: WorkFolder) =
        if processes.IsFirst then
            observer.Saving()

            // after bad steps the state before them is kept, too: nobody knows yet which of the two is worth more
            let keep =
                if state.Progress.BadSteps > 0 then
                    max train.Keep 2
                else
                    train.Keep

            SavedStates.write folder keep (Option.map fst state.Progress.Saved) state.Progress.Step (fun path ->
                TrainingState.save setup true path state)

        update Progress.savedLatest
        sinceSaved.Restart()

    let saveBest (folder: WorkFolder) =
        if processes.IsFirst then
            TrainingState.save setup false folder.Best state

        update Progress.savedBest

    /// The largest batch of the run, before the first step.
    let tryLargest (observer: ITrainingObserver) =
        use batch =
            setup.Loader.Largest(train.BatchSize, int64 train.Seed, train.Epochs, processes.Share)

        let most = LargestBatch.tryOut work state batch

        if most > work.Parts then
            observer.Noticed
                $"the largest batch needs too much memory at once: each step is computed in {most} parts (train.accumulate)"

            work <- { work with Parts = most }

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
        | SaveLatest -> saveLatest observer folder
        | Finish
        | Stop
        | GiveUp -> ()

    /// After an error: what has been trained so far is kept, as after an interruption. A diverged run can go nowhere from where it is, so its
    /// last checkpoint stays.
    let rescue (observer: ITrainingObserver) (folder: WorkFolder) (error: exn) : exn =
        let isSound = state.Progress.Step > 0L && not (error :? TrainingDivergedException)

        let kept () =
            match state.Progress.Saved with
            | Some(saved, _) -> $"the state after step {saved} is kept in {folder.Latest}"
            | None -> "nothing was saved"

        let note =
            if not processes.IsFirst then
                "the first process has the state"
            elif not isSound then
                kept ()
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
                    $"the state after step {state.Progress.Step} could not be saved ({failed.Message}); {kept ()}"

        TrainingFailure.withNote setup.Settings.Optimiser.Lr note error

    /// Whether training came to its end.
    let rec go (observer: ITrainingObserver) (folder: WorkFolder) (interruption: CancellationToken) : bool =
        // the same in all processes, so that they decide alike
        let circumstances =
            {
                Interrupted = processes.Any interruption.IsCancellationRequested
                SinceSaved = TimeSpan.FromSeconds(processes.OfFirst sinceSaved.Elapsed.TotalSeconds)
            }

        let actions = Progress.next plan circumstances state.Progress
        actions |> List.iter (perform observer folder interruption)

        match List.last actions with
        | Finish -> true
        | Stop -> false
        | GiveUp -> raise (TrainingFailure.gaveUp state.Progress lastBad)
        | _ -> go observer folder interruption

    static let planOf (setup: TrainingSetup) (maxSteps: int64 option) : TrainingPlan =
        let train = setup.Settings.Train

        {
            StepsPerEpoch = setup.StepsPerEpoch
            BadSteps = train.BadSteps
            End = min setup.StepsInAll (defaultArg maxSteps Int64.MaxValue)
            ValidateEvery = train.EvaluateEvery
            Patience = train.Patience
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

    /// Raises InputError where several processes disagree about what they train.
    member _.Agree() : unit =
        if not processes.IsAlone then
            Agreement.facts setup plan state |> Agreement.check processes

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
                    Seq.iter observer.Noticed notices

                    if train.TryLargest && state.Progress.Step < plan.End then
                        tryLargest observer

                    go observer folder interruption
                with error ->
                    raise (rescue observer folder error)

            {
                Finished = finished
                Last = last
                BestAp = state.Progress.BestAp
                EndedEarly =
                    if finished then
                        Progress.endsEarly plan state.Progress
                    else
                        None
            }
        finally
            closeBatches ()

    interface IDisposable with
        member _.Dispose() =
            closeBatches ()

            for sums in Option.toList sums do
                (sums :> IDisposable).Dispose()

            TrainingState.dispose state
