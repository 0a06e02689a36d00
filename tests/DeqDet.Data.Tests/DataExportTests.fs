/// Whole data sets in other formats: what lies where, what is said of what is lost, and that nothing is left where something is wrong.
module DeqDet.Tests.DataExportTests

open System
open System.IO
open System.Threading
open Expecto
open DeqDet
open DeqDet.Coco
open DeqDet.Data
open DeqDet.Data.Export
open DeqDet.Images
open DeqDet.Tests.DataFiles

let private png width height =
    PngWriter.Encode(ReadOnlySpan(Array.zeroCreate<byte>(width * height * 3)), width, height)

let private box id image category (edges: string) (rest: string) =
    $"""{{"id": {id}, "image_id": {image}, "category_id": {category}, "bbox": {edges}{rest}}}"""

let private image id (name: string) =
    $"""{{"id": {id}, "file_name": "{name}", "width": 64, "height": 48}}"""

let private document (images: string list) (boxes: string list) (classes: (int * string) list) =
    let list (entries: string list) = String.concat ", " entries

    let kinds =
        [
            for id, name in classes -> $"""{{"id": {id}, "name": "{name}", "supercategory": "all"}}"""
        ]

    $"""{{"images": [{list images}], "annotations": [{list boxes}], "categories": [{list kinds}]}}"""

let private cats = [ 3, "cat"; 7, "dog" ]

/// A data set of two parts, in which names, boxes and classes are what others would stumble over.
let private make (folder: string) (trainClasses: (int * string) list) (valClasses: (int * string) list) =
    let write (name: string) (bytes: byte[]) =
        let path = Path.Combine(folder, name)
        Directory.CreateDirectory(Path.GetDirectoryName path) |> ignore
        File.WriteAllBytes(path, bytes)

    for name in [ "train/a.png"; "train/a.jpg"; "train/sub/images/b.png"; "valid/a.png" ] do
        write name (png 64 48)

    let category (classes: (int * string) list) place = fst classes[place]

    let train =
        document
            [ image 1 "a.png"; image 2 "a.jpg"; image 4 "sub\\\\images\\\\b.png" ]
            [
                box 1 1 (category trainClasses 0) "[1, 2, 20.25, 30]" ""
                box 2 1 (category trainClasses 1) "[4, 4, 8, 8]" ", \"iscrowd\": 1"
                box 3 2 (category trainClasses 1) "[50, 40, 30, 30]" ", \"area\": 100"
                box 4 2 (category trainClasses 1) "[5, 5, 3, 3]" ", \"ignore\": 1"
                box 5 4 (category trainClasses 0) "[70, 2, 5, 5]" ""
            ]
            trainClasses

    let valid =
        document [ image 9 "a.png" ] [ box 1 9 (category valClasses 1) "[0, 0, 64, 48]" "" ] valClasses

    write "annotations/instances_train.json" (Text.Encoding.UTF8.GetBytes train)
    write "annotations/instances_valid.json" (Text.Encoding.UTF8.GetBytes valid)

    DataExport.Read
        [|
            DataPart(Path.Combine(folder, "annotations/instances_train.json"), Path.Combine(folder, "train"))
            DataPart(Path.Combine(folder, "annotations/instances_valid.json"), Path.Combine(folder, "valid"))
        |]

let private nobody = Progress<int>()

let private convert set format folder =
    DataExport.Write(set, format, folder, false, nobody, CancellationToken.None)

let private listed (folder: string) =
    [
        for file in Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories) ->
            Path.GetRelativePath(folder, file).Replace('\\', '/')
    ]
    |> List.sortWith (fun a b -> String.CompareOrdinal(a, b))

let private within (test: string -> string -> unit) =
    inFolder (fun folder -> test (Path.Combine(folder, "in")) (Path.Combine(folder, "new", "out")))

let private lines (summary: ExportSummary) = String.Join('\n', summary.Notices)

