/// How the parts of a data set are found: Roboflow's folders, and the data set of a checkpoint that was trained elsewhere.
module DeqDet.Tests.DataLayoutTests

open System
open System.IO
open System.IO.Compression
open System.Threading
open Expecto
open DeqDet.Settings
open DeqDet.Data
open DeqDet.Data.Check
open DeqDet.Data.Shapes
open DeqDet.Tests.DataFiles

/// Paths of a published model's data set, COCO's own.
let private coco =
    (SettingsFile.load (SettingsFiles.config "deqdet_r50_1x_coco") []).Data

let private find (root: string) =
    DataPart.Find(root, coco.Train), DataPart.Find(root, coco.Val)

/// A copy of Roboflow's export in a folder, with the parts that are named.
let private export (folder: string) (parts: string list) =
    let root = Path.Combine(folder, Guid.NewGuid().ToString "N")

    for part in parts do
        // What is called otherwise has the validation part's files.
        let source = if part = "train" || part = "test" then part else "valid"
        FieldFiles.copy (FieldFiles.folder $"05-roboflow-layout/{source}") (Path.Combine(root, part))

    root

let private names (parts: DataPart seq) = [ for part in parts -> part.Name ]

[<Tests>]
let roboflow =
    testList
        "Roboflow's layout"
        [
            test "all parts are found, named after their folders, training first" {
                inFolder (fun folder ->
                    let root = export folder [ "test"; "train"; "valid" ]
                    let parts = DataFolder.Parts root
                    Expect.equal (names parts) [ "train"; "valid"; "test" ] "parts"
                    let report = DataCheck.Run(parts, true)

                    Expect.equal
                        [ for part in report.Parts -> part.Name, part.Images, part.Boxes ]
                        [ "train", 3, 6; "valid", 1, 2; "test", 1, 2 ]
                        "what they hold"

                    Expect.isFalse report.Spoiled "nothing is wrong"
                    let train, validation = find root
                    Expect.equal train parts[0] "training"
                    Expect.equal validation parts[1] "validation"
                    Expect.equal (train.Load().Images.Count, validation.Load().Images.Count) (3, 1) "images")
            }

            test "a single part is found by its own folder" {
                inFolder (fun folder ->
                    let root = export folder [ "valid" ]
                    let parts = DataFolder.Parts(Path.Combine(root, "valid"))
                    Expect.equal (names parts) [ "valid" ] "the folder's name"
                    Expect.equal (parts[0].Load().Images.Count) 1 "its images")
            }

            test "other names, and parts that are missing" {
                inFolder (fun folder ->
                    for parts, validation, notice in
                        [
                            [ "train"; "valid" ], "valid", false
                            [ "train"; "val" ], "val", false
                            [ "train"; "validation"; "test" ], "validation", false
                            [ "Train"; "Valid" ], "Valid", false
                            [ "train"; "test" ], "test", true
                        ] do
                        let root = export folder parts
                        Expect.equal (names (DataFolder.Parts root)) parts $"{parts}: data check"
                        let train, other = find root
                        Expect.equal (train.Name.ToLowerInvariant(), other.Name) ("train", validation) $"{parts}"
                        let notices = other.Load().Notices

                        Expect.equal
                            (notices |> Seq.exists (fun text -> text.Contains "validation is on test"))
                            notice
                            "validation on the test part is said"

                    let train, other = find (export folder [ "train" ])
                    Expect.equal (train.Load().Images.Count, other.Load().Images.Count) (2, 1) "a share to validate on"

                    let message =
                        inputError (fun () ->
                            DataPart.Find(export folder [ "train" ], coco.Val, { Val = 0.0; Seed = 0 })
                            |> ignore)

                    Expect.stringContains message "valid, val, validation or test" "nothing to validate on"

                    let message =
                        inputError (fun () -> find (export folder [ "valid"; "test" ]) |> ignore)

                    Expect.stringContains message "training" "nothing to train on")
            }

            test "a part without its annotation file is named, not replaced by another" {
                inFolder (fun folder ->
                    let root = export folder [ "train"; "valid"; "test" ]
                    let file = Path.Combine(root, "valid", "_annotations.coco.json")
                    File.Delete file
                    Expect.stringContains (inputError (fun () -> find root |> ignore)) file "training stops"
                    let report = DataCheck.Run(DataFolder.Parts root, false)

                    Expect.exists
                        report.Issues
                        (fun issue -> issue.Part = "valid" && issue.Kind = IssueKind.UnreadableFile)
                        "data check says so and goes on"

                    Expect.equal report.Parts.Count 3 "with the others")
            }

            test "compressed annotations, and COCO's own layout beside it" {
                inFolder (fun folder ->
                    let root = export folder [ "train"; "valid" ]
                    let file = Path.Combine(root, "train", "_annotations.coco.json")

                    (use stream = new GZipStream(File.Create(file + ".gz"), CompressionLevel.Fastest)
                     stream.Write(ReadOnlySpan(File.ReadAllBytes file)))

                    File.Delete file
                    let train, _ = find root
                    Expect.equal (train.Name, train.Load().Images.Count) ("train", 3) "read from the compressed file"
                    let annotations = Path.Combine(root, coco.Train.Annotations)
                    Directory.CreateDirectory(Path.GetDirectoryName annotations) |> ignore
                    Directory.CreateDirectory(Path.Combine(root, coco.Train.Images)) |> ignore
                    File.Copy(Path.Combine(root, "valid", "_annotations.coco.json"), annotations)
                    let train, _ = find root
                    Expect.equal train.AnnotationFile annotations "what the settings name comes first")
            }

            test "the class that only groups the others is left out, and that is said once" {
                inFolder (fun folder ->
                    let root = export folder [ "train"; "valid" ]
                    let train, validation = find root
                    let data = train.Load()

                    let classes (data: CocoDataset) =
                        [ for c in data.Categories -> c.Id.Text, c.Name ]

                    Expect.equal (classes data) [ "1", "box"; "2", "plate" ] "classes"

                    Expect.equal
                        [ for image in data.Images -> [ for box in image.Boxes -> box.Label ] ]
                        [ [ 0; 1 ]; [ 0; 1 ]; [ 0; 1 ] ]
                        "labels"

                    Expect.hasLength data.Notices 1 "said"
                    Expect.stringContains data.Notices[0] "the class 0 parts" "which"
                    let other = validation.LoadFor data.Categories
                    Expect.equal (classes other) (classes data) "validation has the same"
                    Expect.isEmpty other.Notices "not said again"
                    // A model that was trained when the root counted as a class.
                    let all = CocoDataset.Load(validation.AnnotationFile, validation.ImageFolder)
                    Expect.hasLength all.Categories 3 "with the root"
                    let same = validation.LoadFor all.Categories
                    Expect.equal [ for box in same.Images[0].Boxes -> box.Label ] [ 1; 2 ] "its labels"
                    let report = DataCheck.Run(DataFolder.Parts root, false)

                    Expect.equal
                        [
                            for issue in report.Issues do
                                if issue.Kind = IssueKind.RootCategory || issue.Kind = IssueKind.UnusedCategory then
                                    issue.Kind.Code, issue.Part, List.ofSeq issue.Places
                        ]
                        [
                            "root-category", "train", [ "0 parts" ]
                            "root-category", "valid", [ "0 parts" ]
                        ]
                        "data check")
            }

            test "a class 0 that is no root stays, and parts with other classes are compared" {
                inFolder (fun folder ->
                    let root = export folder [ "train"; "valid" ]
                    let train, validation = find root

                    let alter (part: DataPart) (from: string) (by: string) =
                        let text = File.ReadAllText part.AnnotationFile
                        let altered = text.Replace(from, by)
                        Expect.notEqual altered text from
                        File.WriteAllText(part.AnnotationFile, altered)
                        text

                    // Of another group, with a box of its own, or the only one.
                    for from, by in
                        [
                            "\"name\": \"plate\",\n   \"supercategory\": \"parts\"", "\"name\": \"plate\""
                            "\"category_id\": 1", "\"category_id\": 0"
                            "\"name\": \"parts\"", "\"name\": \"things\""
                        ] do
                        let before = alter train from by
                        Expect.hasLength (train.Load().Categories) 3 by
                        File.WriteAllText(train.AnnotationFile, before)

                    let classes = train.Load().Categories
                    alter validation "\"plate\"" "\"bowl\"" |> ignore
                    let message = inputError (fun () -> validation.LoadFor classes |> ignore)

                    for part in
                        [
                            validation.AnnotationFile
                            "only in the file: 2 bowl"
                            "only in the model: 2 plate"
                        ] do
                        Expect.stringContains message part part)
            }

            test "names that somebody chose are taken at their word" {
                inFolder (fun folder ->
                    let root = export folder [ "train"; "valid" ]

                    let split =
                        {
                            Images = "train"
                            Annotations = "labels.json"
                        }

                    Expect.stringContains
                        (inputError (fun () -> DataPart.Find(root, split) |> ignore))
                        "labels.json"
                        "missing")
            }
        ]

