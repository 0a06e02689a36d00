/// Pascal VOC: layouts, what corners count from, and what is wrong with files.
module DeqDet.Tests.FormatVocTests

open System
open System.IO
open System.Text
open Expecto
open DeqDet
open DeqDet.Tests.DataFiles
open DeqDet.Tests.FormatFiles

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