let private layouts =
    testList
        "what lies where"
        [
            testCase "YOLO"
            <| fun () ->
                within (fun folder out ->
                    let summary = convert (make folder cats cats) ExportFormat.Yolo out

                    Expect.equal
                        (listed out)
                        [
                            "classes.txt"
                            "data.yaml"
                            "images/train/a-2.jpg"
                            "images/train/a.png"
                            "images/train/sub/images-/b.png"
                            "images/val/a.png"
                            "labels/train/a-2.txt"
                            "labels/train/a.txt"
                            "labels/train/sub/images-/b.txt"
                            "labels/val/a.txt"
                        ]
                        "files"

                    let text name =
                        File.ReadAllText(Path.Combine(out, name))

                    Expect.equal (text "labels/train/a.txt") "0 0.173828125 0.3541666667 0.31640625 0.625\n" "a box"

                    Expect.equal
                        (text "labels/train/a-2.txt")
                        "1 0.890625 0.9166666667 0.21875 0.1666666667\n"
                        "clipped"

                    Expect.equal (text "labels/train/sub/images-/b.txt") "" "an image without boxes"
                    Expect.equal (text "labels/val/a.txt") "1 0.5 0.5 1 1\n" "the whole image"
                    Expect.equal (text "classes.txt") "cat\ndog\n" "classes in the order of their ids"

                    Expect.equal
                        (text "data.yaml")
                        "train: images/train\nval: images/val\nnc: 2\nnames:\n  0: cat\n  1: dog\n"
                        "data.yaml"

                    for part in
                        [
                            "1 box reaches beyond its image and is clipped"
                            "1 box lies wholly outside its image and is left out"
                            "2 crowd regions and ignored boxes are left out"
                            "1 box has an area of its own"
                            "2 images get another name, the first: a.jpg is a-2.jpg"
                        ] do
                        Expect.stringContains (lines summary) part "said"

                    Expect.equal (summary.Copied, summary.Linked) (4, 0) "copied")

            testCase "VOC: one folder for both parts, and difficult boxes"
            <| fun () ->
                within (fun folder out ->
                    let summary = convert (make folder cats cats) ExportFormat.Voc out

                    Expect.equal
                        (listed out)
                        [
                            "Annotations/a-2.xml"
                            "Annotations/a-3.xml"
                            "Annotations/a.xml"
                            "Annotations/sub/images/b.xml"
                            "ImageSets/Main/train.txt"
                            "ImageSets/Main/val.txt"
                            "JPEGImages/a-2.jpg"
                            "JPEGImages/a-3.png"
                            "JPEGImages/a.png"
                            "JPEGImages/sub/images/b.png"
                            "classes.txt"
                        ]
                        "files"

                    let text name =
                        File.ReadAllText(Path.Combine(out, name))

                    Expect.equal (text "ImageSets/Main/train.txt") "a\na-2\nsub/images/b\n" "train"
                    Expect.equal (text "ImageSets/Main/val.txt") "a-3\n" "val"
                    let a = text "Annotations/a.xml"

                    for part in
                        [
                            "<filename>a.png</filename>"
                            "<width>64</width>"
                            "<xmin>2</xmin>"
                            "<xmax>21.25</xmax>"
                            "<difficult>1</difficult>"
                        ] do
                        Expect.stringContains a part "of the first image"

                    Expect.stringContains
                        (lines summary)
                        "2 crowd regions and ignored boxes are written as difficult"
                        "said")

            testCase "LabelMe: beside the images"
            <| fun () ->
                within (fun folder out ->
                    convert (make folder cats cats) ExportFormat.LabelMe out |> ignore

                    Expect.equal
                        (listed out)
                        [
                            "classes.txt"
                            "train/a-2.jpg"
                            "train/a-2.json"
                            "train/a.json"
                            "train/a.png"
                            "train/sub/images/b.json"
                            "train/sub/images/b.png"
                            "val/a.json"
                            "val/a.png"
                        ]
                        "files"

                    Expect.stringContains
                        (File.ReadAllText(Path.Combine(out, "train/sub/images/b.json")))
                        "\"imagePath\": \"b.png\""
                        "the way to the image")

            testCase "COCO: ids, areas, crowds, ignored boxes and those outside stay as they are"
            <| fun () ->
                within (fun folder out ->
                    convert (make folder cats cats) ExportFormat.Coco out |> ignore

                    Expect.equal
                        (listed out)
                        [
                            "annotations/instances_train.json"
                            "annotations/instances_val.json"
                            "train/a.jpg"
                            "train/a.png"
                            "train/sub/images/b.png"
                            "val/a.png"
                        ]
                        "files"

                    let read (path: string) =
                        let file = AnnotationFile.Read(path, AnnotationUse.Images)

                        [ for image in file.Images -> image.Id, image.FileName.Replace('\\', '/') ],
                        List.ofSeq file.Classes,
                        [
                            for i in 0 .. file.Count - 1 ->
                                file.Id[i], file.X[i], file.Width[i], file.Area[i], file.IsCrowd[i], file.IsIgnored[i]
                        ]

                    let file root =
                        Path.Combine(root, "annotations/instances_train.json")

                    Expect.equal (read (file out)) (read (file folder)) "all of it")
        ]

