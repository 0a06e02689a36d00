/// Pascal VOC, LabelMe, CVAT's XML, Label Studio's export, and one JSON file with one folder: how they are read, and what is wrong with them.
module DeqDet.Tests.FormatToolsTests

open System
open System.IO
open System.Text
open Expecto
open DeqDet
open DeqDet.Coco
open DeqDet.Data
open DeqDet.Data.Check
open DeqDet.Tests.DataFiles
open DeqDet.Tests.FormatFiles

let private boxOf (name: string) (corners: string list) (more: string) =
    let side name value = $"<{name}>{value}</{name}>"

    let sides =
        String.concat "" (Seq.map2 side [ "xmin"; "ymin"; "xmax"; "ymax" ] corners)

    $"<object><name>{name}</name>{more}<bndbox>{sides}</bndbox></object>"

let private sized =
    "<size><width>40</width><height>20</height><depth>3</depth></size>"

let private xml (head: string) (objects: string list) =
    let all = String.concat "" objects
    $"<annotation>{head}{all}</annotation>"

let private fromOne = boxOf "b" [ "17"; "6"; "24"; "15" ] ""
let private fromEdge = boxOf "a" [ "0"; "5"; "24"; "15" ] ""

/// What `fromOne` is as Pascal VOC has it.
let private inPixels = "b", 16.0, 5.0, 8.0, 10.0

/// A LabelMe file with one shape.
let private shape (label: string) (kind: string) (points: string) (image: string) =
    $"""{{"version": "5.0", "flags": {{}}, "shapes": [{{"label": "{label}", "points": {points}, "shape_type": "{kind}", "flags": {{}}}}],
        "imagePath": "{image}", "imageData": "aGVsbG8=", "imageHeight": 20, "imageWidth": 40}}"""

let private square = shape "b" "rectangle" "[[24, 5.0], [16, 15]]" "a.png"

let private cvat (body: string) =
    $"<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<annotations><version>1.1</version><meta><task><labels><label><name>b</name></label><label><name>a</name></label></labels></task></meta>{body}</annotations>"

let private codes (root: string) = List.map fst (found root)

