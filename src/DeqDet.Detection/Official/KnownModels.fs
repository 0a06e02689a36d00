namespace DeqDet.Detection

open System
open System.Collections.Generic
open DeqDet.Checkpoints
open DeqDet.Model
open DeqDet.Settings

/// Recognises models by the names and shapes of their tensors.
module KnownModels =

    let private classLayer = ".fc_cls.weight"

    let private backbones =
        [
            "resnet18"
            "resnet34"
            "resnet50"
            "resnet101"
            "swin_t"
            "swin_s"
            "swin_b"
            "mobilenet_v2"
        ]

    /// Whether the tensors are those of a whole detector, not of a backbone alone.
    let isDetector (file: ITensorFile) : bool =
        file.Tensors
        |> Seq.exists (fun tensor -> tensor.Name.StartsWith("roi_head.", StringComparison.Ordinal))

    /// Whether a backbone is among the tensors. A decoder alone, with neck and queries, is what a training may start from with a backbone of its own.
    let holdsBackbone (file: ITensorFile) : bool =
        file.Tensors
        |> Seq.exists (fun tensor -> tensor.Name.StartsWith(BackboneNames.prefix, StringComparison.Ordinal))

    /// What a detector with these settings wants of a file: all of it, or without a backbone where the file holds none.
    let expected (settings: DetectorSettings) (file: ITensorFile) : ExpectedTensor[] =
        let all = ExpectedWeights.ofDetector settings

        if holdsBackbone file then
            all
        else
            all
            |> Array.filter (fun tensor -> not (tensor.Name.StartsWith(BackboneNames.prefix, StringComparison.Ordinal)))

    /// As many classes as a detector's tensors are made for. Raises CheckpointError where it has no classifier.
    let classesOf (file: ITensorFile) : int =
        let isClassifier (tensor: StoredTensor) =
            tensor.Name.EndsWith(classLayer, StringComparison.Ordinal)
            && tensor.Shape.Count = 2
            && tensor.Shape[0] > 0L
            && tensor.Shape[0] <= int64 Int32.MaxValue

        match file.Tensors |> Seq.tryFind isClassifier with
        | Some layer -> int layer.Shape[0]
        | None -> raise (CheckpointError(file.Path, $"has no classifier: no tensor '*{classLayer}' of two dimensions"))

    let private assignmentOf (file: ITensorFile) = $"classes={classesOf file}"

    /// A settings file for as many classes as the detector's tensors are made for. Raises InputError where the settings are wrong or
    /// the detector has no classifier.
    let settings (file: ITensorFile) (config: string) : Settings =
        SettingsFile.load config [ assignmentOf file ]

    /// How many tensors of a file and of a model do not fit each other.
    let private differences (stored: StoredTensor seq) (expected: ExpectedTensor seq) : int =
        let wanted = dict [ for tensor in expected -> tensor.Name, tensor ]
        let names = HashSet [ for tensor in stored -> tensor.Name ]

        let isForeign (tensor: StoredTensor) =
            match wanted.TryGetValue tensor.Name with
            | true, other ->
                other.Needed
                && not (
                    Seq.forall2 (=) other.Shape tensor.Shape
                    && other.Shape.Count = tensor.Shape.Count
                )
            | _ -> true

        (stored |> Seq.filter isForeign |> Seq.length)
        + (expected
           |> Seq.filter (fun tensor -> tensor.Needed && not (names.Contains tensor.Name))
           |> Seq.length)

    /// The first of the official models that a detector's tensors fit: its settings, for as many classes as the detector has, and the
    /// settings file's name without ending. Raises CheckpointError where they fit none: what is wrong with the nearest one.
    let find (file: ITensorFile) : Settings * string =
        let name, settings, expected =
            [
                for name, settings in SettingsFile.official [ assignmentOf file ] ->
                    name, settings, ExpectedWeights.ofDetector settings.Detector
            ]
            |> List.minBy (fun (_, _, expected) -> differences file.Tensors expected)

        try
            Weights.Check(file.Path, file.Tensors, expected)
            settings, name
        with :? CheckpointError as error ->
            raise (
                CheckpointError(
                    file.Path,
                    $"fits no official model; name the settings it was trained with by --config. Compared with the nearest, {name}, {error.Problem}",
                    error
                )
            )

    /// The backbone of a file that `BackboneNames.convert` knows: its kind and its tensors in the official order under `backbone.`
    /// names, without those that nothing computes with. Raises CheckpointError where it is no backbone known here.
    let findBackbone (file: ITensorFile) : BackboneKind * BackboneFile =
        let backbone = BackboneNames.convert file

        let stored =
            dict
                [
                    for tensor in backbone.Tensors do
                        if not (BackboneNames.isBookkeeping tensor.Name) then
                            tensor.Name, tensor
                ]

        let isWanted (tensor: ExpectedTensor) =
            tensor.Name.StartsWith(BackboneNames.prefix, StringComparison.Ordinal)
            && (stored.ContainsKey tensor.Name || not (BackboneNames.isOutputNorm tensor.Name))

        let kind, expected =
            [
                for name in backbones ->
                    let text = $$"""{ "backbone": { "kind": "{{name}}", "frozen_stages": -1 } }"""
                    let settings = (SettingsFile.parse name text []).Detector
                    settings.Backbone.Kind, ExpectedWeights.ofDetector settings |> Array.filter isWanted
            ]
            |> List.minBy (fun (_, expected) -> differences stored.Values expected)

        Weights.Check(file.Path, Array.ofSeq stored.Values, expected)

        kind,
        { backbone with
            Tensors =
                [
                    for tensor in expected do
                        if tensor.Needed then
                            stored[tensor.Name]
                ]
        }
