namespace DeqDet.Detection

open System
open System.Collections.Generic
open System.IO
open System.Text.Json
open DeqDet

/// What metrics.jsonl says about an optimiser step. NaN where it says nothing or null.
type RecordedStep =
    {
        /// From 1.
        Epoch: int
        Step: int64
        LearningRate: float
        /// The sum of all losses.
        Loss: float
        /// Every part by its official name, other numbers such as `init_pos_acc` (%) among them, in the order of the file.
        Parts: KeyValuePair<string, float>[]
        /// Norm of the gradient before clipping.
        GradNorm: float
        /// Seconds that the step took.
        Time: float
        /// The part of it spent waiting for data, s.
        DataTime: float
        /// MiB.
        Memory: float
        /// The images of a step that was bad and changed nothing; null for a good one.
        Skipped: string[]
    }

/// What metrics.jsonl says about a validation.
type RecordedValidation =
    {
        /// Epochs completed.
        Epoch: int
        Step: int64
        /// Seconds that it took; NaN where the file does not say.
        Time: float
        /// `AP`, `AP50`, `AP75`, `AP_small`, `AP_medium`, `AP_large`; -1 where there was nothing to average.
        Scores: IReadOnlyDictionary<string, float>
        /// AP by class name, in the order of the file.
        Classes: KeyValuePair<string, float>[]
    }

    /// A score by name; NaN where it is missing or there was nothing to average.
    member validation.Score(name: string) : float =
        match validation.Scores.TryGetValue name with
        | true, value when value >= 0.0 -> value
        | _ -> nan

/// What metrics.jsonl tells of a training.
type TrainingHistory =
    {
        Steps: RecordedStep[]
        Validations: RecordedValidation[]
    }

/// metrics.jsonl back into memory.
module TrainingHistory =

    let private known =
        set
            [
                "epoch"
                "step"
                "lr"
                "loss"
                "grad_norm"
                "time"
                "data_time"
                "memory"
                "skipped"
            ]

    let private number (line: JsonElement) (key: string) : float =
        match line.TryGetProperty key with
        | true, value when value.ValueKind = JsonValueKind.Number -> value.GetDouble()
        | _ -> nan

    let private parts (line: JsonElement) =
        [|
            for property in line.EnumerateObject() do
                if not (known.Contains property.Name) then
                    match property.Value.ValueKind with
                    | JsonValueKind.Number -> KeyValuePair(property.Name, property.Value.GetDouble())
                    | JsonValueKind.Null -> KeyValuePair(property.Name, nan)
                    | _ -> ()
        |]

    let private skipped (line: JsonElement) : string[] =
        match line.TryGetProperty "skipped" with
        | true, images when images.ValueKind = JsonValueKind.Array ->
            [|
                for image in images.EnumerateArray() do
                    if image.ValueKind = JsonValueKind.String then
                        image.GetString()
            |]
        | _ -> null

    let private classes (line: JsonElement) =
        [|
            for property in line.EnumerateObject() do
                match MetricNames.classOf property.Name with
                | Some name when property.Value.ValueKind = JsonValueKind.Number ->
                    KeyValuePair(name, property.Value.GetDouble())
                | _ -> ()
        |]

    /// A line: of a step, or of a validation; None where it is no whole line of metrics.
    let private parse (line: string) : Choice<RecordedStep, RecordedValidation> option =
        try
            use json = JsonDocument.Parse line
            let root = json.RootElement

            let whole (key: string) =
                match root.TryGetProperty key with
                | true, value when value.ValueKind = JsonValueKind.Number ->
                    match value.TryGetInt64() with
                    | true, number when number >= 0L -> Some number
                    | _ -> None
                | _ -> None

            if
                root.ValueKind <> JsonValueKind.Object
                || fst (root.TryGetProperty MetricNames.ended)
            then
                None
            else
                match whole "step", whole "epoch" with
                | Some step, Some epoch when epoch <= int64 Int32.MaxValue ->
                    let epoch = int epoch

                    if fst (root.TryGetProperty(fst MetricNames.scores.Head)) then
                        Some(
                            Choice2Of2
                                {
                                    Epoch = epoch
                                    Step = step
                                    Time = number root "time"
                                    Scores =
                                        readOnlyDict [ for key, name in MetricNames.scores -> name, number root key ]
                                    Classes = classes root
                                }
                        )
                    else
                        Some(
                            Choice1Of2
                                {
                                    Epoch = epoch
                                    Step = step
                                    LearningRate = number root "lr"
                                    Loss = number root "loss"
                                    Parts = parts root
                                    GradNorm = number root "grad_norm"
                                    Time = number root "time"
                                    DataTime = number root "data_time"
                                    Memory = number root "memory"
                                    Skipped = skipped root
                                }
                        )
                | _ -> None
        with :? JsonException ->
            None

    /// Reads a file, also one that a training is writing. What is no whole line of metrics is passed over. Raises InputError where it
    /// cannot be read.
    let read (path: string) : TrainingHistory =
        try
            use file =
                new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite ||| FileShare.Delete)

            use reader = new StreamReader(file)
            let steps, validations = List<RecordedStep>(), List<RecordedValidation>()
            let mutable line = reader.ReadLine()

            while not (isNull line) do
                match parse line with
                | Some(Choice1Of2 step) -> steps.Add step
                | Some(Choice2Of2 validation) -> validations.Add validation
                | None -> ()

                line <- reader.ReadLine()

            {
                Steps = steps.ToArray()
                Validations = validations.ToArray()
            }
        with
        | :? IOException
        | :? UnauthorizedAccessException as error ->
            raise (InputError($"{path}: metrics cannot be read: {error.Message}", error))
