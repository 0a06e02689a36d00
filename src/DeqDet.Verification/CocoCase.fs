/// A case of the COCO box evaluation: a folder with gt.json, dt.json, expected.json, and the arrays and matches beside them.
module DeqDet.Verification.CocoCase

open System.IO
open System.IO.Compression
open System.Runtime.InteropServices
open System.Text.Json
open DeqDet
open DeqDet.Coco.Evaluation

/// The file that says what to expect; checks go by its name.
let description = "expected.json"

/// Whether a folder with these files is a case.
let isOne (files: Set<string>) : bool =
    Set.isSubset (set [ description; "gt.json"; "dt.json" ]) files

/// An id of a JSON file: a text, or a number however it is written.
let private idOf path (element: JsonElement) : CocoId =
    match element.ValueKind with
    | JsonValueKind.String -> CocoId(element.GetString())
    | JsonValueKind.Number -> CocoId(int64 (element.GetDouble()))
    | _ -> raise (InputError $"{path}: an id is neither a number nor a text")

let private id' path (name: string) (element: JsonElement) =
    idOf path (GoldenJson.section path name element)

let private ids path (name: string) (element: JsonElement) =
    GoldenJson.items path name element |> List.map (idOf path)

let private parameters path (used: JsonElement) =
    let numbers name = GoldenJson.numbers path name used

    let ids name = Array.ofList (ids path name used)

    let agnostic = GoldenJson.integer path "useCats" used = 0

    EvaluationParameters(
        IouThresholds = Array.ofList (numbers "iouThrs"),
        RecallPoints = Array.ofList (numbers "recThrs"),
        AreaRanges =
            [|
                for label, range in
                    List.zip (GoldenJson.strings "areaRngLbl" used) (GoldenJson.rows path "areaRng" used) ->
                    AreaRange(label, range[0], range[1])
            |],
        MaxDetections = [| for most in numbers "maxDets" -> int most |],
        ImageIds = ids "imgIds",
        CategoryIds = (if agnostic then null else ids "catIds"),
        ClassAgnostic = agnostic
    )

/// `NAME.f64.gz`: gzip of little-endian doubles.
let private array folder name =
    let path = Path.Combine(folder, $"{name}.f64.gz")

    try
        use file = File.OpenRead path
        use unzipped = new GZipStream(file, CompressionMode.Decompress)
        use bytes = new MemoryStream()
        unzipped.CopyTo bytes
        MemoryMarshal.Cast<byte, float>(System.ReadOnlySpan(bytes.ToArray())).ToArray()
    with
    | :? IOException
    | :? System.UnauthorizedAccessException
    | :? InvalidDataException as error -> raise (InputError($"{path}: cannot be read: {error.Message}", error))

/// Largest difference; infinite where the lengths differ.
let private largest (theirs: float seq) (ours: float seq) =
    if Seq.length theirs <> Seq.length ours then
        infinity
    else
        Seq.fold2 (fun worst a b -> max worst (abs (a - b))) 0.0 theirs ours

let private oneClass path (theirs: JsonElement) (ours: ClassStatistics) =
    let numbers =
        Map
            [
                for entry in theirs.EnumerateObject() do
                    if entry.Name <> "category_id" then
                        entry.Name, GoldenJson.number path entry.Name theirs
            ]

    if
        id' path "category_id" theirs <> ours.Category.Id
        || numbers.Count <> ours.Statistics.Count
    then
        infinity
    else
        ours.Statistics
        |> Seq.map (fun s -> abs (s.Value - (numbers.TryFind s.Name |> Option.defaultValue infinity)))
        |> Seq.max

let private perClass path (theirs: JsonElement list) (ours: ClassStatistics seq) =
    if theirs.Length <> Seq.length ours then
        infinity
    else
        Seq.fold2 (fun worst theirs ours -> max worst (oneClass path theirs ours)) 0.0 theirs ours

/// Who was matched with whom, for an image, a class and a size range: ids of the partners, 0 for none; a row for each threshold.
type private Table =
    {
        Image: CocoId
        Class: CocoId
        Range: float list
        Found: CocoId list
        Scores: float list
        Boxes: CocoId list
        BoxIgnored: float list
        Partners: CocoId list list
        FoundIgnored: float list list
        BoxPartners: CocoId list list
    }

