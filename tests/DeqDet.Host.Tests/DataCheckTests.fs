module DeqDet.Tests.DataCheckTests

open System
open System.IO
open System.Text.Json
open Expecto
open DeqDet.Settings
open DeqDet.CommandLine
open DeqDet.Host.Commands
open DeqDet.Images
open DeqDet.Data.Check
open DeqDet.Host.Terminal
open DeqDet.Tests.DataFiles
open DeqDet.Tests.ReportingDisplayTests

let private png (shade: byte) width height =
    PngWriter.Encode(ReadOnlySpan(Array.create (width * height * 3) shade), width, height)

let private image (id: int) (name: string) width height =
    $"""{{"id": {id}, "file_name": "{name}", "width": {width}, "height": {height}}}"""

let private boxOf (id: int) (image: int) (category: int) (box: string) (rest: string) =
    $"""{{"id": {id}, "image_id": {image}, "category_id": {category}, "bbox": {box}{rest}}}"""

let private cat, dog =
    """{"id": 1, "name": "cat"}""", """{"id": 2, "name": "dog"}"""

let private document (images: string list) (boxes: string list) (categories: string list) =
    let list (entries: string list) = String.concat ", " entries
    $"""{{"images": [{list images}], "annotations": [{list boxes}], "categories": [{list categories}]}}"""

/// Writes files, given by their names below a folder.
let private write (folder: string) (files: (string * byte[]) list) =
    for name, bytes in files do
        let path = Path.Combine(folder, name)
        Directory.CreateDirectory(Path.GetDirectoryName path) |> ignore
        File.WriteAllBytes(path, bytes)

let private text (json: string) = Text.Encoding.UTF8.GetBytes json

/// Two parts in which nothing is wrong.
let private clean =
    [
        "annotations/instances_train2017.json",
        text (
            document
                [ image 1 "a.png" 64 48; image 2 "b.png" 48 64 ]
                [
                    boxOf 1 1 1 "[1, 2, 20, 20]" ", \"area\": 300"
                    boxOf 2 1 2 "[0, 0, 64, 48]" ""
                    boxOf 3 2 1 "[4, 4, 2, 3]" ", \"iscrowd\": 0"
                    boxOf 4 2 2 "[4, 4, 20, 30]" ", \"iscrowd\": 1"
                ]
                [ cat; dog ]
        )
        "annotations/instances_val2017.json",
        text (
            document
                [ image 1 "c.png" 40 40 ]
                [ boxOf 1 1 1 "[1, 2, 20, 20]" ""; boxOf 2 1 2 "[1, 2, 9, 9]" "" ]
                [ cat; dog ]
        )
        "annotations/captions_train2017.json", text "{}"
        "train2017/a.png", png 1uy 64 48
        "train2017/b.png", png 2uy 48 64
        "val2017/c.png", png 3uy 40 40
    ]

let private check (folder: string) =
    DataCheck.Run(DataFolder.Parts folder, false)

let private codes (report: DataReport) =
    [ for issue in report.Issues -> issue.Kind.Code, issue.Places.Count ]
    |> List.sort

