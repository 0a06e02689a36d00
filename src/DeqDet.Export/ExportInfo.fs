namespace DeqDet.Export

open System
open System.Collections.Generic
open System.Text.Encodings.Web
open System.Text.Json
open System.Text.Json.Nodes
open DeqDet
open DeqDet.Checkpoints
open DeqDet.Data
open DeqDet.Detection
open DeqDet.Model

/// What a file says of its input: what its caller has to do to a picture.
type InputInfo =
    {
        /// Sides after the resize, px, as in settings (`data.resize`).
        ShortSide: int
        LongMax: int
        /// Padded sides are multiples of this, px.
        Multiple: int
        /// Values of 0 to 255 become (value - mean) / std; R, G, B.
        Mean: float list
        Std: float list
    }

/// What an exported file says of itself, beside its graph.
type ExportInfo =
    {
        /// The program's version.
        Version: string
        /// Family and backbone, for people.
        Model: string
        /// The checkpoint that it was made from: its file name and SHA-256.
        Checkpoint: string
        Hash: string
        /// In the order of the labels.
        Classes: ObjectClass list
        /// The score from which on detections of each class are taken.
        Thresholds: float list
        Input: InputInfo
        Weights: WeightForm
        Runtime: Runtime
        /// How the refinement head is applied; None for models without equilibrium.
        Iteration: Iteration option
    }

