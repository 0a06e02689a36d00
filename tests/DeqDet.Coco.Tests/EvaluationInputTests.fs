module DeqDet.Tests.EvaluationInputTests

open System
open System.IO
open System.IO.Compression
open System.Text
open Expecto
open DeqDet

open DeqDet.Coco
open DeqDet.Coco.Evaluation

let private inFile (bytes: byte[]) (action: string -> unit) =
    let path = Path.Combine(Path.GetTempPath(), $"deqdet-{Guid.NewGuid():N}.json")

    try
        File.WriteAllBytes(path, bytes)
        action path
    finally
        File.Delete path

let private zipped (bytes: byte[]) : byte[] =
    use target = new MemoryStream()

    do
        use zip = new GZipStream(target, CompressionMode.Compress)
        zip.Write(bytes, 0, bytes.Length)

    target.ToArray()

/// Reading such bytes must give one InputError that names the file and says this, in one line.
let private refused (read: string -> unit) (bytes: byte[]) (part: string) =
    inFile bytes (fun path ->
        try
            read path
            failtest "was accepted"
        with :? InputError as error ->
            Expect.stringStarts error.Message (path + ": ") "file"
            Expect.stringContains error.Message part "place and reason"
            Expect.isFalse (error.Message.Contains '\n') "one line")

let private loadTruth (path: string) = GroundTruthReader.Load path |> ignore
let private loadDetections (path: string) = DetectionsReader.Load path |> ignore

let private truthWith (images: string) (annotations: string) (categories: string) =
    $"""{{"info": {{"year": 2026}}, "images": [{images}], "annotations": [{annotations}], "categories": [{categories}]}}"""

let private goodBox =
    """{"id": 1, "image_id": 7, "category_id": 2, "bbox": [1, 2, 30, 40], "area": 900.5, "iscrowd": 0, "segmentation": [[1, 2, 3]]}"""

let private image =
    """{"id": 7, "file_name": "7.jpg", "width": 100, "height": 90}"""

let private category = """{"id": 2, "name": "cat"}"""
let private truth = truthWith image goodBox category

let private withBox (box: string) =
    truthWith image (goodBox + ", " + box) category

let private replaced (part: string) (by: string) =
    withBox (goodBox.Replace("\"id\": 1,", "\"id\": 5,").Replace(part, by))

