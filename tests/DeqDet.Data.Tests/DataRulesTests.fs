/// One set of rules: the data check, training and testing agree on what spoils a data set.
module DeqDet.Tests.DataRulesTests

open System
open System.IO
open Expecto
open FsCheck
open FsCheck.FSharp
open DeqDet
open DeqDet.Coco
open DeqDet.Coco.Evaluation
open DeqDet.Data
open DeqDet.Data.Check
open DeqDet.Images
open DeqDet.Tests.DataFiles

let private field (name: string) =
    Path.GetFullPath(Path.Combine(GoldenFolder.path "", "..", "field", name))

let private good =
    """{"images": [{"id": 1, "file_name": "a.png", "width": 40, "height": 30}, {"id": 2, "file_name": "b.png", "width": 40, "height": 30}],
"annotations": [{"id": 1, "image_id": 1, "category_id": 7, "bbox": [1, 2, 20, 20], "area": 300, "iscrowd": 0, "ignore": 0},
{"id": 2, "image_id": 2, "category_id": 7, "bbox": [1, 2, 20, 20], "area": 250}],
"categories": [{"id": 7, "name": "cat"}]}"""

/// Parts of the good file, and what stands in their place: sound, odd or wrong.
let private changes =
    [
        "\"area\": 300", "\"area\": -1"
        "\"area\": 300", "\"area\": 0"
        "\"area\": 300", "\"area\": 1e999"
        "\"area\": 250", "\"area\": null"
        "\"ignore\": 0", "\"ignore\": 1"
        "\"iscrowd\": 0", "\"iscrowd\": 1"
        "\"iscrowd\": 0", "\"iscrowd\": 2"
        "[1, 2, 20, 20], \"area\": 300", "[1, 2, -20, 20]"
        "[1, 2, 20, 20]", "[1, 2, 0, 20]"
        "[1, 2, 20, 20]", "[100, 2, 20, 20]"
        "[1, 2, 20, 20]", "[1, 2, 20]"
        "\"image_id\": 1", "\"image_id\": 5"
        "\"image_id\": 2", "\"image_id\": \"2\""
        "\"category_id\": 7", "\"category_id\": 8"
        "\"id\": 2, \"image_id\"", "\"id\": 1, \"image_id\""
        "\"id\": 2, \"file_name\"", "\"id\": 1, \"file_name\""
        "a.png", "../a.png"
        "b.png", "missing.png"
        "\"width\": 40", "\"width\": 0"
        "\"width\": 40", "\"width\": 41"
        "\"file_name\": \"b.png\"", "\"coco_url\": \"http://host/b.png\""
        "\"file_name\": \"b.png\"", "\"coco_url\": \"http://host\""
        "\"categories\"", "\"labels\""
        "}]}", "}"
        "\"id\": 7, \"name\": \"cat\"", "\"name\": \"cat\""
    ]

let private spoiled: Gen<string> =
    Gen.elements changes
    |> Gen.two
    |> Gen.map (fun ((a, b), (c, d)) -> good.Replace(a, b).Replace(c, d))

let private pictures (folder: string) =
    for name in [ "a.png"; "b.png" ] do
        let shade = if name = "a.png" then 1uy else 2uy

        File.WriteAllBytes(
            Path.Combine(folder, name),
            PngWriter.Encode(ReadOnlySpan(Array.create (40 * 30 * 3) shade), 40, 30)
        )

/// Whether training or testing on the file would end with an error, of the annotations or of an image.
let private refused (file: string) (folder: string) : bool =
    try
        let read = AnnotationFile.Read(file, AnnotationUse.Images)
        GroundTruth.Of read |> ignore
        let data = CocoDataset.Of(read, folder)
        data.ForTraining { MinSide = 0; DropEmpty = true } |> ignore

        for image in data.Images do
            ImageFile.Load(data.PathOf image, stated image.Width image.Height) |> ignore

        false
    with :? InputError ->
        true

let private property (name: string) (count: int) (generator: Gen<'a>) (holds: 'a -> bool) =
    testPropertyWithConfig
        { FsCheckConfig.defaultConfig with
            maxTest = count
        }
        name
        (Prop.forAll (Arb.fromGen generator) holds)