module ExportInfo =

    let private formatName = "deqdet-onnx-"

    /// To be raised whenever this program could no longer read what it writes now.
    let private formatVersion = 1

    let private words =
        [ WeightForm.Single, "float32"; WeightForm.Half, "float16"; Bytes, "int8" ]

    let private targets = [ Standard, "standard"; TensorRt, "tensorrt"; Web, "web" ]

    let private wordOf table value =
        table |> List.find (fun (other, _) -> other = value) |> snd

    /// How to bring a picture into the network and what comes out, in words.
    let private usage (info: ExportInfo) =
        let input = info.Input

        $"Resize the picture by one factor so that its short side is {input.ShortSide} px and its long side at most {input.LongMax} px (bilinear, half-pixel centres); "
        + "take R, G, B from 0 to 255, subtract mean, divide by std, channels first; "
        + $"pad with zeros at the right and below to multiples of {input.Multiple} px, all images of a batch to one size. "
        + "sizes: width and height of each picture before the padding. "
        + "boxes are left, top, right, bottom in px of that input, not clipped: divide by the factor of the resize. "
        + "Take a detection where its score reaches the threshold of its class; nothing is to be suppressed."

    // names of classes stay readable; nobody puts this JSON into a page as it is
    let private options =
        JsonSerializerOptions(Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping)

    let private textOf (node: JsonNode) = node.ToJsonString options

    let private list (values: JsonNode seq) : JsonNode = JsonArray(Array.ofSeq values)

    let private numbers (values: float list) =
        list [ for value in values -> JsonValue.Create value ]

    let private section (entries: (string * JsonNode) list) : JsonNode =
        let section = JsonObject()

        for key, value in entries do
            section[key] <- value

        section

    let private iterationNode (iteration: Iteration) =
        match iteration with
        | Unrolled applications ->
            section
                [
                    "kind", JsonValue.Create "unrolled"
                    "applications", JsonValue.Create applications
                ]
        | Looped(applications, tolerance) ->
            section
                [
                    "kind", JsonValue.Create "loop"
                    "applications", JsonValue.Create applications
                    "tolerance",
                    tolerance
                    |> Option.map (fun t -> JsonValue.Create t :> JsonNode)
                    |> Option.toObj
                ]

    /// As metadata of an ONNX file: texts, where a value is more than a word as JSON.
    let toMetadata (info: ExportInfo) : KeyValuePair<string, string> list =
        [
            "format", $"{formatName}{formatVersion}"
            "version", info.Version
            "model", info.Model
            "checkpoint",
            textOf (
                section
                    [
                        "name", JsonValue.Create info.Checkpoint
                        "sha256", JsonValue.Create info.Hash
                    ]
            )
            "classes",
            textOf (
                list
                    [
                        for one in info.Classes ->
                            section
                                [
                                    "id", JsonSerializer.SerializeToNode one.Id
                                    "name", JsonValue.Create one.Name
                                ]
                    ]
            )
            "thresholds", textOf (numbers info.Thresholds)
            "input",
            textOf (
                section
                    [
                        "short_side", JsonValue.Create info.Input.ShortSide
                        "long_max", JsonValue.Create info.Input.LongMax
                        "multiple", JsonValue.Create info.Input.Multiple
                        "mean", numbers info.Input.Mean
                        "std", numbers info.Input.Std
                    ]
            )
            "weights", wordOf words info.Weights
            "runtime", wordOf targets info.Runtime

            match info.Iteration with
            | Some iteration -> "iteration", textOf (iterationNode iteration)
            | None -> ()

            "usage", usage info
        ]
        |> List.map KeyValuePair

    /// From the metadata of an ONNX file. Raises CheckpointError where another program made it, or another version, or it is damaged.
    let ofMetadata (path: string) (metadata: IReadOnlyDictionary<string, string>) : ExportInfo =
        let wrong (problem: string) = raise (CheckpointError(path, problem))

        let text key =
            match metadata.TryGetValue key with
            | true, text -> text
            | _ -> wrong $"its metadata are damaged: there is no '{key}'"

        match metadata.TryGetValue "format" with
        | true, format when format = $"{formatName}{formatVersion}" -> ()
        | true, format when format.StartsWith(formatName, StringComparison.Ordinal) ->
            wrong
                $"is of the format {format}, which this version of the program does not know; use the one that wrote it"
        | _ -> wrong "was not written by 'export': it is an ONNX file of another program"

        let parsed key (read: JsonNode -> 'value) : 'value =
            try
                read (JsonNode.Parse(text key))
            with
            | :? JsonException
            | :? InvalidOperationException
            | :? FormatException
            | :? NullReferenceException
            | :? ArgumentException -> wrong $"its metadata are damaged: '{key}' is not what it should be"

        let floats (node: JsonNode) =
            [ for one in node.AsArray() -> one.GetValue<float>() ]

        let valueOf key table =
            let word = text key

            match table |> List.tryFind (fun (_, other) -> other = word) with
            | Some(value, _) -> value
            | None -> wrong $"its metadata are damaged: '{key}' is {word}"

        let iteration (node: JsonNode) =
            let applications = node["applications"].GetValue<int>()

            match node["kind"].GetValue<string>() with
            | "unrolled" -> Unrolled applications
            | "loop" -> Looped(applications, node["tolerance"] |> Option.ofObj |> Option.map _.GetValue<float>())
            | _ -> raise (FormatException())

        let info =
            {
                Version = text "version"
                Model = text "model"
                Checkpoint = parsed "checkpoint" (fun node -> node["name"].GetValue<string>())
                Hash = parsed "checkpoint" (fun node -> node["sha256"].GetValue<string>())
                Classes =
                    parsed "classes" (fun node ->
                        [
                            for one in node.AsArray() ->
                                {
                                    Id = JsonSerializer.Deserialize<CocoId> one["id"]
                                    Name = one["name"].GetValue<string>()
                                }
                        ])
                Thresholds = parsed "thresholds" floats
                Input =
                    parsed "input" (fun node ->
                        {
                            ShortSide = node["short_side"].GetValue<int>()
                            LongMax = node["long_max"].GetValue<int>()
                            Multiple = node["multiple"].GetValue<int>()
                            Mean = floats node["mean"]
                            Std = floats node["std"]
                        })
                Weights = valueOf "weights" words
                Runtime = valueOf "runtime" targets
                Iteration =
                    if metadata.ContainsKey "iteration" then
                        Some(parsed "iteration" iteration)
                    else
                        None
            }

        if info.Thresholds.Length <> info.Classes.Length then
            wrong $"its metadata are damaged: {info.Thresholds.Length} thresholds for {info.Classes.Length} classes"

        info

    /// How it computes, in a few words.
    let describe (info: ExportInfo) : string =
        let numbers =
            match info.Weights with
            | Bytes -> "large layers in int8"
            | WeightForm.Half -> "large layers in float16"
            | WeightForm.Single -> "float32"

        let iteration =
            match info.Iteration with
            | None -> ""
            | Some(Unrolled applications) -> $"{applications} applications written out, "
            | Some(Looped(applications, None)) -> $"a loop of {applications} applications, "
            | Some(Looped(applications, Some tolerance)) ->
                $"a loop of at most {applications} applications that ends at a residual of {tolerance}, "

        iteration + numbers

    /// What is to be said of a model's export. `checkpoint` and `hash`: the file's name and SHA-256.
    let ofModel version (checkpoint: string, hash: string) (form: Form) iteration (model: TrainedModel) : ExportInfo =
        let data = model.Settings.Data

        {
            Version = version
            Model = ModelNames.Of model.Settings.Detector
            Checkpoint = checkpoint
            Hash = hash
            Classes = List.ofArray model.Classes
            Thresholds = [ for label in 0 .. model.Classes.Length - 1 -> model.Threshold label ]
            Input =
                {
                    ShortSide = data.Resize.ShortSide
                    LongMax = data.Resize.LongMax
                    Multiple = Normalisation.Divisor
                    Mean = data.Normalise.Mean
                    Std = data.Normalise.Std
                }
            Weights = form.Weights
            Runtime = form.Runtime
            Iteration = iteration
        }