let private badTruths =
    [
        "empty", "", "is empty"
        "blank", " \n\t", "is empty"
        "a list", "[1, 2]", "results file"
        "a number", "17", "not a JSON object"
        "truncated in a record", truth.Substring(0, truth.IndexOf "30, 40"), "annotations[0]: ends in the middle"
        "truncated in a string", truth.Substring(0, truth.IndexOf "7.jpg" + 2), "images[0]: ends in the middle"
        "truncated between lists", truth.Substring(0, truth.IndexOf "\"categories\""), "ends in the middle"
        "text after the end", truth + " x", "line 1"
        "no images", """{"annotations": [], "categories": []}""", "no \"images\""
        "no annotations", """{"images": [], "categories": []}""", "no \"annotations\""
        "no categories", """{"images": [], "annotations": []}""", "no \"categories\""
        "images twice", """{"images": [], "images": []}""", "\"images\" twice"
        "images no list", """{"images": {}}""", "\"images\" has to be a list"
        "record no object", withBox "[1, 2]", "annotations[1]: is a list"
        "no id", replaced "\"id\": 5," "", "annotations[1]: has no \"id\""
        "no image_id", replaced "\"image_id\": 7," "", "annotations[1]: has no \"image_id\""
        "no category_id", replaced "\"category_id\": 2," "", "annotations[1]: has no \"category_id\""
        "no bbox", replaced "\"bbox\"" "\"box\"", "annotations[1]: has no \"bbox\""
        "image without id", truthWith """{"file_name": "7.jpg"}""" "" category, "images[0]: has no \"id\""
        "category without id", truthWith image "" """{"name": "cat"}""", "categories[0]: has no \"id\""
        "broken id", replaced "\"id\": 5" "\"id\": 5.5", "annotations[1]: \"id\" is not a whole number"
        "null id", replaced "\"id\": 5" "\"id\": null", "annotations[1]: \"id\" is null"
        "too large an id", replaced "\"id\": 5" "\"id\": 1e300", "annotations[1]: \"id\" is not a whole number"
        "string in a box", replaced "[1, 2, 30" "[1, 2, \"30\"", "annotations[1]: \"bbox\" holds a string"
        "null in a box", replaced "[1, 2, 30" "[1, 2, null", "annotations[1]: \"bbox\" holds null"
        "list in a box", replaced "[1, 2, 30" "[1, 2, [30]", "annotations[1]: \"bbox\" holds a list"
        "three numbers", replaced "[1, 2, 30, 40]" "[1, 2, 30]", "annotations[1]: \"bbox\" has 3 entries"
        "five numbers", replaced "[1, 2, 30, 40]" "[1, 2, 30, 40, 5]", "annotations[1]: \"bbox\" has 5 entries"
        "empty box", replaced "[1, 2, 30, 40]" "[]", "annotations[1]: \"bbox\" has 0 entries"
        "box as object", replaced "[1, 2, 30, 40]" "{\"x\": 1}", "annotations[1]: \"bbox\" is an object"
        "negative width", replaced "30, 40" "-30, 40", "annotations[1] (id 5): \"bbox\" has a negative size (-30 x 40)"
        "NaN", replaced "30, 40" "NaN, 40", "annotations[1]: line 1, byte"
        "infinity", replaced "30, 40" "-Infinity, 40", "'-Infinity' is no JSON value"
        "overflow", replaced "30, 40" "1e999, 40", "annotations[1]: \"bbox\" holds a number that is not finite"
        "negative area", replaced "900.5" "-1", "annotations[1] (id 5): \"area\" is -1"
        "string area", replaced "900.5" "\"big\"", "annotations[1]: \"area\" is a string"
        "odd iscrowd", replaced "\"iscrowd\": 0" "\"iscrowd\": 2", "annotations[1]: \"iscrowd\" is a number"
        "unknown image", replaced "\"image_id\": 7" "\"image_id\": 8", "annotations[1] (id 5): names image 8"
        "unknown category",
        replaced "\"category_id\": 2" "\"category_id\": 3",
        "annotations[1] (id 5): names category 3"
        "same box id", withBox goodBox, "annotations[1] (id 1): has an id that occurred before"
        "same image id", truthWith $"{image}, {image}" "" category, "images[1]: id 7 occurs twice"
        "same category id", truthWith image "" $"{category}, {category}", "categories[1]: id 2 occurs twice"
        "deep nesting", replaced "[[1, 2, 3]]" (String('[', 100000)), "nested deeper than 64"
        "deep nesting aside", "{\"info\": " + String('[', 100000), "nested deeper than 64"
        "missing comma", truth.Replace("\"width\": 100,", "\"width\": 100"), "images[0]: line 1"
        "trailing comma", truthWith image (goodBox + ",") category, "a comma is left over"
        "single quotes", "{'images': []}", "double quotes"
        "half a surrogate pair", truthWith image "" """{"id": 2, "name": "\ud800"}""", "categories[0]: \"name\""
        "half a pair in a key", replaced "\"area\"" "\"\\ud800\"", "annotations[1]: has a key that holds half"
        "half a pair in a long key",
        replaced "\"area\"" ("\"\\udc00" + String('x', 300) + "\""),
        "annotations[1]: has a key that holds half"
        "half a pair in a list's key", """{"\ud800": []}""", "has a key that holds half"
        "half a pair in an id", replaced "\"id\": 5" "\"id\": \"\\ud800\"", "annotations[1]: \"id\" holds half"
        "half a pair in an image id",
        replaced "\"image_id\": 7" "\"image_id\": \"7\\udfff\"",
        "annotations[1]: \"image_id\" holds half"
        "text for a number", replaced "\"image_id\": 7" "\"image_id\": \"7\"", "the image ids of \"images\" are numbers"
        "list id", replaced "\"id\": 5" "\"id\": [5]", "annotations[1]: \"id\" is a list"
        "true id", replaced "\"id\": 5" "\"id\": true", "annotations[1]: \"id\" is true or false"
        "same text id",
        truthWith
            (image.Replace("\"id\": 7", "\"id\": \"a\"")
             + ", "
             + image.Replace("\"id\": 7", "\"id\": \"\\u0061\""))
            ""
            category,
        "images[1]: id \"a\" occurs twice"
    ]

