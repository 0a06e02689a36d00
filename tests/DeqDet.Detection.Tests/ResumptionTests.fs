/// Which data and settings a run may go on with.
module DeqDet.Tests.ResumptionTests

open System.IO
open System.Text.Json.Nodes
open Expecto
open DeqDet
open DeqDet.Checkpoints
open DeqDet.Coco
open DeqDet.Data
open DeqDet.Detection
open DeqDet.Settings
open DeqDet.Tests.CheckpointFiles
open DeqDet.Tests.SettingsFiles

let private box label x =
    DataBox(CocoId 1L, label, Box(x, 1.0f, x + 10.0f, 20.0f), 190.0, false)

let private image name width boxes =
    DataImage(CocoId 7L, name, width, 40, Array.ofList boxes)

let private set (images: DataImage list) =
    CocoDataset(Array.ofList images, [||], "anywhere", [||])

let private images =
    [
        image "a.png" 60 [ box 0 1.0f; box 1 2.0f ]
        image "b/c.png" 50 []
        image "d.png" 60 [ box 1 3.0f ]
    ]

let private print = set images |> DataFingerprint.Of

/// Sets that differ from it in one thing, and what is said of each.
let private others =
    [
        "an image less", images.Tail, "2 images instead of 3"
        "another name", image "A.png" 60 [ box 0 1.0f; box 1 2.0f ] :: images.Tail, "other file names"
        "another order", List.rev images, "another order"
        "another size", image "a.png" 61 [ box 0 1.0f; box 1 2.0f ] :: images.Tail, "other sizes"
        "a box less", image "a.png" 60 [ box 0 1.0f ] :: images.Tail, "2 boxes instead of 3"
        "a box moved", image "a.png" 60 [ box 0 1.5f; box 1 2.0f ] :: images.Tail, "other boxes or labels"
        "a box relabelled", image "a.png" 60 [ box 1 1.0f; box 1 2.0f ] :: images.Tail, "other boxes or labels"
        "a box that became a crowd",
        image "a.png" 60 [ box 0 1.0f; DataBox(CocoId 1L, 1, (box 1 2.0f).Box, 190.0, true) ]
        :: images.Tail,
        "other boxes or labels"
        "a box that went over to the next image",
        [
            image "a.png" 60 [ box 0 1.0f ]
            image "b/c.png" 50 [ box 1 2.0f ]
            images[2]
        ],
        "other boxes or labels"
    ]

let private settings = SettingsFile.load (config "shapes") [ "classes=2" ]

/// A checkpoint that was trained on data with these fingerprints; None: it does not say.
let private withCheckpoint (signed: (DataFingerprint * DataFingerprint) option) (test: CheckpointFile -> unit) =
    inFolder (fun folder ->
        let path = Path.Combine(folder, "latest.safetensors")
        let training = JsonObject()

        signed
        |> Option.iter (fun (train, validation) -> Resumption.sign train validation training)

        CheckpointFile.Write(
            path,
            [||],
            CheckpointInfo(SettingsFile.toJson settings, [||], CheckpointProgress(1, 2L), 3UL, "test", training)
        )

        use file = CheckpointFile.Open path
        test file)

[<Tests>]
let tests =
    testList
        "Resumption"
        [
            for name, changed, expected in others do
                testCase $"{name} is noticed"
                <| fun () ->
                    let now = DataFingerprint.Of(set changed)
                    Expect.stringContains (print.Difference now) expected "what is said"

                    withCheckpoint (Some(print, print)) (fun file ->
                        let message = complaint (fun () -> Resumption.ofData file now print)
                        expectParts message [ "latest.safetensors"; expected; "resume with the data" ]

                        // a validation on other images trains nothing else
                        match Resumption.ofData file print now with
                        | [ notice ] -> expectParts notice [ expected; "AP does not compare" ]
                        | notices -> failtest $"%A{notices}")

            testCase "the same data elsewhere, with other ids, are the same"
            <| fun () ->
                let moved =
                    CocoDataset(
                        [|
                            for image in images ->
                                DataImage(CocoId "x", image.FileName, image.Width, image.Height, image.Boxes)
                        |],
                        [||],
                        "elsewhere",
                        [| "a notice" |]
                    )

                Expect.isNull (print.Difference(DataFingerprint.Of moved)) "difference"

                withCheckpoint (Some(print, print)) (fun file ->
                    Expect.isEmpty (Resumption.ofData file (DataFingerprint.Of moved) print) "notices")

            testCase "a checkpoint that does not say what it was trained on is taken, and that is said"
            <| fun () ->
                withCheckpoint None (fun file ->
                    match Resumption.ofData file print print with
                    | [ notice ] -> expectParts notice [ "latest.safetensors"; "does not say which images" ]
                    | notices -> failtest $"%A{notices}")

            testCase "what is no fingerprint is taken for none"
            <| fun () ->
                for text in
                    [
                        "null"
                        "3"
                        "{}"
                        """{"images":1.5,"boxes":1,"names":"","sizes":"","annotations":""}"""
                    ] do
                    Expect.isNull (DataFingerprint.FromJson(JsonNode.Parse text)) text

                let again = DataFingerprint.FromJson(JsonNode.Parse(print.ToJson().ToJsonString()))
                Expect.equal again print "written and read"

            testCase "settings are compared with those of the checkpoint"
            <| fun () ->
                withCheckpoint None (fun file ->
                    let now = SettingsFile.load (config "shapes") [ "classes=2"; "train.seed=4" ]
                    let message = complaint (fun () -> Resumption.ofSettings file now)
                    expectParts message [ "latest.safetensors"; "train.seed"; "was 0"; "would be 4" ]
                    let now = SettingsFile.load (config "shapes") [ "classes=2"; "train.epochs=20" ]
                    Expect.equal (Resumption.ofSettings file now).Length 1 "notices")
        ]
