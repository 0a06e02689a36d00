namespace DeqDet.Detection

open System
open TorchSharp
open DeqDet
open DeqDet.Checkpoints
open DeqDet.Model
open DeqDet.Settings
open DeqDet.Settings.Schema

/// What a training takes over from a whole detector.
type DetectorStart =
    {
        /// The file.
        Path: string
        /// The classes of the data, in the order of the outputs.
        Classes: ClassStart list
        /// Classes of the file that none of the data continues.
        LeftOut: string list
        /// Queries that the file has.
        QueriesThere: int
        /// Queries of the detector in training: the first ones are the file's, as far as it has them, and the others fresh.
        Queries: int
        /// What else a person should know.
        Notices: string list
    }

/// A whole detector as the start of a training: all weights but those of the class layers, and of these the rows of the classes that both have.
module DetectorStart =

    let private openFile (path: string) : ITensorFile =
        let file = TensorFile.Open(WorkFolder.checkpointOf path)

        if not (KnownModels.isDetector file) then
            let names = [| for tensor in file.Tensors -> tensor.Name |]
            file.Dispose()

            raise (
                CheckpointError(
                    path,
                    $"holds no detector to start from (weights.load, --from), but {WeightNames.Summary names}; weights of a backbone alone are given by backbone.weights"
                )
            )

        file

    let private ofClasses (spec: Spec) =
        spec.Name.Contains(".fc_cls.", StringComparison.Ordinal)

    let private ofQueries (spec: Spec) =
        spec.Name.StartsWith("rpn_head.", StringComparison.Ordinal)

    let private mostQueries = 10_000L

    /// The file's queries; the detector's own number where it does not have them as they should be.
    let private queriesOf (settings: DetectorSettings) (file: ITensorFile) : int =
        let name = $"rpn_head.{(Family.ofSettings settings).Initial.Contents}.weight"

        match file.Find name with
        | null -> settings.Queries.Count
        | tensor when
            tensor.Shape.Count = 2
            && tensor.Shape[0] >= 1L
            && tensor.Shape[0] <= mostQueries
            ->
            int tensor.Shape[0]
        | _ -> settings.Queries.Count

    /// The detector of a training with as many classes and queries as a file has.
    let private asThere (settings: DetectorSettings) (file: ITensorFile) : DetectorSettings =
        { settings with
            Classes = KnownModels.classesOf file
            Queries =
                { settings.Queries with
                    Count = queriesOf settings file
                }
        }

    let private weightsOf (file: ITensorFile) : StoredTensor[] =
        let isOwn = DetectorFile.hasOwnInfo file

        [|
            for tensor in file.Tensors do
                if not (isOwn && CheckpointFile.IsState tensor.Name) then
                    tensor
        |]

    let private ownSettings (file: ITensorFile) : Settings option =
        DetectorFile.ownInfo file
        |> Option.map (fun own -> SettingsFile.parse $"{file.Path} (settings)" own.Settings [])

    let private ofNeck (name: string) =
        name.StartsWith("neck.", StringComparison.Ordinal)

    /// Whether the file's neck is for the backbone of these settings. One of a decoder alone may be for another: it reads other channels then, and
    /// stays where it is.
    let private bringsNeck (settings: DetectorSettings) (file: ITensorFile) : bool =
        let backbone (of': DetectorSettings) = of'.Backbone.Kind, of'.Backbone.Width

        KnownModels.holdsBackbone file
        || match ownSettings file with
           | Some there -> backbone there.Detector = backbone settings
           | None -> true

    /// What the file has for a detector with these settings, and what they want of it.
    let private offered (settings: DetectorSettings) (file: ITensorFile) : StoredTensor[] * ExpectedTensor[] =
        let stored, expected =
            weightsOf file, KnownModels.expected (asThere settings file) file

        if bringsNeck settings file then
            stored, expected
        else
            stored |> Array.filter (fun tensor -> not (ofNeck tensor.Name)),
            expected |> Array.filter (fun tensor -> not (ofNeck tensor.Name))

    /// Settings on which the shapes of weights depend, where the file's are others.
    let private differences (whole: bool) (settings: Settings) (there: Settings) : string list =
        let decides (key: string) =
            whole && (key = "backbone.kind" || key = "backbone.width")
            || key.StartsWith("head.", StringComparison.Ordinal) && key <> "head.stage_weights"

        [
            for change in SettingsSchema.compare there settings do
                if decides change.Key then
                    $"{change.Key} is {change.Before} in the file and {change.Now} in the settings"
        ]

    /// Raises CheckpointError where the file's detector is of another kind, or any tensor beside classes and queries does not fit.
    let private checkFit (settings: Settings) (file: ITensorFile) : unit =
        let refuse (text: string) inner =
            raise (CheckpointError(file.Path, $"cannot be the start of this training: {text}", inner))

        let there = ownSettings file

        match there with
        | Some there when there.Detector.Kind <> settings.Detector.Kind ->
            let title (of': Settings) = ModelNames.Of of'.Detector.Kind

            refuse
                $"its heads are those of {title there}, which are applied otherwise than those of {title settings} that the settings ask for (kind)"
                null
        | _ -> ()

        try
            let stored, expected = offered settings.Detector file
            Weights.Check(file.Path, stored, expected)
        with :? CheckpointError as error ->
            let differences = differences (KnownModels.holdsBackbone file) settings

            match there |> Option.map differences |> Option.defaultValue [] with
            | [] -> refuse error.Problem error
            | several ->
                let decoder =
                    if several |> List.forall _.StartsWith("backbone.", StringComparison.Ordinal) then
                        $"take its decoder alone, which goes with any backbone: convert {Shell.quote file.Path} decoder.safetensors --decoder; or "
                    else
                        ""

                let several = String.concat ", " several

                refuse
                    $"{several}; set them as they are there, or leave CONFIG out: the file's own settings hold then; or {decoder}start without it, by weights.load=null"
                    error

    /// Raises InputError where settings name a start that is missing or damaged, or does not fit. What the classes are does not matter.
    let check (settings: Settings) : unit =
        match settings.Weights with
        | { Load = Some path } ->
            use file = openFile path
            checkFit settings file
        | { Rename = _ :: _ } ->
            raise (
                InputError
                    "weights.rename says nothing without a checkpoint to start from; name one by --from CHECKPOINT (weights.load)"
            )
        | _ -> ()

    /// The settings of a checkpoint, with `KEY=VALUE` assignments, for a training that starts from it on other data: the classes are the data's. `otherData`:
    /// whether it is named where the data are, so that none are made. Raises InputError where the file is missing, damaged or not known.
    let settingsOf (path: string) (otherData: bool) (assignments: string seq) : Settings =
        use file = openFile path
        let whole = KnownModels.holdsBackbone file

        let there =
            match ownSettings file with
            | Some own -> own
            | None -> fst (KnownModels.find file)

        let start =
            { there with
                Detector =
                    { there.Detector with
                        Classes = 0
                        Backbone =
                            { there.Detector.Backbone with
                                Weights = if whole then None else there.Detector.Backbone.Weights
                            }
                    }
                Weights = Settings.defaults.Weights
                Data =
                    { there.Data with
                        Shapes = if otherData then None else there.Data.Shapes
                    }
            }

        SettingsFile.parse $"{path} (settings)" (SettingsFile.toJson start) assignments

    let private noticesOf (settings: Settings) (file: ITensorFile) (names: string list) : string list =
        [
            if names.IsEmpty then
                $"{file.Path} does not say what its {KnownModels.classesOf file} classes are: all of the data's start fresh"

            match settings.Detector.Backbone.Weights with
            | Some _ when KnownModels.holdsBackbone file ->
                "backbone.weights is ignored: the backbone comes with the whole detector (weights.load, --from)"
            | None when not (KnownModels.holdsBackbone file) ->
                $"{file.Path} holds a decoder alone, and the backbone starts from random weights; backbone.weights names others"
            | _ -> ()

            if not (bringsNeck settings.Detector file) then
                $"{file.Path} was trained on another backbone: the neck, which reads the backbone's maps, starts fresh"

            match ownSettings file with
            | Some there when there.Detector.Queries.Inject <> settings.Detector.Queries.Inject ->
                let words (of': Settings) =
                    if of'.Detector.Queries.Inject then "with" else "without"

                $"{file.Path} was trained {words there} the injection of initial contents, and goes on {words settings} it (queries.inject)"
            | _ -> ()

            match ownSettings file with
            // pixels are the backbone's; a decoder alone sees none
            | Some there when
                KnownModels.holdsBackbone file
                && there.Data.Normalise <> settings.Data.Normalise
                ->
                let numbers (of': Settings) =
                    let text (values: float list) =
                        values |> List.map (fun value -> $"{value:``0.###``}") |> String.concat ", "

                    $"mean {text of'.Data.Normalise.Mean} and deviation {text of'.Data.Normalise.Std}"

                $"{file.Path} was trained on pixels of other data.normalise: {numbers there}, here {numbers settings}"
            | _ -> ()
        ]

    /// What a training with these settings takes over for the classes of its data; None where it starts otherwise. Reads no weights. Raises InputError
    /// as `check` does, and where classes are to be renamed that are not there.
    let plan (settings: Settings) (classes: ObjectClass seq) : DetectorStart option =
        check settings

        settings.Weights.Load
        |> Option.map (fun path ->
            use file = openFile path
            let names = DetectorFile.classNamesOf file

            let found =
                ClassRows.find settings.Weights.Rename names [ for c in classes -> c.Name ]

            let taken = found |> List.choose _.Old |> List.map fst |> set

            {
                Path = file.Path
                Classes = found
                LeftOut =
                    [
                        for row, name in List.indexed names do
                            if not (taken.Contains row) then
                                name
                    ]
                QueriesThere = queriesOf settings.Detector file
                Queries = settings.Detector.Queries.Count
                Notices = noticesOf settings file names
            })

    /// Whether the backbone comes with what settings start from; otherwise it starts by itself, as `backbone.weights` says. Raises InputError as
    /// `check` does.
    let bringsBackbone (settings: Settings) : bool =
        match settings.Weights.Load with
        | Some path ->
            use file = openFile path
            KnownModels.holdsBackbone file
        | None -> false

    /// Copies what is taken over into a new detector, whose own numbers stay where the file has none. Raises InputError where the file is damaged
    /// or holds NaN or infinity; the detector is as it was then.
    let copyInto (detector: Detector) (start: DetectorStart) (device: torch.Device) : unit =
        use _ = torch.NewDisposeScope()
        use _ = torch.no_grad ()
        use file = openFile start.Path

        let stored, expected = offered detector.Settings file
        let found = Weights.Load(file.Path, stored, expected, device)

        for spec, tensor in detector.Tensors do
            match found.TryGetValue spec.Name with
            | false, _ -> () // of the backbone, or of a neck for another one, which the file leaves as they are
            | true, there ->

                use there = there

                if ofClasses spec then
                    for row, at in List.indexed start.Classes do
                        match at.Old with
                        | Some(old, _) -> tensor.select(0L, int64 row).copy_(there.select (0L, int64 old)) |> ignore
                        | None -> ()
                elif ofQueries spec then
                    let count = min tensor.shape[0] there.shape[0]
                    tensor.narrow(0L, 0L, count).copy_(there.narrow (0L, 0L, count)) |> ignore
                else
                    tensor.copy_ there |> ignore
