module DeqDet.Tests.AnnotationFileTests

open System
open System.IO
open Expecto
open FsCheck
open FsCheck.FSharp
open DeqDet
open DeqDet.Coco
open DeqDet.Coco.Evaluation
open DeqDet.Tests.EvaluationPropertyTests

let private field (parts: string) =
    Path.GetFullPath(Path.Combine(GoldenFolder.path "", "..", "field", parts))

let private inFile (text: string) (action: string -> 'a) : 'a =
    let path = Path.Combine(Path.GetTempPath(), $"deqdet-{Guid.NewGuid():N}.json")

    try
        File.WriteAllText(path, text)
        action path
    finally
        File.Delete path

let private document (images: string list) (boxes: string list) (categories: string list) =
    let list (entries: string list) = String.Join(", ", entries)
    $"""{{"images": [{list images}], "annotations": [{list boxes}], "categories": [{list categories}]}}"""

let private image (rest: string) =
    $"""{{"id": 1, "width": 64, "height": 48{rest}}}"""

let private named = image ", \"file_name\": \"a.png\""
let private cat = """{"id": 1, "name": "cat"}"""

let private boxOf (id: int) (rest: string) =
    $"""{{"id": {id}, "image_id": 1, "category_id": 1, "bbox": [1, 2, 30, 40]{rest}}}"""

let private survey (text: string) : AnnotationFile * AnnotationFault list =
    inFile text (fun path ->
        let faults = ResizeArray<AnnotationFault>()
        let file = AnnotationFile.Survey(path, Action<AnnotationFault> faults.Add)
        file, List.ofSeq faults)

let private accepts (purpose: AnnotationUse) (text: string) : bool =
    inFile text (fun path ->
        try
            AnnotationFile.Read(path, purpose) |> ignore
            true
        with :? InputError as error ->
            Expect.stringStarts error.Message (path + ": ") "file"
            Expect.isFalse (error.Message.Contains '\n') "one line"
            false)

/// One part of a good file replaced, or none.
let private spoiled: Gen<string> =
    let good =
        document
            [ named; """{"id": 2, "file_name": "b.png", "width": 10, "height": 10}""" ]
            [ boxOf 1 ", \"area\": 900, \"iscrowd\": 0, \"ignore\": 0"; boxOf 2 "" ]
            [ cat ]

    Gen.elements
        [
            "", ""
            "\"area\": 900", "\"area\": -1"
            "\"area\": 900", "\"area\": 0"
            "\"area\": 900", "\"area\": null"
            "\"area\": 900", "\"area\": \"900\""
            "\"ignore\": 0", "\"ignore\": 1"
            "\"ignore\": 0", "\"ignore\": [[\"x\"]]"
            "\"iscrowd\": 0", "\"iscrowd\": 1"
            "\"iscrowd\": 0", "\"iscrowd\": 7"
            "30, 40", "-30, 40"
            "30, 40", "0, 0"
            "\"image_id\": 1", "\"image_id\": 3"
            "\"image_id\": 1", "\"image_id\": \"1\""
            "\"category_id\": 1", "\"category_id\": 9"
            "\"id\": 2, \"image_id\"", "\"id\": 1, \"image_id\""
            "\"id\": 2, \"file_name\"", "\"id\": 1, \"file_name\""
            "\"a.png\"", "\"../a.png\""
            "\"a.png\"", "17"
            "\"file_name\": \"a.png\"", "\"file\": \"a.png\""
            "\"width\": 64", "\"width\": 0"
            "\"width\": 64", "\"width\": \"64\""
            "\"name\": \"cat\"", "\"name\": 3"
            "\"categories\"", "\"labels\""
            "cat\"}]}", "cat"
        ]
    |> Gen.two
    |> Gen.map (fun ((a, b), (c, d)) ->
        let once (part: string) (by: string) (text: string) =
            if part = "" then text else text.Replace(part, by)

        good |> once a b |> once c d)

let private evaluated (fault: AnnotationFault) = fault.Evaluation

[<Tests>]
let tests =
    testList
        "annotation files"
        [
            property "a survey finds faults exactly where a reading is refused" 500 spoiled (fun text ->
                let _, faults = survey text

                accepts AnnotationUse.Images text = faults.IsEmpty
                && accepts AnnotationUse.Evaluation text = not (List.exists evaluated faults))

            property "a reading says the first fault that a survey finds" 300 spoiled (fun text ->
                match survey text with
                | _, first :: _ ->
                    inFile text (fun path ->
                        try
                            AnnotationFile.Read(path, AnnotationUse.Images) |> ignore
                            false
                        with :? InputError as error ->
                            first.Kind = FaultKind.Unreadable || error.Message = $"{path}: {first}")
                | _ -> true)

            test "what the evaluation does not mind does not hide the image from its boxes" {
                for broken in [ ""; ", \"file_name\": 3"; ", \"file_name\": \"/etc/passwd\"" ] do
                    let file, faults = survey (document [ image broken ] [ boxOf 1 "" ] [ cat ])
                    Expect.hasLength faults 1 $"one fault, no follow-on: {faults}"
                    Expect.isFalse faults[0].Evaluation "of the image alone"
                    Expect.equal file.Count 1 "the box is there"
                    Expect.isFalse file.Images[0].IsUsable "the image cannot be opened"
            }

            test "an image without a file name has that of its address" {
                let name (rest: string) =
                    let file, _ = survey (document [ image rest ] [] [ cat ])
                    file.Images[0].FileName

                for address, expected in
                    [
                        "http://images.cocodataset.org/val2017/000000397133.jpg", "val2017/000000397133.jpg"
                        "https://host/a/b/c/d.png?size=1#top", "c/d.png"
                        "http://host/d.png", "d.png"
                        "val2017/7.jpg", "val2017/7.jpg"
                        "http://host/a/b%20c.jpg", "a/b c.jpg"
                        "http://host", ""
                        "http://host/a/%2e%2e", ""
                        "", ""
                    ] do
                    Expect.equal (name $", \"coco_url\": \"{address}\"") expected address

                Expect.equal (name ", \"coco_url\": \"http://h/x/y.jpg\", \"file_name\": \"z.jpg\"") "z.jpg" "named"
                Expect.equal (name ", \"file_name\": null, \"coco_url\": \"http://h/x/y.jpg\"") "x/y.jpg" "null"
                Expect.equal (name ", \"coco_url\": 5") "" "no text"

                let lvis =
                    AnnotationFile.Read(field "18-lvis-records/lvis_v1_val.json", AnnotationUse.Images)

                Expect.equal lvis.Images[0].FileName "val2017/000000397133.jpg" "LVIS"
                Expect.equal lvis.Count 1 "its box"
            }

            test "boxes are ignored where Python takes the value for true, and never malformed by it" {
                for value, expected in
                    [
                        "1", true
                        "0", false
                        "0.0", false
                        "-2", true
                        "true", true
                        "false", false
                        "null", false
                        "\"\"", false
                        "\"no\"", true
                        "[1]", true
                        "{\"a\": [2]}", true
                    ] do
                    let file, faults =
                        survey (document [ named ] [ boxOf 1 $", \"ignore\": {value}"; boxOf 2 "" ] [ cat ])

                    Expect.isEmpty faults value
                    Expect.sequenceEqual (file.IsIgnored.ToArray()) [ expected; false ] value
            }

            test "a list of images alone is read where that is allowed" {
                let info = field "04-test-without-annotations/annotations/image_info_test.json"

                let file =
                    AnnotationFile.Read(info, AnnotationUse.Images, annotationsOptional = true)

                Expect.equal (file.HasAnnotations, file.Count) (false, 0) "none"
                Expect.isGreaterThan file.Images.Count 0 "images"

                Expect.throwsT<InputError>
                    (fun () -> AnnotationFile.Read(info, AnnotationUse.Images) |> ignore)
                    "else a missing list is an error"

                let empty = field "04-test-without-annotations/annotations/empty_list.json"
                Expect.isTrue (AnnotationFile.Read(empty, AnnotationUse.Images).HasAnnotations) "an empty list is one"
            }
        ]

/// Boxes of a made-up set of images of 64 x 48 px in their true form, many enough to tell.
let private pixels =
    [
        for i in 0..11 -> float (3 * i), float (2 * i) + 1.0, 9.0 + float (i % 4), 7.0 + float (i % 3)
    ]

let private look (boxes: (float * float * float * float) list) (width: int, height: int) : string =
    let text =
        document
            [
                $"""{{"id": 1, "file_name": "a.png", "width": {width}, "height": {height}}}"""
            ]
            [
                for i, (x, y, w, h) in List.indexed boxes ->
                    $"""{{"id": {i}, "image_id": 1, "category_id": 1, "bbox": [{x}, {y}, {w}, {h}]}}"""
            ]
            [ cat ]

    inFile text (fun path -> AnnotationFile.Read(path, AnnotationUse.Images).BoxesLook())
    |> Option.ofObj
    |> Option.defaultValue ""

let private scaled (sx: float) (sy: float) =
    List.map (fun (x, y, w, h) -> x * sx, y * sy, w * sx, h * sy)

let private corners = List.map (fun (x, y, w, h) -> x, y, x + w, y + h)
let private centres = List.map (fun (x, y, w, h) -> x + w / 2.0, y + h / 2.0, w, h)

[<Tests>]
let formTests =
    testList
        "forms of boxes"
        [
            test "boxes in pixels look like boxes in pixels" {
                Expect.equal (look pixels (64, 48)) "" "sound"
                Expect.equal (look [] (64, 48)) "" "none"
                Expect.equal (look [ 0.0, 0.0, 64.0, 48.0 ] (64, 48)) "" "the whole image"
                Expect.equal (look [ 0.0, 0.0, 1.0, 1.0; 0.0, 0.0, 0.0, 0.0 ] (64, 48)) "" "a pixel, and nothing"
                Expect.equal (look (scaled 8.0 8.0 pixels) (512, 384)) "" "larger"

                let overhanging = (60.0, 40.0, 9.0, 9.0) :: pixels
                Expect.equal (look overhanging (64, 48)) "" "one that reaches beyond"
            }

            test "every other form is named" {
                let unit = scaled (1.0 / 64.0) (1.0 / 48.0)

                for boxes, size, words in
                    [
                        unit pixels, (64, 48), [ "shares of the image" ]
                        unit (corners pixels), (64, 48), [ "shares of the image"; "corners (x1, y1, x2, y2)" ]
                        unit (centres [ 44.0, 30.0, 20.0, 18.0; 2.0, 2.0, 9.0, 9.0 ]),
                        (64, 48),
                        [ "shares of the image"; "centre x" ]
                        scaled (100.0 / 64.0) (100.0 / 48.0) pixels, (640, 480), [ "percent" ]
                        corners pixels, (64, 48), [ "corners (x1, y1, x2, y2)" ]
                        centres [ 44.0, 30.0, 20.0, 18.0; 2.0, 2.0, 9.0, 9.0 ], (64, 48), [ "centre x" ]
                        [ 2.0, 50.0, 9.0, 13.0; 30.0, 2.0, 9.0, 13.0 ], (64, 48), [ "exchanged" ]
                        scaled 2.0 2.0 pixels, (64, 48), [ "larger images" ]
                    ] do
                    for word in words do
                        Expect.stringContains (look boxes size) word $"%A{boxes}"
            }

            test "the evaluation says it of either file" {
                let notes (truth: string) (found: string) =
                    let folder = "07-normalised-boxes/"

                    Evaluator
                        .Evaluate(
                            GroundTruthReader.Load(field (folder + truth)),
                            DetectionsReader.Load(field (folder + found))
                        )
                        .Notes
                    |> String.concat "\n"

                Expect.stringContains
                    (notes "gt-pixels.json" "dt-normalised.json")
                    "the boxes of the detections look like shares"
                    "shares"

                Expect.stringContains
                    (notes "gt-pixels.json" "dt-corners.json")
                    "the boxes of the detections look like corners"
                    "corners"

                Expect.stringContains
                    (notes "train.json" "dt-normalised.json")
                    "the boxes of the ground truth look like shares"
                    "ground truth"
            }
        ]
