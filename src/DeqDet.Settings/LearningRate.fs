namespace DeqDet.Settings

open System

/// The learning rate over time, as a factor on each parameter's own rate.
module LearningRate =

    /// Linear from WarmupFactor at step 0 to 1 at step WarmupSteps - 1, as mmengine's LinearLR.
    let private warmup (schedule: ScheduleSettings) (step: int) =
        if step >= schedule.WarmupSteps - 1 then
            1.0
        else
            let done' = float step / float (schedule.WarmupSteps - 1)
            schedule.WarmupFactor + (1.0 - schedule.WarmupFactor) * done'

    /// The factor at a step, counted from 0 over the whole training of `epochs` epochs of `stepsPerEpoch` steps.
    let factor (schedule: ScheduleSettings) (epochs: int) (stepsPerEpoch: int) (step: int) : float =
        let epoch = float step / float stepsPerEpoch

        let decay =
            match schedule.Kind with
            | ScheduleKind.Step ->
                let passed =
                    schedule.Milestones
                    |> List.filter (fun milestone -> milestone <= epoch)
                    |> List.length

                pown schedule.Factor passed
            | ScheduleKind.Cosine ->
                let share = min 1.0 (epoch / float epochs)

                schedule.FinalFactor
                + (1.0 - schedule.FinalFactor) * 0.5 * (1.0 + Math.Cos(Math.PI * share))

        decay * warmup schedule step