let private classesOfParts =
    testList
        "classes of several parts"
        [
            testCase "are the same by name"
            <| fun () ->
                inFolder (fun folder ->
                    let set = make folder [ 1, "cat"; 2, "dog" ] [ 1, "fox"; 5, "cat" ]

                    Expect.sequenceEqual
                        set.Classes
                        [
                            { Id = CocoId 1L; Name = "cat" }
                            { Id = CocoId 2L; Name = "dog" }
                            { Id = CocoId 3L; Name = "fox" }
                        ]
                        "numbered anew, as cat and fox had one id"

                    Expect.equal set.Parts[1].Images[0].Boxes[0].Label 0 "the box of a cat"
                    Expect.equal set.Notices.Count 2 "both are said")

            testCase "one that only groups the others is left out"
            <| fun () ->
                inFolder (fun folder ->
                    let grouped = [ 0, "all"; 1, "cat"; 2, "dog" ]
                    // the boxes are of the first two classes of a part: of cat and dog
                    let set = make folder (List.tail grouped) (List.tail grouped)
                    Expect.equal set.Classes.Count 2 "none to leave out"

                    for part in [ "train"; "valid" ] do
                        let path = Path.Combine(folder, $"annotations/instances_{part}.json")

                        File.WriteAllText(
                            path,
                            File
                                .ReadAllText(path)
                                .Replace(
                                    "\"categories\": [",
                                    "\"categories\": [{\"id\": 0, \"name\": \"all\", \"supercategory\": \"none\"}, "
                                )
                        )

                    let again =
                        DataExport.Read
                            [|
                                for part in [ "train"; "valid" ] ->
                                    DataPart(
                                        Path.Combine(folder, $"annotations/instances_{part}.json"),
                                        Path.Combine(folder, part)
                                    )
                            |]

                    Expect.sequenceEqual again.Classes set.Classes "as if it were not there"

                    Expect.equal
                        [ for box in again.Parts[0].Images[0].Boxes -> box.Label ]
                        [ for box in set.Parts[0].Images[0].Boxes -> box.Label ]
                        "labels"

                    Expect.stringContains (String.Join('\n', again.Notices)) "0 all has no boxes" "said")
        ]

let private wholeOrNothing =
    testList
        "whole or not at all"
        [
            testCase "a folder that holds something is refused, and stays as it is"
            <| fun () ->
                within (fun folder out ->
                    let set = make folder cats cats
                    Directory.CreateDirectory out |> ignore
                    File.WriteAllText(Path.Combine(out, "mine.txt"), "mine")
                    let said = inputError (fun () -> convert set ExportFormat.Yolo out |> ignore)
                    Expect.stringContains said "is not empty, it holds mine.txt" "named"
                    Expect.equal (listed out) [ "mine.txt" ] "untouched")

            testCase "an image that is missing, or of another size, ends it before anything is written"
            <| fun () ->
                within (fun folder out ->
                    let set = make folder cats cats
                    let image = Path.Combine(folder, "train/a.png")
                    File.WriteAllBytes(image, png 32 48)
                    let said = inputError (fun () -> convert set ExportFormat.Yolo out |> ignore)
                    Expect.stringContains said "a.png has 32 x 48 px, stated 64 x 48" "the size"
                    File.Delete image
                    let said = inputError (fun () -> convert set ExportFormat.Coco out |> ignore)
                    Expect.stringContains said "1 image of 3 in train cannot be converted, the first: a.png" "the name"
                    Expect.isFalse (Directory.Exists out) "nothing is there")

            testCase "an interruption leaves nothing"
            <| fun () ->
                within (fun folder out ->
                    let set = make folder cats cats
                    use source = new CancellationTokenSource()

                    let afterTwo =
                        { new IProgress<int> with
                            member _.Report done' =
                                if done' = 2 then
                                    source.Cancel()
                        }

                    Expect.throwsT<OperationCanceledException>
                        (fun () ->
                            DataExport.Write(set, ExportFormat.Voc, out, false, afterTwo, source.Token)
                            |> ignore)
                        "interrupted"

                    Expect.isFalse (Directory.Exists out) "nothing is there"
                    Directory.CreateDirectory out |> ignore

                    Expect.throwsT<OperationCanceledException>
                        (fun () ->
                            DataExport.Write(set, ExportFormat.Voc, out, false, afterTwo, source.Token)
                            |> ignore)
                        "interrupted"

                    Expect.isEmpty (Directory.EnumerateFileSystemEntries out) "a folder that was there stays, empty")

            testCase "linked images are the originals by another name"
            <| fun () ->
                within (fun folder out ->
                    let set = make folder cats cats

                    let summary =
                        DataExport.Write(set, ExportFormat.Yolo, out, true, nobody, CancellationToken.None)

                    Expect.equal (summary.Copied + summary.Linked) 4 "all there"

                    if summary.Linked > 0 then
                        let original = Path.Combine(folder, "train/a.png")
                        File.SetLastWriteTimeUtc(original, DateTime(2001, 2, 3, 0, 0, 0, DateTimeKind.Utc))

                        Expect.equal
                            (File.GetLastWriteTimeUtc(Path.Combine(out, "images/train/a.png")).Year)
                            2001
                            "one file")
        ]

