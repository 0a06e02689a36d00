/// YOLO data sets: every layout, what is in their lines, and what is wrong with them.
module DeqDet.Tests.FormatYoloTests

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

let private box = "1 0.5 0.5 0.2 0.5\n"

/// What `box` is in a picture of 40 x 20.
let private inPixels = "b", 16.0, 5.0, 8.0, 10.0

/// A data set of two parts, its places as `place` makes them of part and kind.
let private twoParts (place: string -> string -> string) =
    [
        for part, name in [ "train", "a"; "valid", "b" ] -> place part "images" + $"/{name}.png", 40, 20
    ],
    [
        for part, name in [ "train", "a"; "valid", "b" ] -> place part "labels" + $"/{name}.txt", box
    ]

/// One image with labels of these lines.
let private withLines (lines: string) (action: string -> unit) =
    inFolder (fun root ->
        fill root [ "images/a.png", 40, 20 ] [ "classes.txt", "a\nb\n"; "labels/a.txt", lines ]
        action root)

let private yaml (text: string) = "data.yaml", text

[<Tests>]
let layouts =
    testList
        "YOLO's layouts"
        [
            test "parts are found wherever they are, with or without data.yaml" {
                let named = "names: [a, b]\n"

                for name, (pictures, labels), description in
                    [
                        "Roboflow's",
                        twoParts (fun part kind -> $"{part}/{kind}"),
                        yaml $"train: ../train/images\nval: ../valid/images\nnc: 2\n{named}"
                        "ultralytics'",
                        twoParts (fun part kind -> $"{kind}/{part}"),
                        yaml
                            $"path: /data/gone # elsewhere\ntrain: images/train\nval: images/valid\ntest:\nnames:\n  0: a\n  1: b\n"
                        "of another machine",
                        twoParts (fun part kind -> $"{kind}/{part}"),
                        yaml $"train: C:\\users\\x\\set\\images\\train\nval: C:\\users\\x\\set\\images\\valid\n{named}"
                        "lists of folders",
                        twoParts (fun part kind -> $"{kind}/{part}"),
                        yaml $"train: [images/train]\nval: [images/valid]\n{named}"
                        "parts that data.yaml does not name", twoParts (fun part kind -> $"{kind}/{part}"), yaml named
                        "only a list of classes, kinds first",
                        twoParts (fun part kind -> $"{kind}/{part}"),
                        ("classes.txt", "a\nb\n")
                        "only a list of classes, parts first",
                        twoParts (fun part kind -> $"{part}/{kind}"),
                        ("obj.names", "a\r\nb\r\n\r\n")
                        "images of another name",
                        twoParts (fun part kind ->
                            let kind = if kind = "images" then "JPEGImages" else kind
                            $"{kind}/{part}"),
                        ("classes.txt", "a\nb\n")
                        "images of another name, parts first",
                        twoParts (fun part kind ->
                            let kind = if kind = "images" then "imgs" else kind
                            $"{part}/{kind}"),
                        ("classes.txt", "a\nb\n")
                        "labels beside the images", twoParts (fun part _ -> part), ("classes.txt", "\uFEFFa\nb")
                    ] do
                    inFolder (fun root ->
                        fill root pictures (description :: labels)
                        let train, validation = parts root
                        Expect.equal train.Source.Format "YOLO" name

                        Expect.equal
                            (content (train.Read()), content (validation.Read()))
                            ([ "a.png", (40, 20), [ inPixels ] ], [ "b.png", (40, 20), [ inPixels ] ])
                            name

                        Expect.equal (classes (train.Read())) [ "a"; "b" ] name
                        Expect.hasLength (DataFolder.Parts root) 2 $"{name}: data check"

                        Expect.isEmpty
                            (found root
                             |> List.filter (fun (code, _) ->
                                 code <> "unused-category" && code <> "small-image" && code <> "shared-file"))
                            name)
            }

            test "lists of classes in every part, folders of other names" {
                let list = "a\nb\n"

                for kinds, parts', lists in
                    [
                        ("images", "labels"), false, [ "PART/classes.txt" ]
                        ("images", "labels"), false, [ "PART/labels/classes.txt" ]
                        ("images", "labels"), true, [ "labels/PART/classes.txt" ]
                        ("images", "labels"), true, [ "labels/classes.txt" ]
                        ("", ""), false, [ "PART/_darknet.labels" ]
                        ("Images", "Labels"), true, [ "classes.txt" ]
                        ("img", "txt"), true, [ "classes.txt" ]
                        ("images", "annotations"), false, [ "obj.names" ]
                    ] do
                    inFolder (fun root ->
                        let pictures, labels =
                            twoParts (fun part kind ->
                                let kind = if kind = "images" then fst kinds else snd kinds
                                if parts' then $"{kind}/{part}" else $"{part}/{kind}")

                        fill
                            root
                            pictures
                            [
                                yield! labels
                                for name in lists do
                                    for part in [ "train"; "valid" ] do
                                        name.Replace("PART", part), list
                            ]

                        let train, validation = parts root

                        Expect.equal
                            (content (train.Read()), content (validation.Read()))
                            ([ "a.png", (40, 20), [ inPixels ] ], [ "b.png", (40, 20), [ inPixels ] ])
                            $"{kinds} {lists}"

                        Expect.equal (classes (train.Read())) [ "a"; "b" ] $"{lists}"

                        if lists.Head.Contains "PART" then
                            text root (lists.Head.Replace("PART", "valid")) "b\na\n"

                            Expect.stringContains
                                (inputError (fun () -> parts root |> ignore))
                                "lists other classes than"
                                "numbers would mean different things")

                for images in [ "obj"; "data/obj" ] do
                    inFolder (fun root ->
                        fill
                            root
                            [ $"{images}/a.png", 40, 20 ]
                            [ $"{images}/a.txt", box; Path.Combine(images, "..", "obj.names"), list ]

                        Expect.equal (content ((first root).Read())) [ "a.png", (40, 20), [ inPixels ] ] images)
            }

            test "lists of images, relative and of another machine, and Darknet's description" {
                for lists in
                    [
                        [
                            yaml "train: train.txt\nval: val.txt\nnames: [a, b]\n"
                            "train.txt", "./pictures/a.png\n\n"
                            "val.txt", "/content/set/pictures/b.png"
                        ]
                        [
                            "obj.data",
                            "classes = 2\ntrain = data/train.txt\nvalid = data/val.txt\nnames = data/obj.names\nbackup = backup/\n"
                            "obj.names", "a\nb\n"
                            "train.txt", "data/pictures/a.png\n"
                            "val.txt", "data/pictures/b.png\n"
                        ]
                    ] do
                    inFolder (fun root ->
                        fill
                            root
                            [ for name in [ "a"; "b" ] -> $"pictures/{name}.png", 40, 20 ]
                            [ yield! lists; for name in [ "a"; "b" ] -> $"pictures/{name}.txt", box ]

                        let train, validation = parts root
                        Expect.equal (content (train.Read())) [ "pictures/a.png", (40, 20), [ inPixels ] ] "train"

                        Expect.equal
                            (content (validation.Read()))
                            [ "pictures/b.png", (40, 20), [ inPixels ] ]
                            "validation"

                        Expect.isEmpty
                            (found root
                             |> List.filter (fun (code, _) -> code = "unnamed-file" || code = "label-without-image"))
                            "each part names its own")
            }

            test "names of files with spaces and in other alphabets" {
                inFolder (fun root ->
                    let names = [ "ä b"; "图 像"; "images" ]

                    fill
                        root
                        [ for name in names -> $"images/sub dir/{name}.png", 40, 20 ]
                        [ yield! [ for name in names -> $"labels/sub dir/{name}.txt", box ] ]

                    text root "data.yaml" "train: images\nnames: [ä, 图]\n"
                    let train, _ = parts root
                    let read = train.Read()
                    Expect.equal (Set.ofList (classes read)) (Set.ofList [ "ä"; "图" ]) "classes"
                    Expect.equal read.Count (Seq.length read.Images) "a box each")
            }

            test "a folder outside is read, and that is said" {
                inFolder (fun folder ->
                    let root, other = Path.Combine(folder, "set"), Path.Combine(folder, "pictures")

                    fill
                        other
                        [ "train/images/a.png", 40, 20; "val/images/b.png", 40, 20 ]
                        [ "train/labels/a.txt", box; "val/labels/b.txt", box ]

                    text root "data.yaml" $"path: {other}\ntrain: train/images\nval: val/images\nnames: [a, b]\n"
                    let train, _ = parts root
                    Expect.equal (content (train.Read())) [ "a.png", (40, 20), [ inPixels ] ] "read"
                    Expect.exists (train.Load().Notices) (fun notice -> notice.Contains "outside its folder") "said"
                    Expect.exists (found root) (fun (code, _) -> code = "elsewhere") "by data check, too")
            }

            test "without a validation part a share is kept, the same whatever the order, and said" {
                inFolder (fun root ->
                    fill
                        root
                        [ for i in 1..20 -> $"images/{i}.png", 40, 20 ]
                        [
                            yield "classes.txt", "a\nb\n"
                            for i in 1..20 -> $"labels/{i}.txt", (if i > 15 then "0 0.5 0.5 0.2 0.5\n" else box)
                        ]

                    let train, validation = parts root

                    let names (part: DataPart) =
                        [ for image in part.Load().Images -> image.FileName ]

                    Expect.hasLength (names train) 16 "80 %"

                    Expect.equal
                        (List.sort (names train @ names validation))
                        (List.sort [ for i in 1..20 -> $"{i}.png" ])
                        "each image on one side"

                    let file = validation.Read()

                    Expect.equal
                        (List.countBy id [ for i in 0 .. file.Count - 1 -> file.Label[i] ] |> List.sort)
                        [ 0, 1; 1, 3 ]
                        "classes keep their shares"

                    Expect.exists
                        (train.Load().Notices)
                        (fun notice -> notice.Contains "20 % of its images, drawn with seed 0")
                        "said"

                    let again =
                        DataPart.Find(root, DeqDet.Settings.Settings.defaults.Data.Val, { Val = 0.2; Seed = 1 })

                    Expect.notEqual (names again) (names validation) "another seed, others"

                    Expect.stringContains
                        (inputError (fun () ->
                            DataPart.Find(root, DeqDet.Settings.Settings.defaults.Data.Val, { Val = 0.0; Seed = 0 })
                            |> ignore))
                        "data.auto_split.val"
                        "none wanted")
            }

            test "half of a data set: one message that names what is missing" {
                for pictures, texts, expected in
                    [
                        [ "images/a.png", 40, 20 ], [ "labels/a.txt", box ], "has no list of their classes"
                        [ "images/a.png", 40, 20 ], [ yaml "train: images\nnc: 2\n" ], ""
                        [ "images/a.png", 40, 20 ],
                        [ yaml "train: pictures\nval: pictures\nnames: [a]\n" ],
                        "there is no pictures, which it names for train"
                        [ "images/a.png", 40, 20 ],
                        [ yaml "train: images\nnc: 3\nnames: [a, b]\n" ],
                        "\"nc\" is 3, but \"names\" has 2"
                        [ "images/a.png", 40, 20 ], [ yaml "train: images\nnames: {0: a, 2: b}\n" ], "no class 1"
                        [ "images/a.png", 40, 20 ], [ yaml "train: images\nnames: {a: 0}\n" ], "number the classes"
                        [ "images/a.png", 40, 20 ], [ yaml "train: [images\nnames: [a]\n" ], "is no YAML"
                        [ "images/a.png", 40, 20 ], [ yaml "- a\n- b\n" ], "is no YAML mapping"
                        [ "images/a.png", 40, 20 ], [ yaml "train: images\n" ], "no \"names\""
                        [ "images/a.png", 40, 20 ], [ yaml "train: images\nnames: [a, [b]]\n" ], "class 1 is no text"
                        [ "images/a.png", 40, 20 ], [ yaml (String('[', 100_000)) ], "data.yaml"
                        [ "images/a.png", 40, 20 ],
                        [ yaml "train: list.txt\nnames: [a]\n"; "list.txt", "b.png\n" ],
                        "list.txt: line 1: there is no image b.png"
                        [ "images/a.png", 40, 20 ],
                        [ "classes.txt", "a\n\nb\n"; "labels/a.txt", box ],
                        "line 2 is blank"
                        [ "images/a.png", 40, 20 ], [ "classes.txt", "a\nb\n" ], "no data set of a format that is read"
                    ] do
                    inFolder (fun root ->
                        fill root pictures texts

                        if expected <> "" then
                            for action in
                                [
                                    (fun () -> (fst (parts root)).Read() |> ignore)
                                    (fun () -> found root |> fun all -> raise (InputError $"{all}"))
                                ] do
                                Expect.stringContains (inputError action) expected "names what is missing"
                        else
                            Expect.equal (classes ((first root).Read())) [ "class_0"; "class_1" ] "numbered names")
            }

            test "YAML whose aliases would expand without end is read as what it says" {
                inFolder (fun root ->
                    let bomb =
                        "a: &a [x, x, x, x, x, x, x, x, x]\n"
                        + String.concat
                            ""
                            [
                                for c in 'b' .. 'i' ->
                                    sprintf
                                        "%c: &%c [%s]\n"
                                        c
                                        c
                                        (String.Join(", ", Array.create 9 $"*{char (int c - 1)}"))
                            ]

                    fill
                        root
                        [ "images/a.png", 40, 20 ]
                        [ yaml (bomb + "train: images\nnames: *i\n"); "labels/a.txt", box ]

                    Expect.stringContains (inputError (fun () -> parts root |> ignore)) "class 0 is no text" "refused")
            }
        ]

[<Tests>]
let lines =
    testList
        "YOLO's lines"
        [
            test "boxes, polygons, confidences, and what surrounds them" {
                for line, expected in
                    [
                        box, Some inPixels
                        "\r\n  1\t0.5 0.5  0.2 0.5 \r\n\r\n", Some inPixels
                        "\uFEFF1 0.5 0.5 0.2 0.5", Some inPixels
                        "1.0 5e-1 .5 0.2 0.5 0.87", Some inPixels
                        "1 0.4 0.25 0.6 0.25 0.5 0.75", Some inPixels
                        "1 0.4 0.25 0.6 0.25 0.6 0.75 0.4 0.75", Some inPixels
                        "1 0.4 0.25 0.6 0.25 0.6 0.75 0.4 0.75 0.9", Some inPixels
                        "", None
                        "\n", None
                    ] do
                    withLines line (fun root ->
                        let _, _, boxes = List.exactlyOne (content ((first root).Read()))

                        match expected, boxes with
                        | None, [] -> ()
                        | Some(_, x, y, w, h), [ name, x', y', w', h' ] ->
                            Expect.equal name "b" line

                            for a, b in [ x, x'; y, y'; w, w'; h, h' ] do
                                Expect.floatClose Accuracy.high b a line
                        | _ -> failtestf "%A of %s" boxes line)
            }

            test "everything that can be wrong with a line is named with its place" {
                for line, code, words in
                    [
                        "1 0.5 0.5 0.2", "malformed-record", [ "labels/a.txt, line 1"; "has 4 numbers" ]
                        "1 0,5 0,5 0,2", "malformed-record", [ "decimal commas" ]
                        "1,0.5,0.5,0.2,0.5", "malformed-record", [ "separated by commas" ]
                        "1 0.5 0.5 x 0.5", "malformed-record", [ "\"x\" is no finite number" ]
                        "1 0.5 NaN 0.2 0.5", "malformed-record", [ "\"NaN\" is no finite number" ]
                        "1 0.5 0.5 0.2 1e999", "malformed-record", [ "no finite number" ]
                        "b 0.5 0.5 0.2 0.5", "malformed-record", [ "\"b\" is no finite number" ]
                        "1.5 0.5 0.5 0.2 0.5", "malformed-record", [ "no class number" ]
                        "-1 0.5 0.5 0.2 0.5", "malformed-record", [ "no class number" ]
                        "1 20 10 8 10", "malformed-record", [ "20 is no share of the image"; "pixels" ]
                        "\n0 0.5 0.5 0.2 0.5\n1 0.5 0.5 -0.2 0.5", "negative-box", [ "line 3"; "negative size" ]
                        "2 0.5 0.5 0.2 0.5", "unknown-category", [ "class 2 is not among the 2 classes of classes.txt" ]
                    ] do
                    withLines line (fun root ->
                        let found = found root |> Map.ofList
                        Expect.isTrue (found.ContainsKey code) $"{line}: {found}"

                        for word in words do
                            Expect.stringContains (List.head found[code]) word line

                        let message = inputError (fun () -> (first root).Load() |> ignore)

                        for word in words do
                            Expect.stringContains message word "training says the same")
            }

            test "boxes beyond the image are clipped, and remarks name files without partners" {
                inFolder (fun root ->
                    fill
                        root
                        [ "images/a.png", 40, 20; "images/a.jpg", 40, 20; "images/c.png", 40, 20 ]
                        [
                            "classes.txt", "a\nb\n"
                            "labels/a.txt", "1 0.95 0.5 0.2 0.5 0.9\n"
                            "labels/d.txt", box
                            "labels/notes.txt", "hand-made"
                        ]

                    let all = found root |> Map.ofList
                    Expect.equal all["image-without-label"] [ "c.png: there is no labels/c.txt" ] "no label"

                    Expect.equal
                        all["label-without-image"]
                        [ "labels/d.txt: there is no image of its name" ]
                        "no image"

                    Expect.hasLength all["shared-label"] 1 "two of a name"
                    Expect.hasLength all["not-used"] 2 "confidences"
                    Expect.hasLength all["clipped-box"] 2 "beyond"
                    let notices = (first root).Load().Notices

                    Expect.exists
                        notices
                        (fun notice -> notice.Contains "images have no label file: 1, the first is c.png")
                        "said")

                for images, missing in
                    [
                        "images", "there is no labels/a.txt"
                        "Images", "there is no labels/a.txt"
                        "img", "there is no img/a.txt"
                        "pictures", "there is no pictures/a.txt"
                    ] do
                    inFolder (fun root ->
                        let description = $"path: .\ntrain: {images}\nval: {images}\nnames: [a, b]\n"
                        fill root [ $"{images}/a.png", 40, 20 ] [ yaml description ]
                        let all = found root |> Map.ofList
                        Expect.stringContains all["image-without-label"].Head missing $"{images}: no folder of labels")
            }

            test "an image that is damaged, and one that EXIF turns" {
                inFolder (fun root ->
                    write root "images/a.jpg" (withOrientation 6 quarteredJpeg)
                    fill root [] [ "classes.txt", "a\nb\n"; "labels/a.txt", box; "labels/b.txt", box ]
                    let part = first root
                    Expect.equal (content (part.Read())) [ "a.jpg", (16, 32), [ "b", 6.4, 8.0, 3.2, 16.0 ] ] "upright"
                    write root "images/b.png" (Array.truncate 31 (png 40 20))
                    let part = first root
                    Expect.stringContains (inputError (fun () -> part.Load() |> ignore)) "b.png" "training"
                    Expect.exists (found root) (fun (code, _) -> code = "unreadable-image") "data check")
            }

            test "a label file of no text, and one that is far too long" {
                for bytes, words in
                    [
                        [| 0xFFuy; 0xFEuy; 0x31uy; 0x00uy |], "UTF-16"
                        [| 0x31uy; 0x20uy; 0xE4uy |], "UTF-8"
                        Array.zeroCreate (17 <<< 20), "more than the 16 MiB"
                    ] do
                    withLines box (fun root ->
                        write root "labels/a.txt" bytes
                        Expect.stringContains (inputError (fun () -> (first root).Load() |> ignore)) words "training"

                        Expect.exists
                            (found root)
                            (fun (code, places) -> code = "malformed-record" && places[0].Contains words)
                            "data check")
            }

            test "shares written with six digits come back within 0.01 px, with all digits within 1e-9 px" {
                let random = Random 4

                let invariant (number: float) (digits: string) =
                    number.ToString(digits, Globalization.CultureInfo.InvariantCulture)

                let boxes =
                    [
                        for _ in 1..400 ->
                            let x, y = random.NextDouble() * 3000.0, random.NextDouble() * 1500.0
                            x, y, random.NextDouble() * (4000.0 - x), random.NextDouble() * (2000.0 - y)
                    ]

                for digits, tolerance in [ "F6", 0.01; "R", 1e-9 ] do
                    inFolder (fun root ->
                        let lines =
                            [
                                for x, y, w, h in boxes ->
                                    "0 "
                                    + String.concat
                                        " "
                                        [
                                            for share in
                                                [
                                                    (x + w / 2.0) / 4000.0
                                                    (y + h / 2.0) / 2000.0
                                                    w / 4000.0
                                                    h / 2000.0
                                                ] -> invariant share digits
                                        ]
                            ]

                        fill
                            root
                            [ "images/a.png", 4000, 2000 ]
                            [ "classes.txt", "a\n"; "labels/a.txt", String.concat "\n" lines ]

                        let _, _, read = List.exactlyOne (content ((first root).Read()))

                        for (x, y, w, h), (_, x', y', w', h') in List.zip boxes read do
                            for a, b in [ x, x'; y, y'; x + w, x' + w'; y + h, y' + h' ] do
                                Expect.isLessThan (abs (a - b)) tolerance digits)
            }

            test "truncated and changed bytes end in a refusal or a data set, never otherwise" {
                inFolder (fun root ->
                    let good =
                        Encoding.UTF8.GetBytes "path: .\ntrain: images\nval: images\nnc: 2\nnames:\n  0: a\n  1: b\n"

                    let label = Encoding.UTF8.GetBytes(box + "0 0.25 0.5 0.1 0.1\n")
                    fill root [ "images/a.png", 40, 20 ] []
                    let random = Random 5

                    let attempt () =
                        try
                            (fst (parts root)).Load() |> ignore
                        with :? InputError ->
                            ()

                        try
                            found root |> ignore
                        with :? InputError ->
                            ()

                    for round in 1..300 do
                        let damage (bytes: byte[]) =
                            if random.Next 2 = 0 then
                                bytes[.. random.Next bytes.Length - 1]
                            else
                                let copy = Array.copy bytes
                                copy[random.Next copy.Length] <- byte (random.Next 256)
                                copy

                        write root "data.yaml" (if round % 2 = 0 then damage good else good)
                        write root "labels/a.txt" (if round % 2 = 1 then damage label else label)
                        attempt ())
            }
        ]