[<Tests>]
let voc =
    testList
        "Pascal VOC"
        [
            test "every layout gives the same boxes" {
                let label = xml sized [ fromOne ]

                for name, pictures, texts in
                    [
                        "the challenge's",
                        [ "JPEGImages/a.png"; "JPEGImages/b.png"; "JPEGImages/c.png" ],
                        [
                            "Annotations/a.xml", label
                            "Annotations/b.xml", label
                            "Annotations/c.xml", label
                            "ImageSets/Main/train.txt", "a\r\nc\r\n"
                            "ImageSets/Main/val.txt", "b\n"
                            "ImageSets/Main/trainval.txt", "a\nb\nc\n"
                            "ImageSets/Main/b_train.txt", "a 1\n"
                        ]
                        "beside the images in folders of parts",
                        [ "train/a.png"; "train/c.png"; "valid/b.png" ],
                        [ "train/a.xml", label; "train/c.xml", label; "valid/b.xml", label ]
                        "kinds below parts",
                        [ "train/images/a.png"; "train/images/c.png"; "test/images/b.png" ],
                        [
                            "train/annotations/a.xml", label
                            "train/annotations/c.xml", label
                            "test/annotations/b.xml", label
                        ]
                        "parts below kinds",
                        [ "images/train/a.png"; "images/train/c.png"; "images/val/b.png" ],
                        [
                            "annotations/train/a.xml", label
                            "annotations/train/c.xml", label
                            "annotations/val/b.xml", label
                        ]
                        "parts below kinds of other names",
                        [ "photos/train/a.png"; "photos/train/c.png"; "photos/val/b.png" ],
                        [
                            "annots/train/a.xml", label
                            "annots/train/c.xml", label
                            "annots/val/b.xml", label
                        ]
                        "kinds of other names below parts, in folders of their own",
                        [
                            "set-main/set/train/photos/a.png"
                            "set-main/set/train/photos/c.png"
                            "set-main/set/val/photos/b.png"
                        ],
                        [
                            "set-main/README.md", "a set"
                            "set-main/set/train/annots/a.xml", label
                            "set-main/set/train/annots/c.xml", label
                            "set-main/set/val/annots/b.xml", label
                        ]
                        "in its own folder",
                        [
                            "VOCdevkit/VOC2012/JPEGImages/a.png"
                            "VOCdevkit/VOC2012/JPEGImages/c.png"
                            "VOCdevkit/VOC2012/JPEGImages/b.png"
                        ],
                        [
                            "VOCdevkit/VOC2012/Annotations/a.xml", label
                            "VOCdevkit/VOC2012/Annotations/b.xml", label
                            "VOCdevkit/VOC2012/Annotations/c.xml", label
                            "VOCdevkit/VOC2012/ImageSets/Main/train.txt", "a\nc\n"
                            "VOCdevkit/VOC2012/ImageSets/Main/val.txt", "b\n"
                        ]
                    ] do
                    inFolder (fun root ->
                        fill root [ for name in pictures -> name, 40, 20 ] texts
                        let train, validation = parts root
                        Expect.equal train.Source.Format "Pascal VOC" name
                        let image file = file, (40, 20), [ inPixels ]
                        Expect.equal (content (train.Read())) [ image "a.png"; image "c.png" ] name
                        Expect.equal (content (validation.Read())) [ image "b.png" ] name

                        Expect.isEmpty
                            (codes root
                             |> List.filter (fun code ->
                                 not (List.contains code [ "small-image"; "shared-file"; "doubled-file" ])))
                            name)
            }

            test "folders of any names, as long as only one can be meant" {
                let label = xml sized [ fromOne ]

                for format, ending, label in [ "Pascal VOC", "xml", label; "LabelMe", "json", square ] do
                    for labels, images in
                        [
                            "annots", "photos"
                            "annots", "Images"
                            "annots", ""
                            "both", "both"
                            "Labels", "photos"
                            "", "photos"
                        ] do
                        inFolder (fun root ->
                            let at folder name = Path.Combine(folder, name)

                            fill
                                root
                                [ at images "a.png", 40, 20; at images "b.png", 40, 20 ]
                                [ for name in [ "a"; "b" ] -> at labels $"{name}.{ending}", label ]

                            // what lies about in such folders
                            text root ".cache/c.xml" label
                            text root "__MACOSX/photos/a.png" "no image"
                            text root "README.md" "a set"
                            let part = first root
                            Expect.equal part.Source.Format format $"{labels}, {images}"

                            Expect.equal
                                (content (part.Read()))
                                [ "a.png", (40, 20), [ inPixels ]; "b.png", (40, 20), [ inPixels ] ]
                                $"{labels}, {images}")

                    inFolder (fun root ->
                        fill
                            root
                            [ "one/a.png", 40, 20; "two/b.png", 40, 20 ]
                            [ $"one/a.{ending}", label; $"two/b.{ending}", label ]

                        let message = inputError (fun () -> first root |> ignore)
                        Expect.stringContains message $"{format} labels in several folders (one, two)" "which"
                        Expect.stringContains message "train, valid and test" "what to do")

                    inFolder (fun root ->
                        fill root [ "one/a.png", 40, 20; "two/b.png", 40, 20 ] [ $"annots/a.{ending}", label ]

                        let message = inputError (fun () -> first root |> ignore)
                        Expect.stringContains message "there is no folder of their images (images)" "images")
            }

            test "a folder that cannot be listed is passed over" {
                if OperatingSystem.IsWindows() || Environment.UserName = "root" then
                    skiptest "every folder can be listed by who runs this"

                inFolder (fun root ->
                    fill root [ "images/a.png", 40, 20 ] [ "annotations/a.xml", xml sized [ fromOne ] ]
                    let closed = Directory.CreateDirectory(Path.Combine(root, "lost+found")).FullName
                    File.SetUnixFileMode(closed, UnixFileMode.None)

                    try
                        Expect.equal (content ((first root).Read())) [ "a.png", (40, 20), [ inPixels ] ] "as it is"
                    finally
                        File.SetUnixFileMode(
                            closed,
                            UnixFileMode.UserRead ||| UnixFileMode.UserWrite ||| UnixFileMode.UserExecute
                        ))
            }

            test "without parts a share is kept; classes are those of all parts, and of classes.txt first" {
                inFolder (fun root ->
                    fill
                        root
                        [ for i in 1..5 -> $"images/{i}.png", 40, 20 ]
                        [
                            for i in 1..5 ->
                                $"annotations/{i}.xml",
                                xml sized [ boxOf (if i = 1 then "rare" else "b") [ "17"; "6"; "24"; "15" ] "" ]
                        ]

                    let train, validation = parts root
                    Expect.equal (train.Read().Images.Count, validation.Read().Images.Count) (4, 1) "shares"
                    Expect.equal (classes (validation.Read())) [ "b"; "rare" ] "names in order"
                    text root "classes.txt" "z\nrare\n"
                    let train, _ = parts root
                    Expect.equal (classes (train.Read())) [ "z"; "rare"; "b" ] "listed ones first")

                inFolder (fun root ->
                    fill
                        root
                        [ "train/a.png", 40, 20; "val/b.png", 40, 20 ]
                        [
                            "train/a.xml", xml sized [ fromOne ]
                            "val/b.xml", xml sized [ boxOf "a" [ "17"; "6"; "24"; "15" ] "" ]
                        ]

                    let train, validation = parts root
                    Expect.equal (classes (train.Read())) [ "a"; "b" ] "training"
                    Expect.equal (classes (validation.Read())) [ "a"; "b" ] "validation"
                    // A model of more classes, in another order.
                    let model =
                        [|
                            for i, name in List.indexed [ "b"; "c"; "a" ] ->
                                {
                                    Id = CocoId(int64 i + 7L)
                                    Name = name
                                }
                        |]

                    let data = validation.LoadFor model
                    Expect.equal [ for box in data.Images[0].Boxes -> box.Label ] [ 2 ] "by name"
                    let other = [| { Id = CocoId 1L; Name = "b" } |]

                    Expect.stringContains
                        (inputError (fun () -> validation.LoadFor other |> ignore))
                        "need the same names"
                        "a class that the model lacks")
            }

            test "what corners count from: 1, unless one is below it; the challenge's files always from 1" {
                for head, boxes, expected in
                    [
                        sized, [ fromOne ], [ inPixels ]
                        sized, [ fromOne; fromEdge ], [ "b", 17.0, 6.0, 7.0, 9.0; "a", 0.0, 5.0, 24.0, 10.0 ]
                        sized + "<source><database>The VOC2007 Database</database></source>",
                        [ fromOne; fromEdge ],
                        [ inPixels; "a", -1.0, 4.0, 25.0, 11.0 ]
                        sized,
                        [
                            boxOf
                                "b"
                                [ "17.5"; "6.25"; "24"; "15" ]
                                "<part><name>x</name><bndbox><xmin>0</xmin></bndbox></part>"
                        ],
                        [ "b", 16.5, 5.25, 7.5, 9.75 ]
                    ] do
                    inFolder (fun root ->
                        fill root [ "a.png", 40, 20; "b.png", 40, 20 ] [ "a.xml", xml head boxes ]
                        let _, _, read = List.exactlyOne (content ((first root).Read()))
                        Expect.equal read expected head
                        let isFromEdge = boxes.Length > 1 && not (head.Contains "VOC2007")
                        Expect.equal (List.contains "convention" (codes root)) isFromEdge "said")
            }

            test "difficult objects are ignored; sizes that are missing come from the image; names may disagree" {
                inFolder (fun root ->
                    fill
                        root
                        [
                            "JPEGImages/a.png", 40, 20
                            "JPEGImages/b.png", 40, 20
                            "JPEGImages/c d.png", 40, 20
                            "JPEGImages/alone.png", 40, 20
                        ]
                        [
                            "Annotations/a.xml",
                            xml
                                ("<filename>b.png</filename>" + sized)
                                [ boxOf "b" [ "17"; "6"; "24"; "15" ] "<difficult>1</difficult>" ]
                            "Annotations/b.xml",
                            xml
                                "<path>C:\\pictures\\b.png</path><size><width>0</width><height>0</height></size>"
                                [ fromOne ]
                            "Annotations/other.xml", xml "<filename>C:\\pictures\\c d.png</filename>" [ fromOne ]
                            "Annotations/gone.xml", xml sized [ fromOne ]
                        ]

                    let part = first root
                    let file = part.Read()

                    Expect.equal
                        [ for image in file.Images -> image.FileName, image.Width ]
                        [ "a.png", 40; "b.png", 40; "gone", 40; "c d.png", 40 ]
                        "images and sizes"

                    Expect.equal
                        [ for i in 0 .. file.Count - 1 -> file.IsIgnored[i] ]
                        [ true; false; false; false ]
                        "ignored"

                    let all = Map.ofList (found root)

                    Expect.stringContains
                        all["elsewhere"].Head
                        "states the image b.png, but a.png has the label file's own name"
                        "disagree"

                    Expect.equal all["unnamed-file"] [ "alone.png" ] "without labels it is not part of the set"
                    Expect.exists all["missing-image"] (fun place -> place.StartsWith "gone") "no image")
            }

            test "everything that can be wrong with a file is named with its place" {
                for label, code, words in
                    [
                        xml sized [ boxOf "b" [ "17"; "6"; "24" ] "" ],
                        "malformed-record",
                        "a.xml, object 1: <ymax> is missing"
                        xml sized [ fromOne; boxOf "b" [ "17"; "6"; "2,5"; "15" ] "" ],
                        "malformed-record",
                        "object 2: <xmax> is \"2,5\", with a decimal comma"
                        xml sized [ boxOf "b" [ "NaN"; "6"; "24"; "15" ] "" ], "malformed-record", "no finite number"
                        xml sized [ boxOf "" [ "17"; "6"; "24"; "15" ] "" ], "malformed-record", "has no <name>"
                        xml sized [ "<object><name>b</name></object>" ], "malformed-record", "has no <bndbox>"
                        xml sized [ boxOf "b" [ "24"; "6"; "17"; "15" ] "" ], "negative-box", "is not left of"
                        "<annotation><object>", "malformed-record", "is no XML"
                        "<annotation/>", "empty-image", "a.png"
                        "<!DOCTYPE annotation [<!ENTITY a \"b\">]>" + xml sized [ fromOne ],
                        "malformed-record",
                        "declares a document type"
                        "<?xml version=\"1.0\" encoding=\"klingon\"?>" + xml sized [ fromOne ],
                        "malformed-record",
                        "encoding"
                    ] do
                    inFolder (fun root ->
                        fill
                            root
                            [ "a.png", 40, 20; "b.png", 40, 20 ]
                            [ "a.xml", label; "b.xml", xml sized [ fromOne ] ]

                        let all = Map.ofList (found root)
                        Expect.isTrue (all.ContainsKey code) $"{label}: {all}"
                        Expect.stringContains all[code].Head words label

                        if code <> "empty-image" then
                            let message = inputError (fun () -> (first root).Load() |> ignore)
                            Expect.stringContains message words "training says the same")
            }

            test "text that is no UTF-8, and names that lead out of the folder" {
                inFolder (fun root ->
                    fill root [ "a.png", 40, 20; "b.png", 40, 20 ] [ "b.xml", xml sized [ fromOne ] ]

                    write
                        root
                        "a.xml"
                        (Encoding.Latin1.GetBytes(xml sized [ boxOf "Stra\u00dfe" [ "17"; "6"; "24"; "15" ] "" ]))

                    Expect.stringContains (inputError (fun () -> (first root).Load() |> ignore)) "a.xml" "not declared"

                    write
                        root
                        "a.xml"
                        (Encoding.Latin1.GetBytes(
                            "<?xml version=\"1.0\" encoding=\"iso-8859-1\"?>"
                            + xml sized [ boxOf "Stra\u00dfe" [ "17"; "6"; "24"; "15" ] "" ]
                        ))

                    Expect.equal (classes ((first root).Read())) [ "Stra\u00dfe"; "b" ] "declared")

                inFolder (fun root ->
                    fill
                        root
                        [ "JPEGImages/a.png", 40, 20 ]
                        [
                            "Annotations/a.xml", xml sized [ fromOne ]
                            "ImageSets/Main/train.txt", "../../secret\n"
                            "secret.xml", xml sized [ fromOne ]
                        ]

                    let train, _ = parts root

                    Expect.stringContains
                        (inputError (fun () -> train.Load() |> ignore))
                        "leads out"
                        "a list that leads out")
            }

            test "truncated and changed bytes end in a refusal or a data set, never otherwise" {
                inFolder (fun root ->
                    let good =
                        Encoding.UTF8.GetBytes(xml ("<filename>a.png</filename>" + sized) [ fromOne; fromEdge ])

                    let json = Encoding.UTF8.GetBytes square

                    let cvat =
                        Encoding.UTF8.GetBytes(
                            cvat
                                "<image id=\"0\" name=\"a.png\" width=\"40\" height=\"20\"><box label=\"b\" xtl=\"16\" ytl=\"5\" xbr=\"24\" ybr=\"15\"/></image>"
                        )

                    fill
                        root
                        [
                            "voc/a.png", 40, 20
                            "voc/b.png", 40, 20
                            "labelme/a.png", 40, 20
                            "labelme/b.png", 40, 20
                            "cvat/images/a.png", 40, 20
                        ]
                        [ "voc/b.xml", xml sized []; "labelme/b.json", square ]

                    let random = Random 7

                    for _ in 1..150 do
                        for name, bytes in [ "voc/a.xml", good; "labelme/a.json", json; "cvat/annotations.xml", cvat ] do
                            let damaged =
                                if random.Next 2 = 0 then
                                    Array.truncate (random.Next bytes.Length) bytes
                                else
                                    let copy = Array.copy bytes
                                    copy[random.Next copy.Length] <- byte (random.Next 256)
                                    copy

                            write root name damaged

                            try
                                found (Path.Combine(root, name.Split('/')[0])) |> ignore
                                (first (Path.Combine(root, name.Split('/')[0]))).Load() |> ignore
                            with :? InputError ->
                                ())
            }
        ]