let private theirTable path (table: JsonElement) =
    let numbers name = GoldenJson.numbers path name table
    let ids name = ids path name table

    let idRows name =
        [
            for row in GoldenJson.items path name table do
                if row.ValueKind <> JsonValueKind.Array then
                    raise (InputError $"{path}: '{name}' is no list of lists")

                [ for id in row.EnumerateArray() -> idOf path id ]
        ]

    {
        Image = id' path "image_id" table
        Class = id' path "category_id" table
        Range = numbers "aRng"
        Found = ids "dtIds"
        Scores = numbers "dtScores"
        Boxes = ids "gtIds"
        BoxIgnored = numbers "gtIgnore"
        Partners = idRows "dtMatches"
        FoundIgnored = GoldenJson.rows path "dtIgnore" table
        BoxPartners = idRows "gtMatches"
    }

let private ourTable (truth: GroundTruth) (detections: Detections) (table: ImageMatches) =
    let found = [ for index in table.Found -> CocoId(int64 (index + 1)) ]
    let boxes = [ for box in table.Boxes -> truth.Id[box] ]

    let flags (row: bool[]) =
        [ for ignored in row -> if ignored then 1.0 else 0.0 ]

    let partners (ids: CocoId list) (rows: int[][]) =
        let ids = Array.ofList ids
        [ for row in rows -> [ for i in row -> if i < 0 then CocoId 0L else ids[i] ] ]

    {
        Image = table.ImageId
        Class = table.CategoryId
        Range = [ table.Range.Min; table.Range.Max ]
        Found = found
        Scores = [ for index in table.Found -> detections.Score[index] ]
        Boxes = boxes
        BoxIgnored = flags table.BoxIgnored
        Partners = partners boxes table.Partner
        FoundIgnored = [ for row in table.FoundIgnored -> flags row ]
        BoxPartners = partners found table.BoxPartner
    }

/// Small cases also say who was matched with whom: the number of tables that differ.
let private matches folder truth detections parameters =
    let path = Path.Combine(folder, "matches.json")

    if File.Exists path then
        let json = GoldenJson.load path

        if json.ValueKind <> JsonValueKind.Array then
            raise (InputError $"{path}: is no list")

        let theirs = [ for table in json.EnumerateArray() -> theirTable path table ]

        let ours =
            Evaluator.Matches(truth, detections, parameters)
            |> Seq.map (ourTable truth detections)
            |> List.ofSeq

        let shared = min theirs.Length ours.Length

        let wrong =
            List.map2 (<>) (List.truncate shared theirs) (List.truncate shared ours)
            |> List.filter id

        let differing = wrong.Length + abs (theirs.Length - ours.Length)
        [ Check.known Count 0.0 description "matches" (float differing) ]
    else
        []

// Sums of at most a few thousand doubles, and single quotients.
let private acceptedMean = 1e-12
let private acceptedEntry = 1e-15

/// Evaluates the case of a folder and compares. Raises InputError for what cannot be read or understood.
let check (folder: string) : Check list =
    let path = Path.Combine(folder, description)
    let expected = GoldenJson.load path
    let parameters = parameters path (GoldenJson.section path "params" expected)
    let truth = GroundTruthReader.Load(Path.Combine(folder, "gt.json"))
    let detections = DetectionsReader.Load(Path.Combine(folder, "dt.json"))
    let result = Evaluator.Evaluate(truth, detections, parameters)

    let check accepted name error =
        Check.known Absolute accepted description name error

    [
        check
            acceptedMean
            "stats"
            (largest (GoldenJson.numbers path "stats" expected) [ for s in result.Statistics -> s.Value ])
        check acceptedMean "per_class" (perClass path (GoldenJson.items path "per_class" expected) result.PerClass)
        for name, ours in
            [
                "precision", result.Precision
                "scores", result.Scores
                "recall", result.Recall
            ] do
            check acceptedEntry name (largest (array folder name) ours)
        yield! matches folder truth detections parameters
    ]
