/// A whole detector, from the picture to the detections, its weights made by the integer rule.
module DeqDet.Verification.FullModel

open System
open System.Collections.Generic
open System.Text.Json
open TorchSharp
open DeqDet
open DeqDet.Model
open DeqDet.Model.Backbones

/// More pairs are read out than are expected, since nearly equal scores may swap at the end of the list.
let private spare = 64

/// One row of the list of weights.
type private Row =
    {
        Shape: int64[]
        Rule: IntegerRule.Rule option
        First: float list
        Sum: float option
    }

let private rows (file: string) (json: JsonElement) : IReadOnlyDictionary<string, Row> =
    let rows = Dictionary()

    for entry in (GoldenJson.section file "weights" json).EnumerateArray() do
        let name = (GoldenJson.section file "name" entry).GetString()

        rows[name] <-
            {
                Shape = [| for n in GoldenJson.numbers file "shape" entry -> int64 n |]
                // counters and index tables have no scale
                Rule =
                    GoldenJson.tryNumber "scale" entry
                    |> Option.map (fun scale ->
                        {
                            Index = GoldenJson.integer file "index" entry
                            Offset = GoldenJson.number file "offset" entry
                            Scale = scale
                        })
                First = GoldenJson.numbers file "first4" entry
                Sum = GoldenJson.tryNumber "sum_float64" entry
            }

    rows

/// Whether the JSON file lists the weights of a full model.
let describes (json: JsonElement) =
    json.ValueKind = JsonValueKind.Object
    && (match json.TryGetProperty "weights" with
        | true, weights -> weights.ValueKind = JsonValueKind.Array
        | _ -> false)

/// How a weight made by the rule differs from what the list says of it: first numbers that are wrong, relative error of the sum.
let private compareMade (row: Row) (rule: IntegerRule.Rule) (made: Tensor) =
    let wrong =
        row.First
        |> List.indexed
        |> List.filter (fun (i, expected) -> float (IntegerRule.element rule i) <> expected)

    let sum =
        match row.Sum with
        | None -> 0.0
        | Some expected ->
            use sum = made.sum torch.float64
            abs (numberOf sum - expected) / max 1.0 (abs expected)

    wrong.Length, sum

/// The weights that the rule makes, and the checks of all that were asked for.
let private weights (json: string) device (rows: IReadOnlyDictionary<string, Row>) =
    let compared = ResizeArray<int * float>()

    let find (spec: Spec) =
        match rows.TryGetValue spec.Name with
        | true, ({ Rule = Some rule } as row) when row.Shape = spec.Shape ->
            let tensor = IntegerRule.tensor spec.Shape rule
            compared.Add(compareMade row rule tensor)

            if device = torch.CPU then
                tensor
            else
                tensor.``to`` (device, disposeAfter = true)
        | true, row ->
            raise (InputError $"{json}: '{spec.Name}' is %A{row.Shape}, the detector asks for %A{spec.Shape}")
        | _ -> raise (InputError $"{json} lists no tensor '{spec.Name}'")

    let checks () =
        [
            Check.known Count 0.0 json "weights.first4" (float (Seq.sumBy fst compared))
            // sums of float64, in whatever order
            Check.known Relative 1e-9 json "weights.sum_float64" (Seq.max (Seq.map snd compared))
        ]

    find, checks

/// What is kept of a large map: every (n / 512)-th element and the like.
let private digests (file: GoldenFile) accepted name (map: Tensor) =
    let flat = map.reshape -1L
    let first (most: int64) = min most (flat.numel ())

    let strided () =
        let stride = max 1L (flat.numel () / 512L)
        flat.as_strided ([| first 512L |], [| stride |])

    [
        "shape", (fun () -> torch.tensor map.shape), Check.exact
        "mean_std", (fun () -> torch.stack [| map.mean (); map.std () |]), Check.ofScale accepted
        "first64", (fun () -> flat.narrow (0L, 0L, first 64L)), Check.ofScale accepted
        "strided512", strided, Check.ofScale accepted
        "channel_mean", (fun () -> map.mean [| 0L; 2L; 3L |]), Check.ofScale accepted
    ]
    |> List.choose (fun (part, ours, check) ->
        let name = $"{name}.{part}"

        GoldenFile.tryFind name file
        |> Option.map (fun expected -> check file.Name name expected (ours ())))

/// Detections, of which there may be more than are expected, against the expected ones: however they were computed. Scores and labels [1, n], boxes [1, n, 4].
let ofDetections (file: GoldenFile) (scores: Tensor) (labels: Tensor) (boxes: Tensor) : Check list =
    let find name = GoldenFile.find name file
    let wanted = find "result.scores"

    let compared =
        Detected.compare
            Tolerances.scores
            (Detected.ofTensors wanted (find "result.labels") (find "result.bboxes"))
            (Detected.ofTensors scores labels boxes)

    [
        Check.absolute Tolerances.scores file.Name "result.scores" wanted (scores.narrow (1L, 0L, wanted.numel ()))
        Check.known Count 0.0 file.Name "result.labels" (float compared.Missing)
        Check.known Absolute Tolerances.boxes file.Name "result.bboxes" compared.Box
    ]