[<Tests>]
let labelMe =
    testList
        "LabelMe"
        [
            test "shapes become the boxes around them" {
                for kind, points, expected in
                    [
                        "rectangle", "[[24, 5.0], [16, 15]]", Some inPixels
                        "rectangle", "[[16, 5], [24, 5], [24, 15], [16, 15]]", Some inPixels
                        "polygon", "[[16, 5], [24, 10], [20, 15]]", Some inPixels
                        "circle", "[[20, 10], [23, 14]]", Some("b", 15.0, 5.0, 10.0, 10.0)
                        "line", "[[16, 5], [24, 15]]", None
                        "point", "[[16, 5]]", None
                    ] do
                    inFolder (fun root ->
                        fill root [ "a.png", 40, 20 ] [ "a.json", shape "b" kind points "..\\\\pictures\\\\a.png" ]
                        let part = first root
                        Expect.equal part.Source.Format "LabelMe" kind
                        Expect.equal (content (part.Read())) [ "a.png", (40, 20), Option.toList expected ] kind
                        Expect.equal (List.contains "not-used" (codes root)) expected.IsNone "said")
            }

            test "parts, folders of labels, and what is wrong" {
                inFolder (fun root ->
                    fill
                        root
                        [ "train/one/a.png", 40, 20; "train/two/b.png", 40, 20 ]
                        [ "train/one/a.json", square; "train/two/b.json", square ]

                    Expect.equal
                        (content ((first root).Read()))
                        [ "one/a.png", (40, 20), [ inPixels ]; "two/b.png", (40, 20), [ inPixels ] ]
                        "several folders are one part")

                for labels, images in [ "labels", "images"; "jsons", "photos" ] do
                    inFolder (fun root ->
                        fill
                            root
                            [ $"{images}/train/a.png", 40, 20; $"{images}/val/b.png", 40, 20 ]
                            [ $"{labels}/train/a.json", square; $"{labels}/val/b.json", square ]

                        let train, validation = parts root
                        Expect.equal (content (train.Read())) [ "a.png", (40, 20), [ inPixels ] ] "parts below kinds"
                        Expect.equal (content (validation.Read())) [ "b.png", (40, 20), [ inPixels ] ] "validation")

                inFolder (fun root ->
                    fill
                        root
                        [ "train/a.png", 40, 20; "val/a.png", 40, 20 ]
                        [ "train/a.json", square; "val/a.json", square.Replace("\"b\"", "\"a\"") ]

                    let train, validation = parts root
                    Expect.equal (classes (train.Read())) (classes (validation.Read())) "the same classes"
                    Expect.equal (validation.Name) "val" "name")

                inFolder (fun root ->
                    fill
                        root
                        [ "images/a.png", 40, 20; "images/b.png", 40, 20 ]
                        [ "labels/a.json", square; "labels/b.json", square ]

                    Expect.equal
                        (content ((first root).Read()))
                        [ "a.png", (40, 20), [ inPixels ]; "b.png", (40, 20), [ inPixels ] ]
                        "labels apart"

                    text root "labels/b.json" (square.Replace("[[24, 5.0], [16, 15]]", "[[24, \"5\"], [16, 15]]"))

                    Expect.stringContains
                        (inputError (fun () -> (first root).Load() |> ignore))
                        "b.json, shapes[0]: \"points\" has to be"
                        "points"

                    text root "labels/b.json" (square.Replace("\"b\"", "\" \""))
                    Expect.stringContains (inputError (fun () -> (first root).Load() |> ignore)) "no \"label\"" "label"
                    text root "labels/b.json" "{\"shapes\": 1}"

                    Expect.stringContains
                        (inputError (fun () -> (first root).Load() |> ignore))
                        "no list \"shapes\""
                        "shapes")
            }
        ]