/// What happens to image files on the way: its name, what it does to a file of 64 x 48 px, and what is said of it.
let private damages: (string * (string -> unit) * string) list =
    [
        "missing", File.Delete, "missing"
        "empty", (fun path -> File.WriteAllBytes(path, [||])), "is empty"
        "cut off", (fun path -> File.WriteAllBytes(path, (File.ReadAllBytes path)[..60])), "truncated"
        "no image", (fun path -> File.WriteAllText(path, "not found")), "not a readable image"
        "another picture", (fun path -> File.WriteAllBytes(path, png 32 48)), "32 x 48 px"
    ]

/// The same images as YOLO, whose sizes are only known from their files.
let private makeYolo (folder: string) =
    for name in [ "a"; "b"; "c" ] do
        FormatFiles.write folder $"images/{name}.png" (png 64 48)
        FormatFiles.text folder $"labels/{name}.txt" "0 0.5 0.5 0.25 0.5\n"

    FormatFiles.text folder "classes.txt" "cat\n"
    Check.DataFolder.Parts folder

let private withoutDamaged =
    let without set =
        DataExport.WithoutDamaged(set, nobody, CancellationToken.None)

    let names (set: ExportSet) =
        [
            for part in set.Parts -> part.Name, [ for image in part.Images -> image.Name.Replace('\\', '/') ]
        ]

    testList
        "without damaged images"
        [
            for name, damage, said in damages do
                testCase $"COCO, {name}"
                <| fun () ->
                    within (fun folder out ->
                        let set = make folder cats cats
                        damage (Path.Combine(folder, "train/a.png"))
                        let kept = without set

                        Expect.equal
                            (names kept)
                            [ "train", [ "a.jpg"; "sub/images/b.png" ]; "val", [ "a.png" ] ]
                            "the others stay"

                        let notice = Array.last (Array.ofSeq kept.Notices)
                        Expect.stringContains notice "1 of 3 images in train is left out, with 2 boxes: a.png" "told"
                        Expect.stringContains notice said "why"
                        Expect.isFalse (notice.Contains folder) "no long path"
                        let summary = convert kept ExportFormat.Yolo out
                        Expect.equal summary.Copied 3 "written")

                // a YOLO box moves with its image
                if name <> "another picture" && name <> "missing" then
                    testCase $"YOLO, {name}"
                    <| fun () ->
                        within (fun folder out ->
                            let parts = makeYolo folder
                            damage (Path.Combine(folder, "images/b.png"))
                            let kept = without (DataExport.Read(parts, true))
                            let images = kept.Parts |> Seq.collect _.Images |> List.ofSeq
                            Expect.equal [ for image in images -> image.Name ] [ "a.png"; "c.png" ] "the others stay"
                            Expect.equal [ for image in images -> image.Boxes.Count ] [ 1; 1 ] "with their own boxes"
                            Expect.exists kept.Notices (fun notice -> notice.Contains "left out") "told"
                            Expect.exists kept.Notices (fun notice -> notice.Contains said) "why"
                            Expect.equal (convert kept ExportFormat.Coco out).Copied 2 "written")

            testCase "a part of which nothing stays is left out, and a set of which nothing stays is refused"
            <| fun () ->
                within (fun folder _ ->
                    let set = make folder cats cats
                    File.Delete(Path.Combine(folder, "valid/a.png"))
                    Expect.equal [ for part in (without set).Parts -> part.Name ] [ "train" ] "no validation"

                    for file in
                        Directory.EnumerateFiles(Path.Combine(folder, "train"), "*", SearchOption.AllDirectories) do
                        File.WriteAllBytes(file, [||])

                    let said = inputError (fun () -> without set |> ignore)
                    Expect.stringContains said "none of 4 images can be used, the first: a.png" "refused")

            testCase "where nothing is wrong, nothing changes"
            <| fun () ->
                within (fun folder _ ->
                    let set = make folder cats cats
                    let kept = without set
                    Expect.equal (names kept) (names set) "images"
                    Expect.equal (List.ofSeq kept.Notices) (List.ofSeq set.Notices) "nothing to say")

            testCase "every image is reported, once"
            <| fun () ->
                within (fun folder _ ->
                    let set = make folder cats cats
                    let reports = Collections.Concurrent.ConcurrentBag<int>()

                    let told =
                        { new IProgress<int> with
                            member _.Report done' = reports.Add done'
                        }

                    DataExport.WithoutDamaged(set, told, CancellationToken.None) |> ignore
                    Expect.equal (List.sort (List.ofSeq reports)) [ 1..4 ] "counted")
        ]

[<Tests>]
let tests =
    testList "Data export" [ layouts; classesOfParts; wholeOrNothing; withoutDamaged ]
