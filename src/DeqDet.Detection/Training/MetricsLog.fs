namespace DeqDet.Detection

open System
open System.Buffers
open System.IO
open System.Text.Json
open DeqDet
open DeqDet.Coco.Evaluation

/// metrics.jsonl: one JSON object a line, flushed as soon as it is written. Lines of training steps hold `epoch, step, lr, loss`, each part
/// of the loss by its official name, `grad_norm, time, data_time` (s) and `memory` (MiB), and where the step was bad and changed nothing `skipped`, its images; lines of validations `epoch, step,
/// coco/bbox_mAP, coco/bbox_mAP_50, _75, _s, _m, _l`, of each class `coco/NAME_precision`, its AP, and `time` (s); -1 where there is nothing to average; the last line of a run that ends early `epoch, step, ended`, why. A number that is not finite, which JSON cannot
/// hold, is null. A line that cannot be written is an InputError; it is kept and tried again at the next one.
[<Sealed>]
type MetricsLog private (file: LineFile) =

    static let firstOfValidation = fst MetricNames.scores.Head

    static let number (writer: Utf8JsonWriter) (key: string) (value: float) =
        if Double.IsFinite value then
            writer.WriteNumber(key, value)
        else
            writer.WriteNull key

    let append (fields: Utf8JsonWriter -> unit) =
        let line = ArrayBufferWriter<byte>()

        do
            use writer = new Utf8JsonWriter(line)
            writer.WriteStartObject()
            fields writer
            writer.WriteEndObject()

        line.Write(ReadOnlySpan "\n"B)
        file.Append(line.WrittenSpan.ToArray())

    let step (report: StepReport) (more: Utf8JsonWriter -> unit) =
        append (fun writer ->
            writer.WriteNumber("epoch", report.Epoch)
            writer.WriteNumber("step", report.Step)
            number writer "lr" report.LearningRate
            number writer "loss" report.Loss

            for part in report.Losses do
                number writer part.Key part.Value

            number writer "grad_norm" report.GradNorm
            number writer "time" (Math.Round(report.Time.TotalSeconds, 6))
            number writer "data_time" (Math.Round(report.DataTime.TotalSeconds, 6))
            writer.WriteNumber("memory", report.MemoryBytes >>> 20)
            more writer)

    /// Step of a line, and whether it is a validation's; None where it is no whole line of metrics.
    static let read (line: ReadOnlyMemory<byte>) : (int64 * bool) option =
        try
            use json = JsonDocument.Parse line
            let root = json.RootElement

            // what ended a run has not ended the one that goes on
            if
                root.ValueKind <> JsonValueKind.Object
                || fst (root.TryGetProperty MetricNames.ended)
            then
                None
            else
                match root.TryGetProperty "step" with
                | true, value when value.ValueKind = JsonValueKind.Number ->
                    match value.TryGetInt64() with
                    | true, step -> Some(step, fst (root.TryGetProperty firstOfValidation))
                    | _ -> None
                | _ -> None
        with :? JsonException ->
            None

    static let lines (all: byte[]) : ReadOnlyMemory<byte> list =
        let rec next (rest: ReadOnlyMemory<byte>) =
            match rest.Span.IndexOf(byte '\n') with
            | -1 -> []
            | last -> rest.Slice(0, last + 1) :: next (rest.Slice(last + 1))

        next (ReadOnlyMemory all)

    static let keep (path: string) (step: int64) (validated: int64) =
        if File.Exists path then
            let all = File.ReadAllBytes path

            let kept =
                lines all
                |> List.filter (fun line ->
                    match read line with
                    | Some(of', isValidation) -> of' <= (if isValidation then validated else step)
                    | None -> false)

            if kept |> List.sumBy _.Length < all.Length then
                AtomicFile.Write(
                    path,
                    fun stream ->
                        for line in kept do
                            stream.Write line.Span
                )

    /// Opens or makes the file for a training that goes on after a step (0: from the start), the last validation of which was at step
    /// `validated`. Lines of later steps and validations, which will be written anew, are dropped, and so is whatever is no whole line of
    /// metrics, such as the end of a file whose writer was killed. Raises InputError where the file cannot be read or written.
    static member Open(path: string, step: int64, validated: int64) : MetricsLog =
        try
            keep path step validated
            new MetricsLog(LineFile.Open path)
        with
        | :? IOException
        | :? UnauthorizedAccessException as error ->
            raise (InputError($"{path}: metrics cannot be written: {error.Message}; choose another --work-dir", error))

    /// Appends the line of a training step.
    member _.Step(report: StepReport) : unit = step report ignore

    /// Appends the line of a step that was bad and changed nothing, with the images of the step.
    member _.Skipped(report: StepReport, images: string seq) : unit =
        step report (fun writer ->
            writer.WriteStartArray "skipped"

            for image in images do
                writer.WriteStringValue image

            writer.WriteEndArray())

    /// Appends the line of a validation with COCO's parameters after so many epochs and steps, and how long it took.
    member _.Validation(epoch: int, step: int64, result: EvaluationResult, time: TimeSpan) : unit =
        append (fun writer ->
            writer.WriteNumber("epoch", epoch)
            writer.WriteNumber("step", step)

            for key, statistic in MetricNames.scores do
                number writer key result[statistic]

            let classes = List.ofSeq result.PerClass
            let names = MetricNames.ofClasses [ for entry in classes -> entry.Category.Name ]

            for name, entry in List.zip names classes do
                number writer name (entry.Statistics |> Seq.find (fun s -> s.Name = "AP")).Value

            number writer "time" (Math.Round(time.TotalSeconds, 6)))

    /// Appends the line of a run that ends after so many epochs and steps, before its last step, and why.
    member _.Ended(epoch: int, step: int64, reason: string) : unit =
        append (fun writer ->
            writer.WriteNumber("epoch", epoch)
            writer.WriteNumber("step", step)
            writer.WriteString(MetricNames.ended, reason))

    /// Every line that was appended is on the disk when this returns, also those that could not be written before. Raises InputError where
    /// one still cannot.
    member _.Save() : unit = file.Save()

    interface IDisposable with
        member _.Dispose() = (file :> IDisposable).Dispose()