let private detections (file: GoldenFile) (logits: Tensor) (boxes: Tensor) =
    let count = int ((GoldenFile.find "result.scores" file).numel())

    let struct (scores, labels, found, _) =
        Detections.readOut (count + spare) logits boxes

    ofDetections file scores labels found

/// The boxes of all states of a path [S, Q, 4] against the expected ones.
let ofBoxes (file: GoldenFile) (boxes: Tensor) : Check =
    Check.absolute Tolerances.boxes file.Name "all_steps.bbox" (GoldenFile.find "all_steps.bbox" file) boxes

let private decoderChecks (file: GoldenFile) (detector: Detector) pyramid start =
    let heads = Decoder.schedule detector.Settings detector.Weights.Decoder

    let path =
        Decoder.path detector.Settings detector.Weights.Decoder pyramid start
        |> Seq.tail
        |> List.ofSeq

    let all part =
        torch.cat ([| for query in path -> part query |], 0L)

    let states =
        List.zip heads path
        |> List.indexed
        |> List.collect (fun (i, (head, query)) ->
            [
                "content", (fun () -> query.Content)
                "cls", (fun () -> Refinement.classify head query.Content)
            ]
            |> List.choose (fun (part, ours) ->
                let name = $"step%02d{i}.{part}"

                GoldenFile.tryFind name file
                |> Option.map (fun expected -> Check.ofScale Tolerances.trajectory file.Name name expected (ours ()))))

    let last = List.last path

    ofBoxes file (all (fun q -> q.Box))
    :: Check.ofScale
        Tolerances.trajectory
        file.Name
        "all_steps.position"
        (GoldenFile.find "all_steps.position" file)
        (all (fun q -> q.Position))
    :: states
    @ detections file (Refinement.classify (List.last heads) last.Content) last.Box

/// A detector whose weights the rule makes, with the picture that it is shown.
type MadeModel =
    {
        Detector: Detector
        /// The picture alone, normalised and padded.
        Batch: ImageBatch
        /// Checks of the weights.
        Weights: Check list
    }

/// Makes the detector whose weights `json` lists, on a device; its tensors are the caller's. It reads out some more detections than the file of the same name
/// expects.
let make (device: torch.Device) (json: string) (description: JsonElement) (file: GoldenFile) : MadeModel =
    let rows = rows json description
    let shapes = Dictionary()

    for KeyValue(name, row) in rows do
        shapes[name] <- row.Shape

    let applications = int ((GoldenFile.find "all_steps.bbox" file).size 0)
    let kept = int ((GoldenFile.find "result.scores" file).numel())

    let settings = Architecture.ofShapes json (applications - 2) (kept + spare) shapes

    let find, weightChecks = weights json device rows
    let detector = Detector.build settings find
    let picture = GoldenFile.find "image_bgr_chw_uint8" file

    {
        Detector = detector
        Batch =
            {
                Images = Pictures.normalise([ picture ]).``to`` device
                Sizes = [ struct (float (picture.size 2), float (picture.size 1)) ]
            }
        Weights = weightChecks ()
    }

/// Checks of a full model: `json` lists the weights, the file of the same name holds what they compute.
let check (device: torch.Device) (json: string) (description: JsonElement) (file: GoldenFile) =
    use _ = torch.no_grad ()
    let made = make device json description file
    let detector, images = made.Detector, made.Batch.Images

    try
        let features = Backbone.apply None detector.Weights.Backbone images
        let levels = Neck.apply detector.Weights.Neck features

        let pyramid =
            {
                Levels = levels
                Strides = Detector.strides
            }

        let tables =
            match GoldenFile.tryFind "relative_position_index" file with
            | None -> []
            | Some expected ->
                let ours = (WindowAttention.placeIndex torch.CPU).reshape expected.shape
                [ Check.exact file.Name "relative_position_index" expected ours ]

        made.Weights
        @ digests file Tolerances.forward "preprocessed" images
        @ List.collect
            id
            (features
             |> List.mapi (fun i map -> digests file Tolerances.trajectory $"backbone_c{i}" map))
        @ List.collect
            id
            (levels
             |> List.mapi (fun i map -> digests file Tolerances.trajectory $"neck_p{i}" map))
        @ tables
        @ decoderChecks file detector pyramid (Detector.start detector made.Batch)
    finally
        for _, tensor in detector.Tensors do
            tensor.Dispose()
