/// COCO's files in the layouts that tools write, and formats beside each other.
module DeqDet.Tests.FormatCocoTests

open System
open System.IO
open Expecto
open DeqDet
open DeqDet.Data
open DeqDet.Data.Check
open DeqDet.Tests.DataFiles
open DeqDet.Tests.FormatFiles

[<Tests>]
let coco =
    testList
        "COCO in other layouts, formats beside each other"
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
