module DeqDet.Tests.EvaluationOutputTests

open System
open System.IO
open System.IO.Compression
open System.Text.Json
open Expecto
open DeqDet
open DeqDet.Settings
open DeqDet.Host.Commands
open DeqDet.Coco.Evaluation

let private case (name: string) (file: string) =
    Path.Combine(Golden.folder "cocoeval", name, file)

let private request (name: string) =
    EvaluateRequest(case name "gt.json", case name "dt.json")

let private run (request: EvaluateRequest) : string list =
    use output = new StringWriter()
    EvaluateCommand.Run(request, output)
    output.ToString().Split('\n') |> List.ofArray

let private inFolder (action: string -> unit) =
    let folder = Directory.CreateTempSubdirectory "deqdet-"

    try
        action folder.FullName
    finally
        folder.Delete true

[<Tests>]
let tests =
    testList
        "COCO evaluation, output"
        [
            testCase "the twelve lines"
            <| fun () ->
                let expected =
                    [
                        " Average Precision  (AP) @[ IoU=0.50:0.95 | area=   all | maxDets=100 ] = 0.244"
                        " Average Precision  (AP) @[ IoU=0.50      | area=   all | maxDets=100 ] = 0.413"
                        " Average Precision  (AP) @[ IoU=0.75      | area=   all | maxDets=100 ] = 0.242"
                        " Average Precision  (AP) @[ IoU=0.50:0.95 | area= small | maxDets=100 ] = 0.097"
                        " Average Precision  (AP) @[ IoU=0.50:0.95 | area=medium | maxDets=100 ] = 0.361"
                        " Average Precision  (AP) @[ IoU=0.50:0.95 | area= large | maxDets=100 ] = 0.352"
                        " Average Recall     (AR) @[ IoU=0.50:0.95 | area=   all | maxDets=  1 ] = 0.266"
                        " Average Recall     (AR) @[ IoU=0.50:0.95 | area=   all | maxDets= 10 ] = 0.376"
                        " Average Recall     (AR) @[ IoU=0.50:0.95 | area=   all | maxDets=100 ] = 0.376"
                        " Average Recall     (AR) @[ IoU=0.50:0.95 | area= small | maxDets=100 ] = 0.214"
                        " Average Recall     (AR) @[ IoU=0.50:0.95 | area=medium | maxDets=100 ] = 0.538"
                        " Average Recall     (AR) @[ IoU=0.50:0.95 | area= large | maxDets=100 ] = 0.403"
                    ]

                Expect.equal (run (request "synth-base") |> List.truncate 12) expected "lines"

            testCase "the table of classes shows what cannot be averaged as a dash"
            <| fun () ->
                let lines = run (request "edge-class-without-gt")
                let table = lines |> List.skipWhile (fun line -> not (line.StartsWith "class "))
                Expect.equal table.Length 6 "a header, four classes, the end of the last line"

                Expect.isTrue
                    (table
                     |> List.truncate 5
                     |> List.forall (fun row -> row.Length = table[0].Length))
                    "aligned"

                let words (row: string) =
                    row.Split(' ', StringSplitOptions.RemoveEmptyEntries) |> List.ofArray

                let numbers row =
                    words row |> List.rev |> List.truncate 12 |> List.rev

                Expect.equal (numbers table[2]) (List.replicate 12 "-") "class 2"
                Expect.equal (numbers table[3]) ((numbers table[1])) "class 5 is found as class 1 is"
                Expect.equal (List.head (numbers table[1])) "1.000" "AP of class 1"
                Expect.exists lines (fun line -> line.StartsWith "note: 1 detection of a category") "note"

            testCase "a maximum other than 100 is said to leave the first line undefined"
            <| fun () ->
                let lines =
                    run (
                        EvaluateRequest(
                            case "edge-maxdets" "gt.json",
                            case "edge-maxdets" "dt.json",
                            MaxDetections = [| 1; 200; 10 |]
                        )
                    )

                Expect.stringEnds lines[0] "maxDets=100 ] = -1.000" "first line"
                Expect.stringEnds lines[1] "maxDets=200 ] = 0.877" "second line"
                Expect.exists lines (fun line -> line.StartsWith "note: the first line") "note"

            testCase "JSON has everything, to the last digit"
            <| fun () ->
                inFolder (fun folder ->
                    let path = Path.Combine(folder, "out.json")
                    let wanted = request "synth-base"
                    let withJson = EvaluateRequest(wanted.GroundTruth, wanted.Detections, path)
                    run withJson |> ignore
                    let truth = GroundTruthReader.Load wanted.GroundTruth
                    let result = Evaluator.Evaluate(truth, DetectionsReader.Load wanted.Detections)
                    use document = JsonDocument.Parse(File.ReadAllText path)
                    let root = document.RootElement

                    let list (element: JsonElement) =
                        [ for number in element.EnumerateArray() -> number.GetDouble() ]

                    let values name =
                        list (((root.GetProperty "arrays").GetProperty(name: string)).GetProperty "values")

                    Expect.sequenceEqual (values "precision") result.Precision "precision"
                    Expect.sequenceEqual (values "scores") result.Scores "scores"
                    Expect.sequenceEqual (values "recall") result.Recall "recall"

                    let shape =
                        list (((root.GetProperty "arrays").GetProperty "precision").GetProperty "shape")

                    Expect.equal shape [ 10.0; 101.0; 5.0; 4.0; 3.0 ] "shape"

                    let stats =
                        [
                            for s in (root.GetProperty "stats").EnumerateArray() ->
                                (s.GetProperty "name").GetString(), (s.GetProperty "value").GetDouble()
                        ]

                    Expect.equal stats [ for s in result.Statistics -> s.Name, s.Value ] "stats"
                    let first = (root.GetProperty "per_class")[0]
                    Expect.equal ((first.GetProperty "category_id").GetInt64()) 14L "class"
                    Expect.equal ((first.GetProperty "AP50").GetDouble()) result.PerClass[0].Statistics[1].Value "AP50"
                    let images = list ((root.GetProperty "parameters").GetProperty "image_ids")
                    Expect.equal images.Length 14 "images"
                    Expect.equal (Directory.GetFiles folder) [| path |] "no temporary file is left")

            testCase "gzip-compressed files, subsets and ranges from the command"
            <| fun () ->
                inFolder (fun folder ->
                    let zip (file: string) =
                        let path = Path.Combine(folder, file + ".gz")
                        use target = new GZipStream(File.Create path, CompressionMode.Compress)
                        use source = File.OpenRead(case "synth-custom-ranges" file)
                        source.CopyTo target
                        path

                    let lines =
                        run (
                            EvaluateRequest(
                                zip "gt.json",
                                zip "dt.json",
                                AreaRanges =
                                    [|
                                        AreaRange.Parse "small=0:400"
                                        AreaRange.Parse "medium=400:2500"
                                        AreaRange.Parse " large = 2500: "
                                    |],
                                MaxDetections = [| 1; 2; 100 |]
                            )
                        )

                    use expected =
                        JsonDocument.Parse(File.ReadAllText(case "synth-custom-ranges" "expected.json"))

                    let stats =
                        [
                            for s in (expected.RootElement.GetProperty "stats").EnumerateArray() ->
                                s.GetDouble().ToString "0.000"
                        ]

                    let shown =
                        lines
                        |> List.truncate 12
                        |> List.map (fun line -> line.Substring(line.IndexOf " = " + 3))

                    Expect.equal shown stats "stats")

            testList
                "area ranges are refused"
                [
                    for text in [ "small"; "small=5"; "=0:1"; "a=0:1:2"; "a=x:1"; "a=0:NaN"; "a=:5"; "" ] ->
                        testCase $"'{text}'" (fun () ->
                            Expect.throwsT<InputError> (fun () -> AreaRange.Parse text |> ignore) "range")
                ]

            testCase "bad input leaves an existing JSON file alone"
            <| fun () ->
                inFolder (fun folder ->
                    let path = Path.Combine(folder, "out.json")
                    File.WriteAllText(path, "old")
                    let truth = case "synth-base" "gt.json"
                    let bad = EvaluateRequest(truth, truth, path)
                    Expect.throwsT<InputError> (fun () -> run bad |> ignore) "ground truth as detections"
                    Expect.equal (File.ReadAllText path) "old" "file")
        ]