[<Tests>]
let root =
    let small =
        {
            TrainImages = 2
            ValImages = 2
            Seed = 4
        }

    let shapes =
        { (SettingsFile.load (SettingsFiles.config "shapes") []).Data with
            Root = "data/there-is-none-here"
            Shapes = Some small
        }

    let place (parts: string list) = Path.Combine(Array.ofList parts)

    let draw (folder: string) (settings: ShapesSettings) =
        ShapesDataSet.Ensure(folder, settings, null, CancellationToken.None) |> ignore

    /// A run as it lies after training: work/run/best.safetensors below a folder.
    let run (folder: string) =
        let work = place [ folder; "work"; "run" ]
        Directory.CreateDirectory work |> ignore
        place [ work; "best.safetensors" ]

    testList
        "the data set of a checkpoint"
        [
            test "is found beside the run it comes from, and not drawn again" {
                inFolder (fun folder ->
                    let checkpoint = run folder
                    let there = place [ folder; shapes.Root ]
                    draw there small

                    for given in [ checkpoint; Path.GetDirectoryName checkpoint ] do
                        let found = DataRoot.Locate(shapes, given, null)
                        Expect.equal found.Root there given
                        Expect.stringContains found.Notice there "says which"
                        Expect.stringContains found.Notice shapes.Root "and for what"

                    Expect.isFalse
                        (ShapesDataSet.Ensure(there, small, null, CancellationToken.None)).Made
                        "nothing has to be drawn there")
            }

            test "is found where the checkpoint says it was trained" {
                inFolder (fun folder ->
                    let checkpoint = run (place [ folder; "moved"; "far" ])
                    let there = place [ folder; "disk"; "shapes" ]
                    draw there small
                    let found = DataRoot.Locate(shapes, checkpoint, place [ there; "train" ])
                    Expect.equal found.Root there "by the account of its training"
                    // COCO's layout, and Roboflow's, where the images lie elsewhere below the root than the settings say.
                    let root = place [ folder; "robo" ]
                    FieldFiles.copy (FieldFiles.folder "05-roboflow-layout") root
                    let data = { coco with Root = "data/none" }
                    let found = DataRoot.Locate(data, checkpoint, place [ root; "train" ])
                    Expect.equal found.Root root "Roboflow's parts")
            }

            test "as written comes first, and another one that was trained on is mentioned" {
                inFolder (fun folder ->
                    let here, trained = place [ folder; "here" ], place [ folder; "trained" ]

                    for root in [ here; trained ] do
                        FieldFiles.copy (FieldFiles.folder "05-roboflow-layout") root

                    let data = { coco with Root = here }
                    let found = DataRoot.Locate(data, run folder, place [ trained; "train" ])
                    Expect.equal found.Root here "as written"
                    Expect.stringContains found.Notice trained "the other is mentioned"
                    let found = DataRoot.Locate(data, run folder, place [ here; "train" ])
                    Expect.equal (found.Root, found.Notice) (here, null) "the same: nothing to say")
            }

            test "that stands nowhere is drawn as written, or every place is named" {
                inFolder (fun folder ->
                    let checkpoint = run folder
                    let found = DataRoot.Locate(shapes, checkpoint, null)
                    Expect.equal (found.Root, found.Notice) (shapes.Root, null) "to be drawn"
                    // One of other settings is another data set.
                    draw (place [ folder; shapes.Root ]) { small with Seed = 5 }
                    Expect.equal (DataRoot.Locate(shapes, checkpoint, null)).Root shapes.Root "not that one"
                    let data = { coco with Root = "data/none" }

                    let message =
                        inputError (fun () -> DataRoot.Locate(data, checkpoint, "/gone/data/train2017") |> ignore)

                    for part in [ "data/none"; place [ folder; "data"; "none" ]; "/gone/data"; "--data" ] do
                        Expect.stringContains message part part)
            }
        ]