let private load (annotations: string) : CocoDataset =
    let mutable loaded = Unchecked.defaultof<CocoDataset>

    inFolder (fun folder ->
        let file = Path.Combine(folder, "train.json")
        File.WriteAllText(file, annotations)
        loaded <- CocoDataset.Load(file, folder))

    loaded

let private places (kind: IssueKind) (report: DataReport) =
    [
        for issue in report.Issues do
            if issue.Kind = kind then
                yield! issue.Places
    ]

[<Tests>]
let tests =
    testList
        "rules of data"
        [
            property
                "the data check says spoiled exactly where training or testing would refuse"
                400
                spoiled
                (fun text ->
                    let mutable agree = false

                    inFolder (fun folder ->
                        pictures folder
                        let file = Path.Combine(folder, "train.json")
                        File.WriteAllText(file, text)
                        let report = DataCheck.Run([| DataPart(file, folder) |], false)
                        agree <- (report.Spoiled = refused file folder))

                    agree)

            test "ignored boxes are no targets, are said and counted, and are evaluated" {
                let plain = load good
                let ignored = load (good.Replace("\"ignore\": 0", "\"ignore\": 1"))
                Expect.equal (Seq.length plain.Images[0].Targets) 1 "a target"
                Expect.isEmpty ignored.Images[0].Targets "no target"
                Expect.hasLength ignored.Images[0].Boxes 1 "a box all the same"
                Expect.isEmpty plain.Notices "nothing to say"
                Expect.exists ignored.Notices (fun notice -> notice.Contains "1 box with \"ignore\" is not") "said"
                let filtered = ignored.ForTraining { MinSide = 0; DropEmpty = true }

                Expect.equal
                    [ for i in filtered.Images -> i.Id ]
                    [ CocoId 2L ]
                    "an image with ignored boxes only is empty"

                inFolder (fun folder ->
                    pictures folder
                    let file = Path.Combine(folder, "train.json")
                    File.WriteAllText(file, good.Replace("\"ignore\": 0", "\"ignore\": 1"))
                    let report = DataCheck.Run([| DataPart(file, folder) |], false)
                    Expect.hasLength (places IssueKind.IgnoredBox report) 1 "counted"
                    Expect.equal report.Parts[0].Boxes 1 "one box is left to train on"
                    Expect.isFalse report.Spoiled "a remark"
                    Expect.isFalse (GroundTruthReader.Load(file).IsCrowd.Contains true) "no crowd to the evaluation")
            }

            test "boxes in another form are named by training and by the data check" {
                for name, words in
                    [
                        "train.json", "shares of the image"
                        "train-corners.json", "corners (x1, y1, x2, y2)"
                    ] do
                    let file = Path.Combine(field "07-normalised-boxes", name)
                    let images = Path.Combine(field "07-normalised-boxes", "images")
                    let data = CocoDataset.Load(file, images)
                    Expect.exists data.Notices (fun notice -> notice.Contains words) $"notice of {name}"
                    let report = DataCheck.Run([| DataPart(file, images) |], false)

                    Expect.exists
                        (places IssueKind.OtherForm report)
                        (fun place -> place.Contains words)
                        $"check of {name}"

                let shares =
                    CocoDataset.Load(
                        Path.Combine(field "07-normalised-boxes", "train.json"),
                        field "07-normalised-boxes"
                    )

                let message =
                    inputError (fun () -> shares.ForTraining { MinSide = 0; DropEmpty = true } |> ignore)

                Expect.stringContains message "shares of the image" "why nothing is left"
            }

            test "records of LVIS find their files, and text ids their images" {
                let lvis =
                    CocoDataset.Load(field "18-lvis-records/lvis_v1_val.json", field "18-lvis-records")

                Expect.isTrue (File.Exists(lvis.PathOf lvis.Images[0])) "file"

                let report =
                    DataCheck.Run(
                        [|
                            DataPart(field "18-lvis-records/lvis_v1_val.json", field "18-lvis-records")
                        |],
                        false
                    )

                Expect.isFalse report.Spoiled "nothing wrong"

                let texts =
                    CocoDataset.Load(field "01-string-image-ids/gt.json", field "01-string-image-ids/images")

                Expect.equal
                    [ for image in texts.Images -> image.Id.Text + ".png" ]
                    [ for image in texts.Images -> image.FileName ]
                    "ids"

                Expect.equal [ for image in texts.Images -> image.Boxes.Count ] [ 1; 1 ] "boxes"
            }
        ]
