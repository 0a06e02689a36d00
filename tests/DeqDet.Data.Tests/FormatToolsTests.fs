/// CVAT's XML and Label Studio's exports: how they are read, and what is wrong with them.
module DeqDet.Tests.FormatToolsTests

open System
open System.IO
open Expecto
open DeqDet
open DeqDet.Coco
open DeqDet.Data
open DeqDet.Data.Check
open DeqDet.Tests.DataFiles
open DeqDet.Tests.FormatFiles

[<Tests>]
let cvatXml =
    testList
        "CVAT"
        [
            test "CVAT's XML: boxes, turned ones, polygons, ellipses and masks; classes in the task's order" {
                inFolder (fun root ->
                    let shapes =
                        String.concat
                            ""
                            [
                                "<box label=\"b\" xtl=\"16\" ytl=\"5\" xbr=\"24\" ybr=\"15\" occluded=\"0\"/>"
                                "<box label=\"b\" xtl=\"15\" ytl=\"6\" xbr=\"25\" ybr=\"14\" rotation=\"90\"/>"
                                "<polygon label=\"b\" points=\"16,5;24,10;20,15\"/>"
                                "<ellipse label=\"b\" cx=\"20\" cy=\"10\" rx=\"4\" ry=\"5\"/>"
                                "<mask label=\"b\" rle=\"1\" left=\"16\" top=\"5\" width=\"8\" height=\"10\"/>"
                                "<polyline label=\"b\" points=\"1,1;2,2\"/>"
                            ]

                    fill
                        root
                        [ "images/a b.png", 40, 20; "images/sub/c.png", 40, 20 ]
                        [
                            "annotations.xml",
                            cvat
                                $"<image id=\"0\" name=\"a b.png\" width=\"40\" height=\"20\">{shapes}</image><image id=\"1\" name=\"sub/c.png\"/>"
                        ]

                    let file = (first root).Read()
                    Expect.equal (classes file) [ "b"; "a" ] "the task's order"
                    let _, _, boxes = List.head (content file)
                    Expect.hasLength boxes 5 "a line is no box"

                    for _, x, y, w, h in boxes do
                        for a, b in [ x, 16.0; y, 5.0; w, 8.0; h, 10.0 ] do
                            Expect.floatClose Accuracy.high a b "the box around"

                    Expect.equal file.Images[1].Width 40 "a size that is missing comes from the image"
                    text root "annotations.xml" (cvat "<track id=\"0\" label=\"b\"></track>")

                    Expect.stringContains
                        (inputError (fun () -> (first root).Load() |> ignore))
                        "CVAT for video"
                        "tracks")
            }
        ]

