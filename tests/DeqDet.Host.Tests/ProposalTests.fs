/// What `detect` finds, in the formats of labelling tools: files of images whose names get in each other's way, and folders of others.
module DeqDet.Tests.ProposalTests

open System
open System.IO
open System.Text.Json
open Expecto
open DeqDet
open DeqDet.Coco
open DeqDet.CommandLine
open DeqDet.Detection
open DeqDet.Host.Commands
open DeqDet.Tests.DataFiles

let private classes =
    [| { Id = CocoId 4L; Name = "=cat" }; { Id = CocoId 9L; Name = "<dog>" } |]

let private finding label score (box: Box) : Finding =
    {
        Class = classes[label]
        Label = label
        Score = score
        Box = box
        Query = 0
        Report = None
    }

let private detected (file: string) (found: Finding list) =
    DetectedImage(file, "x.png", 100, 50, Array.ofList found, [||])

let private everything =
    [|
        ResultFormat.Coco
        ResultFormat.Yolo
        ResultFormat.YoloConf
        ResultFormat.Voc
        ResultFormat.LabelMe
        ResultFormat.Csv
    |]

let private listed (folder: string) =
    [
        for file in Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories) ->
            Path.GetRelativePath(folder, file).Replace('\\', '/')
    ]
    |> List.sortWith (fun a b -> String.CompareOrdinal(a, b))

[<Tests>]
let tests =
    testList
        "Proposals"
        [
            testCase "an image's name is its path below the folder that was given"
            <| fun () ->
                let photos = Path.Combine("p", "photos")
                let below (name: string) = Path.Combine(photos, name)

                for places, files, expected in
                    [
                        [ photos ], [ below "a.jpg"; below "x/a.jpg" ], [ "a.jpg"; "x/a.jpg" ]
                        [ below "x/a.jpg"; photos ], [ below "x/a.jpg"; below "b.jpg" ], [ "a.jpg"; "b.jpg" ]
                        [ Path.Combine("..", "q") ], [ Path.Combine("..", "q", "y", "a.jpg") ], [ "y/a.jpg" ]
                        [ "a.jpg" ], [ "a.jpg" ], [ "a.jpg" ]
                        // two of one name are told apart by their folders
                        [ "r"; "s" ], [ "r/a.jpg"; "s/a.jpg"; "s/b.jpg" ], [ "r/a.jpg"; "s/a.jpg"; "s/b.jpg" ]
                    ] do
                    Expect.sequenceEqual (Proposals.Names(Array.ofList places, Array.ofList files)) expected $"{places}"

            testCase "every format has its files, and says the same"
            <| fun () ->
                inFolder (fun folder ->
                    let photos = Path.Combine(folder, "photos")
                    let file (name: string) = Path.Combine(photos, name)
                    let files = [| file "a.jpg"; file "a.png"; file "sub/b.jpg"; file "c.jpg" |]
                    let out = Path.Combine(folder, "found")
                    Directory.CreateDirectory out |> ignore
                    let proposals = Proposals.Of(out, everything, classes, [| photos |], files)
                    Expect.exists proposals.Notices (fun text -> text.EndsWith "a.png are a-2") "the second a"
                    proposals.Start()

                    let images =
                        [|
                            detected files[0] [ finding 1 0.75f (Box(10.5f, 5f, 30.5f, 25f)) ]
                            // one that reaches out, one outside
                            detected
                                files[1]
                                [
                                    finding 0 0.5f (Box(-10f, 0f, 10f, 50f))
                                    finding 0 0.4f (Box(-10f, 0f, -1f, 5f))
                                ]
                            detected files[2] []
                        |]

                    for image in images do
                        proposals.Add image

                    proposals.Write images

                    Expect.equal
                        (listed out)
                        [
                            "coco/annotations.json"
                            "coco/results.json"
                            "detections.csv"
                            "labelme/a-2.json"
                            "labelme/a.json"
                            "labelme/sub/b.json"
                            "voc/a-2.xml"
                            "voc/a.xml"
                            "voc/sub/b.xml"
                            "yolo-conf/classes.txt"
                            "yolo-conf/data.yaml"
                            "yolo-conf/labels/a-2.txt"
                            "yolo-conf/labels/a.txt"
                            "yolo-conf/labels/sub/b.txt"
                            "yolo/classes.txt"
                            "yolo/data.yaml"
                            "yolo/labels/a-2.txt"
                            "yolo/labels/a.txt"
                            "yolo/labels/sub/b.txt"
                        ]
                        "the image that was not looked at has no labels"

                    let text name =
                        File.ReadAllText(Path.Combine(out, name))

                    Expect.equal (text "yolo/labels/a.txt") "1 0.205 0.3 0.2 0.4\n" "shares"
                    Expect.equal (text "yolo-conf/labels/a.txt") "1 0.205 0.3 0.2 0.4 0.75\n" "and the score"
                    Expect.equal (text "yolo/labels/a-2.txt") "0 0.05 0.5 0.1 1\n" "clipped; what is outside is none"
                    Expect.equal (text "yolo/labels/sub/b.txt") "" "nothing was found"
                    Expect.stringContains (text "voc/a.xml") "<name>&lt;dog&gt;</name>" "escaped"

                    Expect.equal
                        (text "detections.csv")
                        ("file,class,score,x1,y1,x2,y2,residual\r\n"
                         + "a.jpg,<dog>,0.75,10.5,5,30.5,25,\r\n"
                         + "a.png,'=cat,0.5,-10,0,10,50,\r\n"
                         + "a.png,'=cat,0.4,-10,0,-1,5,\r\n")
                        "a line a box"

                    let annotations =
                        AnnotationFile.Read(Path.Combine(out, "coco", "annotations.json"), AnnotationUse.Images)

                    Expect.sequenceEqual
                        [ for image in annotations.Images -> image.FileName ]
                        [ "a.jpg"; "a.png"; "sub/b.jpg" ]
                        "names with their folders"

                    Expect.equal annotations.Count 2 "boxes that can be seen"
                    use results = JsonDocument.Parse(text "coco/results.json")
                    Expect.equal (results.RootElement.GetArrayLength()) 3 "all results"

                    use labels = JsonDocument.Parse(text "labelme/sub/b.json")
                    let way = labels.RootElement.GetProperty("imagePath").GetString()

                    Expect.equal
                        (Path.GetFullPath(Path.Combine(out, "labelme", "sub", way)))
                        (Path.GetFullPath files[2])
                        "the way leads to the image")

            testCase "labels that are there stay"
            <| fun () ->
                inFolder (fun folder ->
                    let corrected = Path.Combine(folder, "yolo", "labels", "a.txt")
                    Directory.CreateDirectory(Path.GetDirectoryName corrected) |> ignore
                    File.WriteAllText(corrected, "mine")

                    let start formats =
                        Proposals.Of(folder, formats, classes, [| "a.jpg" |], [| "a.jpg" |]) |> ignore

                    Expect.stringContains
                        (inputError (fun () -> start [| ResultFormat.Yolo |]))
                        "is there already"
                        "named"

                    Expect.equal (File.ReadAllText corrected) "mine" "untouched"
                    start [| ResultFormat.Voc |]
                    File.WriteAllText(Path.Combine(folder, "detections.csv"), "my own table")

                    Expect.stringContains
                        (inputError (fun () -> start [| ResultFormat.Csv |]))
                        "was not written by this command"
                        "named"

                    File.WriteAllText(
                        Path.Combine(folder, "detections.csv"),
                        "file,class,score,x1,y1,x2,y2,residual\r\n"
                    )

                    start [| ResultFormat.Csv |])
        ]