let private goodDetection =
    """{"image_id": 7, "category_id": 2, "bbox": [1.5, 2, 30, 40], "score": 0.5}"""

let private afterGood (part: string) (by: string) =
    "[" + goodDetection + ",\n" + goodDetection.Replace(part, by) + "]"

let private badDetections =
    [
        "empty", "", "is empty"
        "ground truth", truth, "annotation file"
        "truncated", "[" + goodDetection + ", {\"image_id\": 7", "detections[1]: ends in the middle"
        "cut after a record", "[" + goodDetection + ",", "ends in the middle"
        "no list's end", "[" + goodDetection, "ends in the middle"
        "no image_id", afterGood "image_id" "image", "detections[1]: has no \"image_id\""
        "no category_id", afterGood "category_id" "category", "detections[1]: has no \"category_id\""
        "no bbox", afterGood "bbox" "segmentation", "detections[1]: has no \"bbox\""
        "no score", afterGood "score" "confidence", "detections[1]: has no \"score\""
        "string score", afterGood "0.5}" "\"0.5\"}", "detections[1]: \"score\" is a string"
        "null score", afterGood "0.5}" "null}", "detections[1]: \"score\" is null"
        "NaN score", afterGood "0.5}" "NaN}", "detections[1]: line 2, byte"
        "infinite score", afterGood "0.5}" "1e400}", "detections[1]: \"score\" is not finite"
        "string in a box", afterGood "30, 40" "30, \"40\"", "detections[1]: \"bbox\" holds a string"
        "box as a string", afterGood "[1.5, 2, 30, 40]" "\"1.5 2 30 40\"", "detections[1]: \"bbox\" is a string"
        "NaN in a box", afterGood "30, 40" "NaN, 40", "detections[1]: line 2, byte"
        "infinity in a box", afterGood "30, 40" "30, -Infinity", "'-Infinity' is no JSON value"
        "overflow in a box", afterGood "30, 40" "30, 1e999", "detections[1]: \"bbox\" holds a number that is not finite"
        "half a pair in a key", afterGood "score" "\\ud800", "detections[1]: has a key that holds half"
        "half a pair in an id", afterGood "7" "\"\\udc00\"", "detections[1]: \"image_id\" holds half"
        "number", "[" + goodDetection + ", 3]", "detections[1]: is a number"
        "list", "[[1, 2, 3, 4]]", "detections[0]: is a list"
    ]

let private utf8 (text: string) = Encoding.UTF8.GetBytes text

/// Ground truth with images, boxes and text in unusual places, as the streaming reader must take it.
let private unusual =
    """{"annotations": [{"bbox": [1e1, 2.5, 3.0E1, 4], "category_id": 2.0, "image_id": 9007199254740993,
    "extra": {"deep": [[{"id": 99}]]}, "id": 900100200300400, "iscrowd": true}],
    "categories": [{"id": 2, "name": "\u00e9\u4e2d", "supercategory": null}, {"id": -1}],
    "licenses": [{"id": 3}], "\u0069mages": [{"id": 9007199254740993, "id_": 4}]}"""

let private checkUnusual (path: string) =
    let truth = GroundTruthReader.Load path
    Expect.sequenceEqual truth.ImageIds [ CocoId 9007199254740993L ] "64-bit id"

    let classes =
        [
            { Id = CocoId -1L; Name = "-1" }
            {
                Id = CocoId 2L
                Name = "\u00e9\u4e2d"
            }
        ]

    Expect.sequenceEqual truth.Categories classes "categories"
    Expect.equal truth.Id[0] (CocoId 900100200300400L) "box id"
    Expect.equal (truth.X[0], truth.Y[0], truth.Width[0], truth.Height[0]) (10.0, 2.5, 30.0, 4.0) "box"
    Expect.equal truth.Area[0] 120.0 "width x height where there is no area"
    Expect.equal truth.WithoutArea 1 "boxes without area"
    Expect.isTrue truth.IsCrowd[0] "crowd"