[<Tests>]
let labelStudio =
    testList
        "Label Studio"
        [
            test "Label Studio's names and missing sizes" {
                let result =
                    """{"images": [{"width": 40, "height": 20, "id": 0, "file_name": "images/8ab2f1c0-a.png"},
                                  {"width": null, "height": null, "id": 1, "file_name": "../../label-studio/data/media/upload/1/8ab2f1c0-b%20c.png"},
                                  {"width": 40, "height": 20, "id": 2, "file_name": "/data/local-files/?d=set/d.png"},
                                  {"width": 40, "height": 20, "id": 3, "file_name": "https://example.org/e.png"}],
                       "categories": [{"id": 0, "name": "b"}],
                       "annotations": [{"id": 0, "image_id": 0, "category_id": 0, "bbox": [16, 5, 8, 10], "ignore": 0, "iscrowd": 0, "area": 80}],
                       "info": {"contributor": "Label Studio"}}"""

                inFolder (fun root ->
                    fill
                        root
                        [
                            "images/8ab2f1c0-a.png", 40, 20
                            "images/b c.png", 40, 20
                            "images/d.png", 40, 20
                            "images/12345678-e.png", 40, 20
                        ]
                        [ "result.json", result ]

                    let part = first root
                    let data = MissingImages.Refuse(part.Load())

                    Expect.equal
                        [ for image in data.Images -> Path.GetFileName(data.PathOf image), image.Width ]
                        [ "8ab2f1c0-a.png", 40; "b c.png", 40; "d.png", 40; "12345678-e.png", 40 ]
                        "found"

                    Expect.equal (part.Name, data.Categories.Count) ("result", 1) "class 0 stays"
                    let train, validation = parts root
                    Expect.equal (train.Read().Images.Count + validation.Read().Images.Count) 4 "an automatic split")
            }

            test "half a surrogate pair in a key or a text is refused, not met by chance" {
                let half = "\\ud800"
                let long = half + String.replicate 20 "a"
                let key (text: string) = $"\"{text}\": 1, "

                let labelMe before label =
                    $"{{{before}\"shapes\": [{{\"label\": \"{label}\", \"points\": [[1, 2], [30, 15]], \"shape_type\": \"rectangle\"}}], \"imagePath\": \"a.png\"}}"

                let region label =
                    $"{{\"type\": \"rectanglelabels\", \"value\": {{\"x\": 1, \"y\": 1, \"width\": 50, \"height\": 50, \"rectanglelabels\": [\"{label}\"]}}}}"

                let labelStudio before label =
                    $"[{{{before}\"id\": 1, \"data\": {{\"image\": \"a.png\"}}, \"annotations\": [{{\"result\": [{region label}]}}]}}]"

                for file in [ labelMe; labelStudio ] do
                    for before, label, readable in
                        [
                            "", "r", true
                            // too short to be compared with a name that is looked for, so nobody decodes it
                            key half, "r", true
                            key long, "r", false
                            "", half, false
                            key long, half, false
                        ] do
                        inFolder (fun root ->
                            fill root [ "a.png", 40, 20 ] [ "a.json", file before label ]
                            let text = file before label

                            if readable then
                                Expect.equal (classes ((first root).Read())) [ "r" ] text
                            else
                                let message = inputError (fun () -> (first root).Load() |> ignore)
                                Expect.stringContains message "no UTF-8" text)
            }

            test "Label Studio's JSON: rectangles, turned ones, polygons, ellipses, labels in entries of their own" {
                let sized = "\"original_width\": 40, \"original_height\": 20, \"image_rotation\": 0"

                let region id value =
                    $"{{\"id\": \"{id}\", {sized}, \"value\": {{{value}}}}}"

                let regions =
                    String.concat
                        ", "
                        [
                            region
                                "r"
                                "\"x\": 40, \"y\": 25, \"width\": 20, \"height\": 50, \"rotation\": 0, \"rectanglelabels\": [\"b\"]"
                            // its left upper corner is the right one of the box
                            region
                                "t"
                                "\"x\": 60, \"y\": 25, \"width\": 25, \"height\": 40, \"rotation\": 90, \"rectanglelabels\": [\"b\"]"
                            region "p" "\"points\": [[40, 25], [60, 50], [50, 75]], \"polygonlabels\": [\"b\"]"
                            region
                                "e"
                                "\"x\": 50, \"y\": 50, \"radiusX\": 12.5, \"radiusY\": 20, \"rotation\": 90, \"ellipselabels\": [\"b\"]"
                            region "s" "\"x\": 40, \"y\": 25, \"width\": 20, \"height\": 50, \"rotation\": 0"
                            region
                                "s"
                                "\"x\": 40, \"y\": 25, \"width\": 20, \"height\": 50, \"rotation\": 0, \"labels\": [\"b\"]"
                            region "c" "\"choices\": [\"day\"]"
                            region "k" "\"x\": 40, \"y\": 25, \"width\": 1, \"keypointlabels\": [\"b\"]"
                            region "m" "\"format\": \"rle\", \"rle\": [1, 2], \"brushlabels\": [\"b\"]"
                        ]

                let task data annotations =
                    $"{{\"id\": 1, \"annotations\": [{annotations}], \"data\": {{{data}}}, \"predictions\": []}}"

                let annotation more result =
                    $"{{\"id\": 1, \"result\": [{result}], {more}}}"

                let other =
                    region "o" "\"x\": 0, \"y\": 0, \"width\": 5, \"height\": 5, \"rectanglelabels\": [\"a\"]"

                let tasks =
                    String.concat
                        ", "
                        [
                            task
                                "\"text\": \"none\", \"image\": \"/data/upload/1/8ab2f1c0-a.png\""
                                (annotation "\"was_cancelled\": false" regions)
                            // the first is skipped, the last one is the truth
                            task
                                "\"photo\": \"/data/local-files/?d=set/b%20c.png\""
                                (String.concat
                                    ", "
                                    [
                                        annotation "\"was_cancelled\": true" regions
                                        annotation "\"was_cancelled\": false" regions
                                        annotation "\"ground_truth\": true" other
                                    ])
                            // looked at, and empty
                            task
                                "\"image\": \"https://example.org/d.png?x=1\""
                                (annotation "\"was_cancelled\": false" "")
                            task "\"image\": \"e.png\"" ""
                            "{\"id\": 9, \"data\": {\"image\": \"e.png\"}}"
                        ]

                let pictures =
                    [
                        "images/8ab2f1c0-a.png", 40, 20
                        "images/sub/b c.png", 40, 20
                        "images/d.png", 40, 20
                        "images/e.png", 40, 20
                    ]

                inFolder (fun root ->
                    fill root pictures [ "project-1-at-2024-05-01-10-20-0a1b2c3d.json", $"[{tasks}]" ]
                    let part = first root
                    Expect.equal part.Source.Format "Label Studio's JSON" "format"
                    let file = part.Read()
                    Expect.equal (classes file) [ "a"; "b" ] "classes by name"

                    match content file with
                    | [ first; second; third ] ->
                        let name, size, boxes = first
                        Expect.equal (name, size) ("8ab2f1c0-a.png", (40, 20)) "name"

                        Expect.hasLength
                            boxes
                            5
                            "a point, a mask and a choice are no boxes, a region without label is its label's"

                        for label, x, y, w, h in boxes do
                            Expect.equal label "b" "label"

                            for a, b in [ x, 16.0; y, 5.0; w, 8.0; h, 10.0 ] do
                                Expect.floatClose Accuracy.high a b "the box around"

                        Expect.equal second ("sub/b c.png", (40, 20), [ "a", 0.0, 0.0, 2.0, 1.0 ]) "the ground truth"
                        Expect.equal third ("d.png", (40, 20), []) "nothing is there"
                    | other -> failtest $"a task without annotation is none: {other}"

                    let remarks = found root |> Map.ofList
                    Expect.hasLength remarks["not-used"] 5 "point, mask, two annotations, no annotation twice"
                    let train, validation = parts root
                    Expect.equal (train.Read().Images.Count + validation.Read().Images.Count) 3 "an automatic split"

                    // by the two files' names
                    let pair = DataFolder.Pair(part.AnnotationFile, Path.Combine(root, "images"))
                    Expect.equal (content (pair.Read())) (content file) "named")

                inFolder (fun root ->
                    let least =
                        "{\"image\": \"/data/upload/1/8ab2f1c0-a.png\", \"id\": 1, \"label\": [{\"x\": 40, \"y\": 25, \"width\": 20, \"height\": 50, \"rotation\": 0, \"rectanglelabels\": [\"b\"], \"original_width\": 40, \"original_height\": 20}], \"annotator\": 1, \"annotation_id\": 1}"

                    fill root pictures [ "tasks.json", $"[{least}]" ]

                    Expect.equal
                        (content ((first root).Read()))
                        [ "8ab2f1c0-a.png", (40, 20), [ inPixels ] ]
                        "JSON-MIN")
            }

            test "Label Studio's JSON: what is wrong with it" {
                let task (image: string) (value: string) =
                    $"""{{"id": 1, "annotations": [{{"result": [{{"value": {{{value}}}}}]}}], "data": {{"image": "{image}"}}}}"""

                let box (x: string) (label: string) =
                    $""""x": {x}, "y": 25, "width": 20, "height": 50, "rectanglelabels": ["{label}"]"""

                let good = task "a.png" (box "40" "b")

                for content, words in
                    [
                        $"[{good}, 7]", [ "set.json: tasks[1]"; "is no task" ]
                        $"[{good}, " + """{"annotations": [], "data": {"text": "x"}}]""",
                        [ "set.json: tasks[1]"; "names no image" ]
                        $"[{good}", [ "set.json: line 1"; "ends early" ]
                        "[" + task "a.png" (box "\"40\"" "b") + "]",
                        [ "set.json: tasks[0], result[0]"; "no shape of finite numbers" ]
                        "[" + task "a.png" (box "40" " ") + "]", [ "set.json: tasks[0], result[0]"; "has no label" ]
                        $"[{good}, " + task "/data/upload/1/gone.png" (box "40" "b") + "]", [ "gone.png"; "no image" ]
                    ] do
                    inFolder (fun root ->
                        fill root [ "images/a.png", 40, 20 ] [ "set.json", content ]

                        let message =
                            inputError (fun () -> MissingImages.Refuse((first root).Load()) |> ignore)

                        for word in words do
                            Expect.stringContains message word content)
            }
        ]
