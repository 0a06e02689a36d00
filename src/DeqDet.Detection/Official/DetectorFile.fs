namespace DeqDet.Detection

open System
open System.Collections.Generic
open System.IO
open System.Text.Json
open System.Text.Json.Nodes
open DeqDet
open DeqDet.Checkpoints
open DeqDet.Data
open DeqDet.Settings

/// A whole detector in a file of any origin, with what is known about it.
type DetectorFile =
    {
        /// The open file; it stays the caller's.
        File: ITensorFile
        Settings: Settings
        /// Its tensors without what only resuming needs.
        Weights: StoredTensor list
        /// Classes, progress, seed, version and account of training; its settings are `Settings`.
        Info: CheckpointInfo
        /// Whether this program trained it.
        IsOwn: bool
    }

module DetectorFile =

    let private ownKey = "deqdet"

    let private metaOf (file: ITensorFile) : JsonObject option =
        match file with
        | :? PthFile as pth ->
            match pth.Metadata["meta"] with
            | :? JsonObject as meta -> Some meta
            | _ -> None
        | _ -> None

    let private classNames (file: ITensorFile) : string list =
        match file with
        | :? PthFile as pth -> pth.Classes |> Option.ofObj |> Option.map List.ofSeq |> Option.defaultValue []
        | _ -> []

    /// What this program wrote into a file beside the weights; None where somebody else made it. Raises CheckpointError where it is damaged.
    let ownInfo (file: ITensorFile) : CheckpointInfo option =
        match file with
        | :? SafetensorsFile as safetensors ->
            if
                safetensors.Metadata.ContainsKey "format"
                && safetensors.Metadata.ContainsKey "settings"
            then
                Some(CheckpointInfo.FromMetadata(file.Path, safetensors.Metadata))
            else
                None
        | _ ->
            match metaOf file |> Option.map (fun meta -> meta[ownKey]) with
            | Some(:? JsonObject as own) ->
                let texts =
                    Dictionary
                        [
                            for entry in own do
                                if not (isNull entry.Value) && entry.Value.GetValueKind() = JsonValueKind.String then
                                    KeyValuePair(entry.Key, entry.Value.GetValue<string>())
                        ]

                Some(CheckpointInfo.FromMetadata(file.Path, texts))
            | _ -> None

    /// Whether this program wrote the file and said so in it. Raises CheckpointError where what it said is damaged.
    let hasOwnInfo (file: ITensorFile) : bool = (ownInfo file).IsSome

    let private official (file: ITensorFile) (name: string) : CheckpointInfo =
        let meta = metaOf file

        let number (key: string) =
            match meta |> Option.map (fun meta -> meta[key]) with
            | Some(:? JsonValue as value) ->
                match value.TryGetValue<int64>() with
                | true, number -> number
                | _ -> 0L
            | _ -> 0L

        let names = classNames file

        // the published order has COCO's ids, which no PyTorch checkpoint mentions
        let classes =
            if names = [ for c in CocoClasses.all -> c.Name ] then
                CocoClasses.all
            else
                names
                |> List.mapi (fun i text ->
                    {
                        Id = CocoId(int64 (i + 1))
                        Name = text
                    })

        let epoch = int (Math.Clamp(number "epoch", 0L, int64 Int32.MaxValue))
        let training = JsonObject()
        training["source"] <- Path.GetFileName file.Path
        training["model"] <- name
        training["epochs"] <- epoch

        CheckpointInfo(
            "",
            Array.ofList classes,
            CheckpointProgress(epoch, max 0L (number "iter")),
            uint64 (max 0L (number "seed")),
            "",
            training
        )

    let private given (file: ITensorFile) (classes: string) (count: int) : ObjectClass list =
        let given =
            if classes.EndsWith(".json", StringComparison.OrdinalIgnoreCase) then
                List.ofSeq (CocoDataset.Load(classes, ".").Categories)
            else
                classes.Split ','
                |> List.ofArray
                |> List.mapi (fun i name ->
                    {
                        Id = CocoId(int64 (i + 1))
                        Name = name.Trim()
                    })

        if given.Length <> count then
            raise (
                InputError
                    $"--classes {classes}: these are {given.Length} classes, but the classifier of {file.Path} has {count}"
            )

        given

    let private known (file: ITensorFile) (classes: ObjectClass list) (count: int) : ObjectClass list =
        if classes.Length = count then
            classes
        elif classes.IsEmpty && count = CocoClasses.all.Length then
            CocoClasses.all
        elif classes.IsEmpty then
            raise (CheckpointError(file.Path, $"does not say what its {count} classes are; name them by --classes"))
        else
            raise (
                CheckpointError(
                    file.Path,
                    $"names {classes.Length} classes, but its classifier has {count}; name them by --classes"
                )
            )

    /// The names of a detector's classes in the order of its outputs, as far as its file says them: COCO's where it says nothing and has as many;
    /// none where they are not known. Raises CheckpointError where the file has no classifier.
    let classNamesOf (file: ITensorFile) : string list =
        let count = KnownModels.classesOf file

        let said =
            match ownInfo file with
            | Some own -> [ for c in own.Classes -> c.Name ]
            | None -> classNames file

        if said.Length = count then
            said
        elif said.IsEmpty && count = CocoClasses.all.Length then
            [ for c in CocoClasses.all -> c.Name ]
        else
            []

    /// Recognises the detector in an open file for which `KnownModels.isDetector` holds, and checks that all its tensors fit.
    /// `config`: a settings file; None: the detector's own settings, or the official ones that fit. `classes`: names separated by commas,
    /// or an annotation file; None: what the file says, or COCO's 80.
    /// Raises InputError where it is damaged or does not fit, or its classes are not known.
    let read (config: string option) (classes: string option) (file: ITensorFile) : DetectorFile =
        if not (KnownModels.holdsBackbone file) then
            raise (
                CheckpointError(
                    file.Path,
                    "holds a decoder without a backbone: a training starts from it (train --from, weights.load), and what it saves detects"
                )
            )

        let own = ownInfo file

        let weights =
            [
                for tensor in file.Tensors do
                    if own.IsNone || not (CheckpointFile.IsState tensor.Name) then
                        tensor
            ]

        let settings, name =
            match config, own with
            | Some config, _ -> KnownModels.settings file config, Path.GetFileNameWithoutExtension config
            | None, Some own -> SettingsFile.parse $"{file.Path} (settings)" own.Settings [], ""
            | None, None -> KnownModels.find file

        Weights.Check(file.Path, Array.ofList weights, ExpectedWeights.ofDetector settings.Detector)
        let info = own |> Option.defaultWith (fun () -> official file name)
        let count = settings.Detector.Classes

        let classes =
            match classes with
            | Some classes -> given file classes count
            | None -> known file (List.ofSeq info.Classes) count

        {
            File = file
            Settings = settings
            Weights = weights
            Info =
                CheckpointInfo(
                    SettingsFile.toJson settings,
                    Array.ofList classes,
                    info.Progress,
                    info.Seed,
                    info.Version,
                    info.Training
                )
            IsOwn = own.IsSome
        }

    /// The same, written by this version of the program where nothing says which one it was.
    let withVersion (version: string) (detector: DetectorFile) : DetectorFile =
        let info = detector.Info

        if info.Version <> "" then
            detector
        else
            { detector with
                Info = CheckpointInfo(info.Settings, info.Classes, info.Progress, info.Seed, version, info.Training)
            }

    /// What the official programs and this one find beside the state dict of a PyTorch checkpoint.
    let toMeta (detector: DetectorFile) : JsonObject =
        let info = detector.Info
        let names = JsonArray()

        for c in info.Classes do
            names.Add(JsonValue.Create c.Name)

        let dataset = JsonObject()
        dataset["classes"] <- names
        let own = JsonObject()

        for entry in info.ToMetadata() do
            own[entry.Key] <- JsonValue.Create entry.Value

        let meta = JsonObject()
        meta["epoch"] <- info.Progress.Epoch
        meta["iter"] <- info.Progress.Step
        meta["dataset_meta"] <- dataset
        meta[ownKey] <- own
        meta
