module DeqDet.Tests.AnalysisPageTests

open System
open System.IO
open System.Text.Json
open System.Text.RegularExpressions
open Expecto
open SkiaSharp
open DeqDet
open DeqDet.Settings
open DeqDet.Host.Commands
open DeqDet.Images
open DeqDet.Coco.Evaluation
open DeqDet.Reports

let private inFolder (action: string -> unit) =
    let folder = Directory.CreateTempSubdirectory "deqdet-"

    try
        action folder.FullName
    finally
        folder.Delete true

/// An annotation file of one image with two objects and two classes, names as given, and detections of which one is right.
let private write (folder: string) (fileName: string) (className: string) =
    let truth =
        {|
            images =
                [
                    {|
                        id = 7
                        file_name = fileName
                        width = 1200
                        height = 600
                    |}
                ]
            categories = [ {| id = 1; name = className |}; {| id = 2; name = "other" |} ]
            annotations =
                [
                    for id, x in [ 1, 100.0; 2, 700.0 ] ->
                        {|
                            id = id
                            image_id = 7
                            category_id = 1
                            bbox = [ x; 100.0; 200.0; 200.0 ]
                            area = 40000.0
                            iscrowd = 0
                        |}
                ]
        |}

    let found =
        [
            for kind, x, score in [ 1, 110.0, 0.9; 2, 700.0, 0.8 ] ->
                {|
                    image_id = 7
                    category_id = kind
                    bbox = [ x; 100.0; 200.0; 200.0 ]
                    score = score
                |}
        ]

    File.WriteAllText(Path.Combine(folder, "gt.json"), JsonSerializer.Serialize truth)
    File.WriteAllText(Path.Combine(folder, "dt.json"), JsonSerializer.Serialize found)

let private picture (folder: string) (name: string) =
    let image =
        RgbImage(Array.init (1200 * 600 * 3) (fun i -> byte (i / 3 % 256)), 1200, 600)

    File.WriteAllBytes(Path.Combine(folder, name), Picture(image).ToPng())

let private request (folder: string) (images: string) =
    EvaluateRequest(
        Path.Combine(folder, "gt.json"),
        Path.Combine(folder, "dt.json"),
        Report = Path.Combine(folder, "report.html"),
        ImagesFrom = images
    )

let private run (request: EvaluateRequest) : string =
    use output = new StringWriter()
    EvaluateCommand.Run(request, output)
    output.ToString()

/// The page and the data in it.
let private page (folder: string) (images: string) : string * JsonElement =
    run (request folder images) |> ignore
    let html = File.ReadAllText(Path.Combine(folder, "report.html"))

    let data =
        Regex.Match(html, "<script type=\"application/json\" id=\"data\">(.*?)</script>", RegexOptions.Singleline)

    use document = JsonDocument.Parse data.Groups[1].Value
    html, document.RootElement.Clone()

let private firstImage (data: JsonElement) : JsonElement = (data.GetProperty "gallery")[0]

let private count (part: string) (text: string) = Regex.Matches(text, part).Count

let private refused (parts: string list) (action: unit -> unit) =
    Expect.throwsC action (fun error ->
        Expect.isTrue (error :? InputError) $"{error}"

        for part in parts do
            Expect.stringContains error.Message part "message")

let private hostile =
    [
        "</script><script>alert(1)</script>"
        "<!--<script>"
        "]]><img src=x onerror=alert(1)>"
        "\u2028\u2029 & \" ' \\ \u0000"
        "<!--script--><!--style--><!--data-->"
    ]

