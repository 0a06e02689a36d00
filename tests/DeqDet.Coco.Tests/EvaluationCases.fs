/// The golden cases of the COCO box evaluation: what the reference computed for them, and how to run ours on them.
module DeqDet.Tests.EvaluationCases

open System
open System.IO
open System.IO.Compression
open System.Runtime.InteropServices
open System.Text.Json
open DeqDet
open DeqDet.Coco.Evaluation

/// Cases kept in the repository.
let own: string list =
    Directory.GetDirectories(GoldenFolder.path "cocoeval")
    |> Array.map Path.GetFileName
    |> Array.sort
    |> List.ofArray

/// Larger cases on published data, looked for in ../shared/golden/cocoeval beside the repository.
let others: string list =
    [
        "real-coco2014-100-fakebbox"
        "real-coco2014-100-boxarea"
        "real-voc2012-100"
        "bccd-val-jitter"
        "coco-val80-jitter"
        "coco-train128-jitter"
    ]

/// The folder of a case, if it is there.
let tryFolder (name: string) : string option =
    let root = Path.GetFullPath(Path.Combine(GoldenFolder.path "", "..", ".."))

    [
        Path.Combine(root, "tests", "golden", "cocoeval", name)
        GoldenFolder.shared (Path.Combine("cocoeval", name))
    ]
    |> List.tryFind Directory.Exists

type Case =
    {
        Folder: string
        Truth: GroundTruth
        Detections: Detections
        Parameters: EvaluationParameters
        Expected: JsonElement
    }

let private numbers (element: JsonElement) : float[] =
    [| for number in element.EnumerateArray() -> number.GetDouble() |]

let private ids (element: JsonElement) : CocoId[] =
    [| for id in element.EnumerateArray() -> CocoId.Of id |]

/// The parameters as the reference used them, every list spelled out.
let private parametersOf (used: JsonElement) : EvaluationParameters =
    let labels =
        [|
            for label in (used.GetProperty "areaRngLbl").EnumerateArray() -> label.GetString()
        |]

    let bounds =
        [|
            for range in (used.GetProperty "areaRng").EnumerateArray() -> numbers range
        |]

    let agnostic = (used.GetProperty "useCats").GetInt32() = 0

    EvaluationParameters(
        IouThresholds = numbers (used.GetProperty "iouThrs"),
        RecallPoints = numbers (used.GetProperty "recThrs"),
        AreaRanges = Array.map2 (fun label (ends: float[]) -> AreaRange(label, ends[0], ends[1])) labels bounds,
        MaxDetections = [| for most in numbers (used.GetProperty "maxDets") -> int most |],
        ImageIds = ids (used.GetProperty "imgIds"),
        CategoryIds = (if agnostic then null else ids (used.GetProperty "catIds")),
        ClassAgnostic = agnostic
    )

let load (folder: string) : Case =
    use expected =
        JsonDocument.Parse(File.ReadAllText(Path.Combine(folder, "expected.json")))

    {
        Folder = folder
        Truth = GroundTruthReader.Load(Path.Combine(folder, "gt.json"))
        Detections = DetectionsReader.Load(Path.Combine(folder, "dt.json"))
        Parameters = parametersOf (expected.RootElement.GetProperty "params")
        Expected = expected.RootElement.Clone()
    }

/// An array of the reference: gzip of little-endian doubles.
let array (case: Case) (name: string) : float[] =
    use file = File.OpenRead(Path.Combine(case.Folder, $"{name}.f64.gz"))
    use unzipped = new GZipStream(file, CompressionMode.Decompress)
    use bytes = new MemoryStream()
    unzipped.CopyTo bytes
    MemoryMarshal.Cast<byte, float>(ReadOnlySpan(bytes.ToArray())).ToArray()