/// Every fault there is, in one part.
let private spoiled =
    let images =
        [
            image 1 "good.png" 64 48
            image 2 "missing.png" 64 48
            image 3 "sub/other.png" 64 48
            image 4 "empty.png" 64 48
            image 5 "turned.jpg" 16 32
            image 6 "stored.jpg" 32 16
            image 7 "mirrored.jpg" 32 16
            image 8 "../out.png" 64 48
            image 9 "huge.png" 1_000_000_000 48
            image 10 "good.png" 64 48
            image 1 "again.png" 64 48
            image 11 "copy.png" 64 48
            image 12 "bare.png" 40 40
            image 13 "crowd.png" 41 41
            image 14 "noise.png" 64 48
            """{"id": 15.5, "file_name": "x.png", "width": 4, "height": 4}"""
        ]

    let boxes =
        [
            boxOf 1 1 1 "[1, 2, 20, 20]" ""
            boxOf 2 1 1 "[1, 2, 20, 20]" ""
            boxOf 2 1 1 "[5, 5, 9, 9]" ""
            boxOf 3 1 1 "[60, 2, 20, 20]" ""
            boxOf 4 1 1 "[70, 2, 20, 20]" ""
            boxOf 5 1 1 "[7, 2, 0, 20]" ""
            boxOf 6 1 1 "[7, 2, -4, 20]" ""
            boxOf 7 99 1 "[7, 2, 4, 20]" ""
            boxOf 8 1 99 "[7, 2, 4, 20]" ""
            boxOf 9 1 1 "[7, 2, 4]" ""
            boxOf 10 13 1 "[7, 2, 14, 20]" ", \"iscrowd\": 1"
            for id, image in List.indexed [ 2; 3; 4; 5; 6; 7; 10; 11; 14 ] do
                boxOf (20 + id) image 1 "[1, 1, 9, 9]" ""
            // of an image that was left out: noted there
            boxOf 40 9 1 "[1, 1, 9, 9]" ""
        ]

    [
        "train.json", text (document images boxes [ cat; dog; """{"id": 3, "name": "cat"}"""; cat ])
        "train/good.png", png 1uy 64 48
        "train/sub/other.png", png 2uy 60 48
        "train/empty.png", [||]
        "train/turned.jpg", withOrientation 6 quarteredJpeg
        "train/stored.jpg", withOrientation 8 quarteredJpeg
        "train/mirrored.jpg", withOrientation 2 quarteredJpeg
        "train/copy.png", png 1uy 64 48
        "train/bare.png", png 5uy 40 40
        "train/crowd.png", png 6uy 41 41
        "train/noise.png", Array.append [| 1uy; 2uy |] (Array.zeroCreate 400)
        "train/nobody.PNG", png 7uy 8 8
        "train/notes.txt", text "not an image"
    ]

let private request folder : DataCheckRequest =
    {
        Folder = Some folder
        Config = None
        Pairs = [||]
        Decode = false
        Json = None
    }

let private print (report: DataReport) =
    use writer = new StringWriter()
    DataReportText(Screen(console false 100 writer)).Print report
    writer.ToString()