[<Tests>]
let others =
    testList
        "CVAT, Label Studio, one file with one folder"
        [
            test "COCO's files wherever they are, whatever they are called" {
                let coco (name: string) =
                    $"""{{"images": [{{"id": 1, "file_name": "{name}", "width": 40, "height": 20}}], "categories": [{{"id": 1, "name": "b"}}],
                        "annotations": [{{"id": 1, "image_id": 1, "category_id": 1, "bbox": [16, 5, 8, 10], "area": 80, "iscrowd": 0}}]}}"""

                for file, images, stated in
                    [
                        "PART/annotations.json", "PART/images", ""
                        "PART/annotations/instances_PART.json", "PART/images", ""
                        "PART/PART.json", "PART", ""
                        "PART/labels.json", "PART/data", ""
                        "PART/annotations.coco.json", "PART", ""
                        "PART/coco.json", "PART/photos", ""
                        "PART.json", "images/PART", ""
                        "annotations/PART_annotations.json", "PART", ""
                        "annotations/annotations-PART2017.json", "images/PART", ""
                        "coco_PART.json", "images", ""
                        "labels/PART.json", "images", ""
                        "annotations/PART.json", "images/PART", "PART/"
                    ] do
                    inFolder (fun root ->
                        let both = [ "train", "a"; "valid", "b" ]

                        fill
                            root
                            [
                                for part, name in both -> images.Replace("PART", part) + $"/{name}.png", 40, 20
                            ]
                            [
                                for part, name in both ->
                                    file.Replace("PART", part), coco (stated.Replace("PART", part) + $"{name}.png")
                            ]

                        let train, validation = parts root

                        for part, name in [ train, "a"; validation, "b" ] do
                            let content = content (part.Read())

                            Expect.equal
                                [ for image, _, _ in content -> Path.GetFileName image ]
                                [ $"{name}.png" ]
                                file

                            Expect.equal [ for _, _, boxes in content -> boxes ] [ [ inPixels ] ] file
                            let set = part.Load()
                            Expect.isTrue (Seq.forall (fun image -> File.Exists(set.PathOf image)) set.Images) file

                        Expect.stringContains train.Name "train" "names say which part it is"
                        Expect.stringContains validation.Name "valid" "the other one, too")

                for file, images, stated in
                    [
                        "a.json", "photos/one", "photos/one/a.png"
                        "a.json", "photos/one", "one/a.png"
                        "labels/all.json", "photos", "a.png"
                        "set/a.json", "set/photos", "a.png"
                    ] do
                    inFolder (fun root ->
                        fill root [ $"{images}/a.png", 40, 20 ] [ file, coco stated ]
                        Expect.hasLength ((first root).Load().Images) 1 file
                        Expect.isEmpty (found root |> List.filter (fun (code, _) -> code = "missing-image")) file)
            }

            test "JSON that is something else hides no other format" {
                inFolder (fun root ->
                    fill
                        root
                        [ "images/a.png", 40, 20 ]
                        [
                            "classes.txt", "b\n"
                            "labels/a.txt", "0 0.5 0.5 0.2 0.5\n"
                            "notes.json",
                            "{\"categories\": [{\"id\": 0, \"name\": \"b\"}], \"info\": {\"year\": 2024}}"
                        ]

                    for other in
                        [
                            "{\"categories\": [{\"id\": 0, \"name\": \"b\"}], \"info\": {\"year\": 2024}}"
                            "[{\"image_id\": 1, \"bbox\": [0, 0, 1, 1], \"score\": 0.5}]"
                            "[]"
                            "7"
                            "\"images\""
                            "[" + String.replicate 40_000 "0, " + "0]"
                        ] do
                        text root "notes.json" other
                        Expect.equal (first root).Source.Format "YOLO" other[..20]
                        Expect.equal (content ((first root).Read())) [ "a.png", (40, 20), [ inPixels ] ] other[..20])

                inFolder (fun root ->
                    fill root [ "images/a.png", 40, 20 ] [ "notes.json", "{\"info\": {\"images\": []}}" ]
                    let message = inputError (fun () -> first root |> ignore)

                    Expect.stringContains
                        message
                        "notes.json: has no \"images\" list"
                        "named where nothing else is there")
            }

            test "images in a folder of any name, if it is the only one" {
                for folder in [ "images"; "Images"; "photos" ] do
                    inFolder (fun root ->
                        fill
                            root
                            [ $"{folder}/a.png", 40, 20 ]
                            [
                                "annotations.xml",
                                cvat
                                    "<image id=\"0\" name=\"a.png\" width=\"40\" height=\"20\"><box label=\"b\" xtl=\"16\" ytl=\"5\" xbr=\"24\" ybr=\"15\"/></image>"
                            ]

                        Expect.equal (content ((first root).Read())) [ "a.png", (40, 20), [ inPixels ] ] folder)
            }

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

            test "one file with one folder, CVAT's COCO, and what lies beside" {
                let file =
                    """{"images": [{"id": 1, "file_name": "a.png", "width": 40, "height": 20}, {"id": 2, "file_name": "b.png", "width": 40, "height": 20}],
                               "categories": [{"id": 1, "name": "b"}],
                               "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [16, 5, 8, 10]}]}"""

                for name, folder in
                    [
                        "annotations/instances_default.json", "images"
                        "labels.json", "data"
                        "my set.json", "my pictures"
                        "set.json", "."
                    ] do
                    inFolder (fun root ->
                        fill root [ $"{folder}/a.png", 40, 20; $"{folder}/b.png", 40, 20 ] [ name, file ]
                        let train, validation = parts root
                        Expect.equal (train.Read().Images.Count, validation.Read().Images.Count) (1, 1) name
                        Expect.hasLength (DataFolder.Parts root) 1 "one part")
            }

            test "two formats in one folder: which is read is said" {
                inFolder (fun root ->
                    fill
                        root
                        [ "images/a.png", 40, 20; "images/b.png", 40, 20 ]
                        [
                            "classes.txt", "b\n"
                            "labels/a.txt", "0 0.5 0.5 0.2 0.5\n"
                            "labels/b.txt", "0 0.5 0.5 0.2 0.5\n"
                            "annotations/a.xml", xml sized [ fromOne ]
                        ]

                    let part = first root
                    Expect.equal part.Source.Format "YOLO" "the first"

                    let said = Map.find "second-format" (Map.ofList (found root))

                    Expect.stringContains said.Head "Pascal VOC annotations as well; YOLO is read" "data check"

                    Expect.exists (part.Load().Notices) (fun notice -> notice.Contains "YOLO is read") "training")
            }

            test "a data set says the same in every format" {
                inFolder (fun folder ->
                    let coco =
                        """{"images": [{"id": 1, "file_name": "a.png", "width": 40, "height": 20}, {"id": 2, "file_name": "b.png", "width": 40, "height": 20}],
                                   "categories": [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}],
                                   "annotations": [{"id": 1, "image_id": 1, "category_id": 2, "bbox": [16.125, 5.5, 8.25, 10]}, {"id": 2, "image_id": 2, "category_id": 1, "bbox": [0, 0, 3.7, 20]}]}"""

                    let source = Path.Combine(folder, "source")

                    fill
                        source
                        [ "images/a.png", 40, 20; "images/b.png", 40, 20 ]
                        [ "annotations/instances_train.json", coco ]

                    let original = content ((first source).Read())

                    for format in
                        [
                            Export.ExportFormat.Coco
                            Export.ExportFormat.Yolo
                            Export.ExportFormat.Voc
                            Export.ExportFormat.LabelMe
                        ] do
                        let target = Path.Combine(folder, string format)

                        Export.DataExport.Write(
                            Export.DataExport.Read(DataFolder.Parts source),
                            format,
                            target,
                            false,
                            Progress<int>(),
                            Threading.CancellationToken.None
                        )
                        |> ignore

                        let part = first target
                        let file = part.Read()
                        Expect.equal (classes file) [ "a"; "b" ] $"{format}"

                        for (name, size, boxes), (name', size', boxes') in List.zip original (content file) do
                            Expect.equal (name', size') (name, size) $"{format}"

                            for (kind, x, y, w, h), (kind', x', y', w', h') in List.zip boxes boxes' do
                                Expect.equal kind' kind $"{format}"

                                for a, b in [ x, x'; y, y'; x + w, x' + w'; y + h, y' + h' ] do
                                    Expect.isLessThan (abs (a - b)) 0.01 $"{format}: {name}"

                        let prints =
                            [ for part in [ first source; part ] -> DataFingerprint.Of(part.Load()).Names ]

                        Expect.allEqual prints prints.Head "the same file names in the same order")
            }
        ]