[<Tests>]
let tests =
    testList
        "Analysis, page"
        [
            testCase "the data of the page are those of the analysis"
            <| fun () ->
                inFolder (fun folder ->
                    write folder "a.png" "cell"
                    let _, data = page folder null

                    let evaluation, analysis =
                        data.GetProperty "evaluation", data.GetProperty "analysis"

                    Expect.equal ((evaluation.GetProperty "stats").GetArrayLength()) 12 "numbers"

                    let kinds =
                        ((analysis.GetProperty "errors").GetProperty "kinds").EnumerateArray()
                        |> List.ofSeq

                    Expect.equal
                        [
                            for kind in kinds ->
                                (kind.GetProperty "kind").GetString(), (kind.GetProperty "count").GetInt32()
                        ]
                        [
                            "wrong_class", 1
                            "badly_placed", 0
                            "both", 0
                            "duplicate", 0
                            "background", 0
                            "missed", 0
                        ]
                        "kinds"

                    let cells = ((analysis.GetProperty "confusion").GetProperty "cells").GetRawText()
                    Expect.equal cells "[[0,0,1],[0,2,1]]" "confusion"
                    let image = firstImage data

                    Expect.equal
                        ((image.GetProperty "boxes").GetRawText())
                        "[[100,100,200,200,0,false,0],[700,100,200,200,0,false,-1]]"
                        "boxes"

                    Expect.equal
                        ((image.GetProperty "found").GetRawText())
                        "[[110,100,200,200,0,0.9,\"right\",0],[700,100,200,200,1,0.8,\"wrong_class\",1]]"
                        "detections"

                    Expect.isFalse (fst (image.TryGetProperty "picture")) "no picture without a folder")

            testCase "--json holds the same analysis, with all images"
            <| fun () ->
                inFolder (fun folder ->
                    write folder "a.png" "cell"
                    let path = Path.Combine(folder, "out.json")
                    let wanted = request folder null

                    run (EvaluateRequest(wanted.GroundTruth, wanted.Detections, Json = path, AtScore = Nullable 0.85))
                    |> ignore

                    use document = JsonDocument.Parse(File.ReadAllText path)
                    let analysis = document.RootElement.GetProperty "analysis"
                    let point = analysis.GetProperty "operating_point"
                    Expect.equal ((point.GetProperty "score").GetDouble()) 0.85 "score"
                    Expect.equal ((point.GetProperty "unfound").GetInt32()) 1 "unfound"

                    Expect.equal
                        ((analysis.GetProperty "images").GetRawText())
                        "[{\"image_id\":7,\"mistakes\":1,\"right\":1,\"wrong\":0,\"unfound\":1}]"
                        "images"

                    Expect.equal
                        ((analysis.GetProperty "precision_recall").GetArrayLength())
                        6
                        "mean and one class with boxes")

            testCase "pictures are embedded, scaled down"
            <| fun () ->
                inFolder (fun folder ->
                    write folder "a.png" "cell"
                    picture folder "a.png"
                    let _, data = page folder folder

                    let jpeg: byte[] = ((firstImage data).GetProperty "picture").GetBytesFromBase64()

                    use codec = SKCodec.Create(new MemoryStream(jpeg))
                    Expect.equal codec.EncodedFormat SKEncodedImageFormat.Jpeg "format"
                    Expect.equal (codec.Info.Width, codec.Info.Height) (800, 400) "size")

            testCase "no text can become markup, and all of it arrives"
            <| fun () ->
                for text in hostile do
                    inFolder (fun folder ->
                        let name = text.Replace("\u0000", "").Replace("/", "_").Replace("\\", "_")
                        write folder name text
                        let html, data = page folder null
                        Expect.equal (count "<script" html, count "</script" html) (2, 2) "script elements"
                        Expect.equal (count "<!--" html, count "<img" html) (0, 0) "comments and images"
                        let first = ((data.GetProperty "evaluation").GetProperty "per_class")[0]
                        Expect.equal ((first.GetProperty "name").GetString()) text "class"
                        Expect.equal (((firstImage data).GetProperty "file").GetString()) name "file")

            testCase "the page asks for nothing outside of itself"
            <| fun () ->
                inFolder (fun folder ->
                    write folder "a.png" "cell"
                    let html, _ = page folder null

                    Expect.equal
                        (Regex.Matches(html, "[a-z]+://[^\"' ]*") |> Seq.map _.Value |> List.ofSeq)
                        [ "http://www.w3.org/2000/svg" ]
                        "addresses"

                    Expect.stringContains html "default-src 'none'" "policy"

                    Expect.equal
                        (count "innerHTML|outerHTML|insertAdjacent|document\\.write|eval\\(" html)
                        0
                        "text never becomes markup")

            testCase "the same input gives the same page, over an older one"
            <| fun () ->
                inFolder (fun folder ->
                    write folder "a.png" "cell"
                    let first, _ = page folder null
                    let second, _ = page folder null
                    Expect.equal first second "page"
                    Expect.equal (Directory.GetFiles folder).Length 3 "no temporary file is left")

            testCase "the terminal tells the kinds of mistakes and the file"
            <| fun () ->
                inFolder (fun folder ->
                    write folder "a.png" "cell"
                    let output = run (request folder null)
                    Expect.stringContains output "\nwrong class                1           0      0.495" "a kind"
                    Expect.stringContains output "report: " "file")

            testCase "a picture that is missing leaves a note, all missing are refused"
            <| fun () ->
                inFolder (fun folder ->
                    write folder "a.png" "cell"
                    refused [ "none of the 1 images"; "a.png" ] (fun () -> run (request folder folder) |> ignore)
                    File.WriteAllText(Path.Combine(folder, "a.png"), "no picture")
                    refused [ "not a readable image" ] (fun () -> run (request folder folder) |> ignore)
                    let text = File.ReadAllText(Path.Combine(folder, "gt.json"))
                    let second = "{\"id\":8,\"file_name\":\"b.png\",\"width\":1200,\"height\":600},"

                    File.WriteAllText(
                        Path.Combine(folder, "gt.json"),
                        text.Replace("\"images\":[", "\"images\":[" + second)
                    )

                    let dt = File.ReadAllText(Path.Combine(folder, "dt.json"))

                    File.WriteAllText(
                        Path.Combine(folder, "dt.json"),
                        dt.Replace("[{", "[{\"image_id\":8,\"category_id\":1,\"bbox\":[1,1,5,5],\"score\":0.95},{")
                    )

                    picture folder "b.png"
                    let _, data = page folder folder
                    let notes = (data.GetProperty "source").GetProperty "notes"
                    Expect.stringContains (notes[0].GetString()) "1 of 2 pictures cannot be read" "note")

            testCase "a file name that leaves the folder is not followed"
            <| fun () ->
                inFolder (fun folder ->
                    let images = Directory.CreateDirectory(Path.Combine(folder, "images")).FullName
                    picture folder "secret.png"
                    write folder "../secret.png" "cell"
                    refused [ "names no file" ] (fun () -> run (request folder images) |> ignore))

            testCase "annotations without sizes and names give frames without pictures"
            <| fun () ->
                inFolder (fun folder ->
                    write folder "a.png" "cell"
                    let path = Path.Combine(folder, "gt.json")

                    let text =
                        Regex.Replace(File.ReadAllText path, "\"images\":\\[[^]]*\\]", "\"images\":[{\"id\":7}]")

                    File.WriteAllText(path, text)
                    let _, data = page folder null
                    let image = firstImage data

                    Expect.equal
                        ((image.GetProperty "width").GetInt32(), (image.GetProperty "file").GetString())
                        (0, "")
                        "image")

            testCase "nothing evaluated still makes a page"
            <| fun () ->
                inFolder (fun folder ->
                    for truth in
                        [
                            "{\"images\":[],\"categories\":[],\"annotations\":[]}"
                            "{\"images\":[{\"id\":1}],\"categories\":[{\"id\":1,\"name\":\"a\"}],\"annotations\":[]}"
                        ] do
                        File.WriteAllText(Path.Combine(folder, "gt.json"), truth)
                        File.WriteAllText(Path.Combine(folder, "dt.json"), "[]")
                        let _, data = page folder null
                        Expect.equal ((data.GetProperty "gallery").GetArrayLength()) 0 "images")

            testList
                "places are refused before anything is read"
                [
                    for name, change, parts in
                        [
                            "no image folder",
                            (fun folder -> request folder (Path.Combine(folder, "none"))),
                            [ "none: no such image folder" ]
                            "a file as image folder",
                            (fun folder -> request folder (Path.Combine(folder, "file"))),
                            [ "file: is a file"; "--images-from" ]
                            "a folder as page",
                            (fun folder -> EvaluateRequest("x", "x", Report = folder)),
                            [ "is a folder; name the HTML file" ]
                            "a page in no folder",
                            (fun folder -> EvaluateRequest("x", "x", Report = Path.Combine(folder, "none", "r.html"))),
                            [ "there is no folder" ]
                            "a page below a file",
                            (fun folder -> EvaluateRequest("x", "x", Report = Path.Combine(folder, "file", "r.html"))),
                            [ "there is no folder" ]
                            "an IoU out of range",
                            (fun _ -> EvaluateRequest("x", "x", Json = "y", AtIou = Nullable 0.01)),
                            [ "the IoU 0.01" ]
                        ] ->
                        testCase name (fun () ->
                            inFolder (fun folder ->
                                File.WriteAllText(Path.Combine(folder, "file"), "")
                                refused parts (fun () -> run (change folder) |> ignore)))
                ]
        ]
