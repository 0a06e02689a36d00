namespace DeqDet.Detection

open System
open System.IO
open System.Collections.Generic
open TorchSharp
open TorchSharp.Modules
open DeqDet
open DeqDet.Coco.Evaluation

/// A training's numbers as TensorBoard shows them, in the rhythm of metrics.jsonl. Whatever cannot be written is said once through `notice`,
/// and training goes on: metrics.jsonl has the same numbers.
[<Sealed>]
type EventLog private (folder: string, notice: string -> unit) =

    // TorchSharp's writer opens its file for each number and closes it again, so there is nothing to be disposed of
    let mutable writer: SummaryWriter option = None
    let mutable said = false

    static let ofValidation = "validation/"
    static let ofClass = "class AP/"

    let failed (error: exn) =
        // a number that was written in half ends its file: the next one begins another
        writer <- None

        if not said then
            said <- true
            notice $"{folder}: events for TensorBoard cannot be written ({error.Message}); the training goes on without"

    let write (step: int64) (numbers: (string * float) seq) =
        try
            let writer =
                match writer with
                | Some writer -> writer
                | None ->
                    let opened = torch.utils.tensorboard.SummaryWriter folder
                    writer <- Some opened
                    opened

            for tag, value in numbers do
                if Double.IsFinite value then
                    writer.add_scalar (
                        tag,
                        float32 value,
                        int step,
                        Nullable(DateTimeOffset.UtcNow.ToUnixTimeSeconds())
                    )
        with
        | :? IOException
        | :? UnauthorizedAccessException as error -> failed error

    let step (number: int64) rate loss (parts: KeyValuePair<string, float> seq) gradNorm time dataTime memory =
        [
            "train/loss", loss
            "train/learning rate", rate
            "train/gradient norm", gradNorm
            "time/step, s", time
            "time/waiting for data, s", dataTime
            "memory/MiB", memory

            for part in parts do
                "loss/" + part.Key, part.Value
        ]
        |> write number

    let validation (number: int64) (scores: (string * float) seq) (classes: (string * float) seq) =
        [
            for name, value in scores do
                if value >= 0.0 then
                    ofValidation + name, value

            for name, value in classes do
                if value >= 0.0 then
                    ofClass + name, value
        ]
        |> write number

    member private _.Replay(history: TrainingHistory) =
        for entry in history.Steps do
            step
                entry.Step
                entry.LearningRate
                entry.Loss
                entry.Parts
                entry.GradNorm
                entry.Time
                entry.DataTime
                entry.Memory

        for entry in history.Validations do
            validation
                entry.Step
                [ for score in entry.Scores -> score.Key, score.Value ]
                [ for entry in entry.Classes -> entry.Key, entry.Value ]

    /// Opens the events of a training that goes on after a step (0: from the start), the last validation of which was at step `validated`.
    /// Events of later ones, which will come again, are taken out; where there are none at all, as after a change of the setting or of the
    /// folder, those of `history` are written first.
    static member Open
        (folder: string, step: int64, validated: int64, history: TrainingHistory, notice: Action<string>)
        : EventLog =
        let log = EventLog(folder, notice.Invoke)

        let keep (event: Tensorboard.Event) =
            match event.Summary with
            | null -> true
            | summary ->
                let isValidation =
                    summary.Value
                    |> Seq.exists (fun value ->
                        value.Tag.StartsWith(ofValidation, StringComparison.Ordinal)
                        || value.Tag.StartsWith(ofClass, StringComparison.Ordinal))

                event.Step <= (if isValidation then validated else step)

        try
            match EventFile.ofFolder folder with
            | [] -> log.Replay history
            | files -> files |> List.iter (EventFile.cut keep)
        with
        | :? InputError
        | :? IOException
        | :? UnauthorizedAccessException as error -> notice.Invoke $"{error.Message}; TensorBoard may show steps twice"

        log

    /// The numbers of an optimiser step.
    member _.Step(report: StepReport) : unit =
        step
            report.Step
            report.LearningRate
            report.Loss
            report.Losses
            report.GradNorm
            report.Time.TotalSeconds
            report.DataTime.TotalSeconds
            (float (report.MemoryBytes >>> 20))

    /// AP of a validation with COCO's parameters after so many steps, and of each class.
    member _.Validation(step: int64, result: EvaluationResult) : unit =
        let classes = List.ofSeq result.PerClass

        let names =
            MetricNames.ofClasses [ for entry in classes -> entry.Category.Name ]
            |> List.choose MetricNames.classOf

        validation
            step
            [ for _, name in MetricNames.scores -> name, result[name] ]
            [
                for name, entry in List.zip names classes ->
                    name, (entry.Statistics |> Seq.find (fun s -> s.Name = "AP")).Value
            ]