[<Tests>]
let tests =
    testList
        "data check"
        [
            test "a clean set is counted, and nothing is found" {
                inFolder (fun folder ->
                    write folder clean
                    let report = check folder
                    Expect.equal (codes report) [] "nothing"
                    Expect.isFalse report.Spoiled "clean"

                    Expect.equal
                        [ for part in report.Parts -> part.Name ]
                        [ "train2017"; "val2017" ]
                        "captions are none"

                    let train = report.Parts[0]
                    Expect.equal (train.Images, train.ImagesToTrainOn, train.Landscape) (2, 2, 1) "images"
                    Expect.equal (train.Boxes, train.Crowds) (3, 1) "boxes"
                    Expect.equal train.Width (Spread(48, 64, 64)) "widths"
                    Expect.equal train.BoxesPerImage (Spread(1, 2, 2)) "boxes an image"

                    Expect.equal
                        (List.ofSeq train.Categories)
                        [ CategoryCount(1L, "cat", 2, 0, 2); CategoryCount(2L, "dog", 1, 1, 2) ]
                        "classes"

                    Expect.equal train.Sizes (struct (2, 1, 0)) "COCO's ranges: areas 300, 3072, 6"
                    Expect.equal (List.ofSeq train.Sides) [ 0; 1; 0; 0; 1; 1 ] "sides 20, 55.4, 2.4"
                    Expect.equal [ for f in train.Formats -> f.Key, f.Value ] [ "PNG", 2 ] "formats"
                    Expect.stringContains (print report) "Nothing was found." "said")
            }

            test "everything that is wrong is found at once" {
                inFolder (fun folder ->
                    write folder spoiled
                    let report = check folder

                    Expect.equal
                        (codes report)
                        (List.sort
                            [
                                "malformed-record", 2
                                "doubled-id", 3
                                "impossible-size", 1
                                "bad-file-name", 1
                                "negative-box", 1
                                "unknown-image", 1
                                "unknown-category", 1
                                "missing-image", 1
                                "unreadable-image", 2
                                "other-size", 1
                                "doubled-file", 1
                                "doubled-name", 1
                                "unnamed-file", 1
                                "turned", 1
                                "not-turned", 1
                                "perhaps-turned", 1
                                "clipped-box", 1
                                "outside-box", 1
                                "degenerate-box", 1
                                "doubled-box", 1
                                "empty-image", 1
                                "crowd-image", 1
                                "small-image", 3
                                "unused-category", 2
                                "doubled-category", 1
                            ])
                        "all"

                    Expect.isTrue report.Spoiled "spoiled"

                    let places (kind: IssueKind) =
                        [
                            for i in report.Issues do
                                if i.Kind = kind then
                                    yield! i.Places
                        ]

                    Expect.equal (places IssueKind.MissingImage) [ "missing.png" ] "missing"
                    Expect.equal (places IssueKind.UnnamedFile) [ "nobody.PNG" ] "unnamed"
                    Expect.equal (places IssueKind.DoubledFile) [ "copy.png is good.png" ] "doubled"

                    Expect.equal
                        (places IssueKind.OtherSize)
                        [ "sub/other.png: 60 x 48 px, stated 64 x 48" ]
                        "other size"

                    Expect.exists
                        (places IssueKind.MalformedRecord)
                        (fun place -> place.StartsWith "annotations[9]: \"bbox\" has 3 entries")
                        "the record and its fault"

                    let kinds = [ for issue in report.Issues -> issue.Kind.Spoils ]
                    Expect.equal kinds (List.sortDescending kinds) "the worst first")
            }

            test "a file that ends early is checked as far as it goes" {
                inFolder (fun folder ->
                    let json =
                        document [ image 1 "a.png" 64 48 ] [ boxOf 1 1 1 "[1, 2, 20, 20]" "" ] [ cat ]

                    write
                        folder
                        [
                            "train.json", text json[.. json.IndexOf "\"categories\""]
                            "train/a.png", png 1uy 64 48
                        ]

                    let report = check folder
                    Expect.equal report.Parts[0].Images 1 "the image was read"
                    Expect.isTrue report.Spoiled "spoiled"
                    Expect.contains (codes report) ("unreadable-annotations", 1) "said so")
            }

            test "classes that are one but for their spelling are named" {
                inFolder (fun folder ->
                    let classes =
                        [ "Cat"; "dog"; "CAT"; "traffic light"; "Traffic-Light"; "trafficlights" ]

                    let json =
                        document
                            [ image 1 "a.png" 64 48 ]
                            [ for i in 1 .. classes.Length -> boxOf i 1 i $"[{i}, 2, 20, 20]" "" ]
                            [
                                for i, name in List.indexed classes -> $"""{{"id": {i + 1}, "name": "{name}"}}"""
                            ]

                    write folder [ "train.json", text json; "train/a.png", png 1uy 64 48 ]

                    let places =
                        [
                            for issue in (check folder).Issues do
                                if issue.Kind = IssueKind.SimilarCategory then
                                    yield! issue.Places
                        ]

                    Expect.equal places [ "3 CAT, as Cat"; "5 Traffic-Light, as traffic light" ] "named")
            }

            test "damaged pixels are found when all is decoded" {
                inFolder (fun folder ->
                    let bytes = png 1uy 64 48

                    write folder (clean |> List.filter (fun (name, _) -> not (name.EndsWith "a.png")))
                    write folder [ "train2017/a.png", bytes[.. bytes.Length / 2] ]

                    let decode decode =
                        codes (DataCheck.Run(DataFolder.Parts folder, decode))

                    Expect.equal (decode false) [] "the header is whole"
                    Expect.equal (decode true) [ "unreadable-image", 1 ] "the rest is not")
            }

            test "parts are compared: classes, and pictures they share" {
                inFolder (fun folder ->
                    write folder clean

                    write
                        folder
                        [
                            "annotations/instances_val2017.json",
                            text (
                                document
                                    [ image 1 "c.png" 40 40; image 2 "../train2017/b.png" 48 64 ]
                                    [ boxOf 1 1 1 "[1, 2, 20, 20]" "" ]
                                    [ cat ]
                            )
                            "val2017/c.png", png 1uy 64 48
                        ]

                    let found = codes (check folder)
                    Expect.contains found ("other-classes", 1) "dog is missing"
                    Expect.contains found ("shared-file", 1) "c.png is the training's a.png")
            }

            test "parts are found in the usual layouts, and what is missing is named" {
                inFolder (fun folder ->
                    let good =
                        document [ image 1 "a.png" 64 48 ] [ boxOf 1 1 1 "[1, 2, 20, 20]" "" ] [ cat ]

                    for annotations, images in
                        [
                            "annotations/instances_train2017.json", "train2017"
                            "annotations/instances_train2017.json", "images/train2017"
                            "annotations/train.json", "images"
                            "val.json", "val"
                            "labels.json", "images"
                        ] do
                        let root = Path.Combine(folder, Guid.NewGuid().ToString "N")
                        write root [ annotations, text good; $"{images}/a.png", png 1uy 64 48 ]
                        Expect.equal (codes (check root)) [] $"{annotations} and {images}"

                    let none = Path.Combine(folder, "none")
                    Expect.stringContains (inputError (fun () -> check none |> ignore)) none "no folder"
                    Directory.CreateDirectory none |> ignore
                    Expect.stringContains (inputError (fun () -> check none |> ignore)) "*.json" "no annotation file"
                    write none [ "val7.json", text good ]
                    let message = inputError (fun () -> check none |> ignore)
                    Expect.stringContains message "val7, images/val7, val, images/val, images" "no image folder")
            }

            test "the report shows few examples, the JSON file all places" {
                inFolder (fun folder ->
                    let images = [ for i in 1..9 -> image i $"{i}.png" 64 48 ]
                    let boxes = [ for i in 1..9 -> boxOf i i 1 "[1, 2, 20, 20]" "" ]

                    write
                        folder
                        [
                            "train.json", text (document images boxes [ cat ])
                            "train/1.png", png 1uy 64 48
                        ]

                    let json = Path.Combine(folder, "out", "check.json")
                    Directory.CreateDirectory(Path.GetDirectoryName json) |> ignore
                    use writer = new StringWriter()

                    let code =
                        DataCommand.Check({ request folder with Json = Some json }, console false 100 writer)

                    Expect.equal code 1 "exit code"
                    let shown = writer.ToString()
                    Expect.stringContains shown "FAIL  image files are missing: 8 in train" "how many"
                    Expect.stringContains shown "4.png" "an example"
                    Expect.isFalse (shown.Contains "5.png") "no flood"
                    Expect.stringContains shown "and 5 more" "the rest"
                    use document = JsonDocument.Parse(File.ReadAllText json)
                    let issue = document.RootElement.GetProperty("issues")[0]
                    Expect.equal (issue.GetProperty("code").GetString()) "missing-image" "code"
                    Expect.equal (issue.GetProperty("places").GetArrayLength()) 8 "places"
                    Expect.isTrue (document.RootElement.GetProperty("spoiled").GetBoolean()) "spoiled"
                    let part = document.RootElement.GetProperty("parts")[0]
                    Expect.equal (part.GetProperty("boxes").GetInt32()) 9 "boxes")
            }

            test "a settings file or pairs name the parts as well" {
                inFolder (fun folder ->
                    write folder clean
                    let place name = Path.Combine(folder, name)
                    use writer = new StringWriter()

                    let code asked =
                        DataCommand.Check(asked, console false 100 writer)

                    let pairs =
                        [|
                            {
                                Annotations = place "annotations/instances_val2017.json"
                                Images = place "val2017"
                            }
                        |]

                    Expect.equal
                        (code
                            { request folder with
                                Folder = None
                                Pairs = pairs
                            })
                        0
                        "a pair"

                    let config = SettingsFiles.config "deqdet_r50_1x_coco"

                    Expect.equal
                        (code
                            { request folder with
                                Config = Some config
                            })
                        0
                        "COCO's own layout"

                    let wrong =
                        [|
                            { pairs[0] with
                                Images = place "nowhere"
                            }
                        |]

                    Expect.stringContains
                        (inputError (fun () ->
                            code
                                { request folder with
                                    Folder = None
                                    Pairs = wrong
                                }
                            |> ignore))
                        "nowhere"
                        "no such folder")
            }
        ]
