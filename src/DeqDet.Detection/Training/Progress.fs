namespace DeqDet.Detection

open System
open DeqDet

/// What a training is to do, counted in optimiser steps.
type TrainingPlan =
    {
        StepsPerEpoch: int64
        /// The step at which training ends.
        End: int64
        /// Epochs between validations; the end is always validated.
        ValidateEvery: int
        /// Validations in a row without a better AP after which training ends early; 0: never.
        Patience: int
        /// Steps after which the state is saved within an epoch; None: only at epochs.
        SaveSteps: int64 option
        /// Time after which the state is saved within an epoch.
        SaveEvery: TimeSpan option
        /// Bad steps in a row after which training ends.
        BadSteps: int
    }

/// What a training has done: with the weights and the optimiser's state all that its future depends on.
type Progress =
    {
        /// Optimiser steps taken, bad ones included.
        Step: int64
        /// The step of the last validation; 0 before the first.
        Validated: int64
        /// The best AP of all validations; NaN before the first.
        BestAp: float
        /// The step that BestAp comes from.
        BestStep: int64
        /// The step that best.safetensors is of; 0 while there is none.
        BestSaved: int64
        /// The best AP that the run itself has met; NaN before the first validation. Best weights that lie beside a resumed state raise BestAp, and
        /// not this, so that patience ends where it would have ended undisturbed.
        PeakAp: float
        /// Validations since then.
        SincePeak: int
        /// Steps up to the last one that were bad in a row: not finite, so that they changed nothing.
        BadSteps: int
        /// Step and last validation that latest.safetensors is of; None while there is none.
        Saved: (int64 * int64) option
    }

/// What is done next.
type TrainingAction =
    /// One optimiser step.
    | TrainBatch
    | Validate
    /// Write the weights as the best so far.
    | SaveBest
    /// Write the state from which training can go on.
    | SaveLatest
    /// Training has come to its end.
    | Finish
    /// Training was interrupted and can go on.
    | Stop
    /// Too many steps in a row were bad.
    | GiveUp

/// What the outside world has to say before each decision.
type Circumstances =
    {
        /// Somebody asked for the end.
        Interrupted: bool
        /// Time since the state was last saved, or since the run began.
        SinceSaved: TimeSpan
    }

/// The training loop as a decision: what to do follows from what has been done, and from nothing else that would be lost with the process.
/// So a run that goes on from any saved state does what the uninterrupted one would have done.
module Progress =

    /// Before the first step.
    let start: Progress =
        {
            Step = 0L
            Validated = 0L
            BestAp = nan
            BestStep = 0L
            BestSaved = 0L
            PeakAp = nan
            SincePeak = 0
            BadSteps = 0
            Saved = None
        }

    /// The last step, up to `step`, after which a validation belongs.
    let lastValidation (plan: TrainingPlan) (step: int64) : int64 =
        if step >= plan.End then
            step
        else
            let every = plan.StepsPerEpoch * int64 plan.ValidateEvery
            step / every * every

    /// Whether too many validations in a row were without a better AP.
    let isOutOfPatience (plan: TrainingPlan) (progress: Progress) : bool =
        plan.Patience > 0 && progress.SincePeak >= plan.Patience

    /// Why training ends before its last step; None where it does not.
    let endsEarly (plan: TrainingPlan) (progress: Progress) : string option =
        if progress.Step < plan.End && isOutOfPatience plan progress then
            let validations = Counted.Of(progress.SincePeak, "validation")
            Some $"no better AP in {validations} (train.patience), the best was {progress.PeakAp:``0.000``}"
        else
            None

    let private isSaved (progress: Progress) =
        progress.Saved = Some(progress.Step, progress.Validated)

    let private isSaveDue (plan: TrainingPlan) (circumstances: Circumstances) (progress: Progress) =
        let saved = progress.Saved |> Option.map fst |> Option.defaultValue 0L
        let since = progress.Step - saved

        progress.Step % plan.StepsPerEpoch = 0L
        || progress.Step >= plan.End
        || isOutOfPatience plan progress
        || plan.SaveSteps |> Option.exists (fun steps -> since >= steps)
        || plan.SaveEvery
           |> Option.exists (fun time -> since > 0L && circumstances.SinceSaved >= time)

    /// What to do next, in this order; then ask again.
    let next (plan: TrainingPlan) (circumstances: Circumstances) (progress: Progress) : TrainingAction list =
        // best before latest: a state that was saved without it repeats the validation, and so writes it
        let best =
            if progress.BestSaved = progress.BestStep then
                []
            else
                [ SaveBest ]

        let save = if isSaved progress then [] else best @ [ SaveLatest ]

        if progress.BadSteps >= plan.BadSteps then
            save @ [ GiveUp ]
        elif circumstances.Interrupted then
            save @ [ Stop ]
        elif progress.Validated < lastValidation plan progress.Step then
            // saved before, so that a validation that is never finished costs no training
            save @ [ Validate ]
        elif not save.IsEmpty && progress.Step > 0L && isSaveDue plan circumstances progress then
            save
        elif progress.Step < plan.End && not (isOutOfPatience plan progress) then
            [ TrainBatch ]
        else
            [ Finish ]

    /// After an optimiser step.
    let stepped (progress: Progress) : Progress =
        { progress with
            Step = progress.Step + 1L
            BadSteps = 0
        }

    /// After a step that was bad: its images have been seen, but nothing has changed.
    let skipped (progress: Progress) : Progress =
        { progress with
            Step = progress.Step + 1L
            BadSteps = progress.BadSteps + 1
        }

    /// After a validation with this AP. The first one counts as the best whatever it found.
    let validated (ap: float) (progress: Progress) : Progress =
        let isBetter = not (ap <= progress.BestAp)
        let isPeak = not (ap <= progress.PeakAp)

        { progress with
            Validated = progress.Step
            BestAp = if isBetter then ap else progress.BestAp
            BestStep = if isBetter then progress.Step else progress.BestStep
            PeakAp = if isPeak then ap else progress.PeakAp
            SincePeak = if isPeak then 0 else progress.SincePeak + 1
        }

    /// After the best weights were written.
    let savedBest (progress: Progress) : Progress =
        { progress with
            BestSaved = progress.BestStep
        }

    /// After the state was written.
    let savedLatest (progress: Progress) : Progress =
        { progress with
            Saved = Some(progress.Step, progress.Validated)
        }