/// Counts what the reader yields; records where it says that something is wrong.
type private Counter() =
    member val Images = 0 with get, set
    member val Boxes = 0 with get, set
    member val Problems: (int * string) list = [] with get, set

    interface ICocoVisitor with
        member this.Visit(image: CocoImage inref) =
            this.Images <- this.Images + 1

            let problem =
                if isNull image.Problem then
                    image.Unusable
                else
                    image.Problem

            if not (isNull problem) then
                this.Problems <- (image.Record, problem) :: this.Problems

        member this.Visit(_: CocoCategory inref) = ()

        member this.Visit(box: CocoAnnotation inref) =
            this.Boxes <- this.Boxes + 1

            if not (isNull box.Problem) then
                this.Problems <- (box.Record, box.Problem) :: this.Problems

[<Tests>]
let tests =
    testList
        "COCO evaluation, input"
        [
            testList
                "ground truth is refused"
                [
                    for name, text, part in badTruths -> testCase name (fun () -> refused loadTruth (utf8 text) part)
                ]

            testList
                "detections are refused"
                [
                    for name, text, part in badDetections ->
                        testCase name (fun () -> refused loadDetections (utf8 text) part)
                ]

            testList
                "files are refused"
                [
                    testCase "missing" (fun () ->
                        Expect.throwsC (fun () -> loadTruth "/no/such.json") (fun e ->
                            Expect.isTrue (e :? InputError) "kind"
                            Expect.stringContains e.Message "/no/such.json: no such file" "message"))
                    testCase "a folder" (fun () ->
                        let folder = Path.GetTempPath()

                        Expect.throwsC (fun () -> loadDetections folder) (fun e ->
                            Expect.isTrue (e :? InputError) "kind"
                            Expect.stringContains e.Message "is a folder" "message"))
                    testCase "invalid UTF-8 in a string that is skipped" (fun () ->
                        let bytes = utf8 (truth.Replace("7.jpg", "~~"))
                        bytes[Array.IndexOf(bytes, byte '~')] <- 0xC3uy
                        refused loadTruth bytes "not UTF-8")
                    testCase "UTF-16" (fun () -> refused loadTruth (Encoding.Unicode.GetPreamble()) "UTF-16")
                    testCase "gzip cut short" (fun () ->
                        let bytes = zipped (utf8 (truth.PadLeft 100000))
                        refused loadTruth (Array.truncate (bytes.Length - 12) bytes) "truncated")
                    testCase "damaged gzip" (fun () ->
                        let bytes = zipped (utf8 truth)
                        bytes[15] <- ~~~bytes[15]
                        refused loadTruth bytes "gzip")
                ]

            testProperty "damaged files are read or refused, whatever the damage"
            <| fun (places: (int * byte) list) (cut: uint16) (compress: bool) ->
                let bytes = utf8 unusual
                let bytes = if compress then zipped bytes else bytes

                for place, value in places do
                    bytes[abs (place % bytes.Length)] <- value

                let kept =
                    if cut % 3us = 0us then
                        int cut % bytes.Length
                    else
                        bytes.Length

                inFile (Array.truncate kept bytes) (fun path ->
                    for read in [ loadTruth; loadDetections ] do
                        try
                            read path
                        with :? InputError ->
                            ())

            testCase "unusual but right files are read"
            <| fun () ->
                inFile (utf8 unusual) checkUnusual
                inFile (zipped (utf8 unusual)) checkUnusual
                inFile (Array.append [| 0xEFuy; 0xBBuy; 0xBFuy |] (utf8 unusual)) checkUnusual

            testCase "records longer than the buffer, and lists of many buffers, are read whole"
            <| fun () ->
                let outline = String.Join(", ", Array.init 200000 string)
                let many = 20000

                let boxes =
                    [
                        for id in 1..many ->
                            goodBox
                                .Replace("\"id\": 1,", $"\"id\": {id},")
                                .Replace("[[1, 2, 3]]", (if id = 9 then $"[[{outline}]]" else "\"\u4e2d\u6587\""))
                    ]

                let text = truthWith image (String.Join(",", boxes)) category

                inFile (utf8 text) (fun path ->
                    let truth = GroundTruthReader.Load path
                    Expect.equal truth.Count many "boxes"
                    Expect.sequenceEqual (truth.Id.ToArray()) [ for id in 1..many -> CocoId(int64 id) ] "ids"
                    Expect.isTrue (Seq.forall ((=) 900.5) (truth.Area.ToArray())) "areas")

            testCase "records in doubt are handed on, and reading goes on"
            <| fun () ->
                let boxes =
                    String.Join(", ", [ "{}"; goodBox; "7"; goodBox.Replace("[1, 2, 30, 40]", "[{\"a\": 1}]") ])

                inFile (utf8 (truthWith $"{image}, {{\"id\": 8}}" boxes category)) (fun path ->
                    let counter = Counter()
                    CocoJson.ReadAnnotations(path, counter) |> ignore
                    Expect.equal (counter.Images, counter.Boxes) (2, 4) "records"
                    let places = counter.Problems |> List.map fst |> List.rev
                    Expect.equal places [ 1; 0; 2; 3 ] "where")

            testCase "detections of unknown images are refused, those of unknown categories left out"
            <| fun () ->
                inFile (utf8 truth) (fun truthPath ->
                    let truth = GroundTruthReader.Load truthPath
                    let list = Detections "dt.json"
                    list.Add(7L, 2L, 1.0, 2.0, 30.0, 40.0, 0.5)
                    list.Add(7L, 3L, 1.0, 2.0, 30.0, 40.0, 0.9)
                    let result = Evaluator.Evaluate(truth, list)
                    Expect.floatClose Accuracy.veryHigh result["AP"] 1.0 "AP"
                    Expect.equal result.Counts.Detections 1 "detections"
                    Expect.stringContains (String.Join(" ", result.Notes)) "1 detection of a category" "note"
                    list.Add(8L, 2L, 1.0, 2.0, 30.0, 40.0, 0.5)

                    Expect.throwsC (fun () -> Evaluator.Evaluate(truth, list) |> ignore) (fun e ->
                        Expect.isTrue (e :? InputError) "kind"
                        Expect.stringContains e.Message "dt.json: detections[2]: names image 8" "message"))

            testCase "a negative size of a detection is refused where that is asked for"
            <| fun () ->
                for size in [ "-30, 40"; "30, -0.5"; "-1, -1" ] do
                    let bytes = utf8 (afterGood "30, 40" size)

                    inFile bytes (fun path ->
                        Expect.equal (DetectionsReader.Load path).NegativeBoxes 1 "counted otherwise")

                    refused
                        (fun path -> DetectionsReader.Load(path, strict = true) |> ignore)
                        bytes
                        "detections[1]: \"bbox\" has a negative size"

            testList
                "parameters are refused"
                [
                    for name, change, part in
                        [
                            "threshold", EvaluationParameters(IouThresholds = [| 1.5 |]), "IoU threshold 1.5"
                            "NaN threshold", EvaluationParameters(IouThresholds = [| nan |]), "IoU threshold"
                            "no threshold", EvaluationParameters(IouThresholds = [||]), "no IoU threshold"
                            "recall", EvaluationParameters(RecallPoints = [| 0.5; 0.5 |]), "recall points"
                            "maximum", EvaluationParameters(MaxDetections = [| 0 |]), "below 1"
                            "range",
                            EvaluationParameters(AreaRanges = [| AreaRange("all", 5, 1) |]),
                            "ends before it begins"
                            "no plain range",
                            EvaluationParameters(AreaRanges = [| AreaRange("s", 0, 1) |]),
                            "add all=0:"
                            "image", EvaluationParameters(ImageIds = [| CocoId 70L |]), "image 70"
                            "category", EvaluationParameters(CategoryIds = [| CocoId 20L |]), "category 20"
                        ] ->
                        testCase name (fun () ->
                            inFile (utf8 truth) (fun path ->
                                let truth = GroundTruthReader.Load path

                                Expect.throwsC
                                    (fun () -> Evaluator.Evaluate(truth, Detections(), change) |> ignore)
                                    (fun e ->
                                        Expect.isTrue (e :? InputError) "kind"
                                        Expect.stringContains e.Message part "message")))
                ]
        ]
