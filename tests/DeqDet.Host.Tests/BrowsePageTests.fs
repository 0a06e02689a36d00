/// The page of `data browse`: what it says, how large it gets, and that no name becomes markup.
module DeqDet.Tests.BrowsePageTests

open System
open System.IO
open System.Text.Json
open System.Text.RegularExpressions
open Expecto
open DeqDet.Images
open DeqDet.Tests.DataFiles
open DeqDet.Tests.RunProgram

let private png width height =
    PngWriter.Encode(ReadOnlySpan(Array.init (width * height * 3) byte), width, height)

/// A data set of one part: images by name, with boxes by image and class.
let private make (folder: string) (images: string list) (classes: string list) (boxes: (int * int * string) list) =
    let file =
        {|
            images =
                images
                |> List.mapi (fun i name ->
                    {|
                        id = i
                        file_name = name
                        width = 64
                        height = 48
                    |})
            categories = classes |> List.mapi (fun i name -> {| id = i + 1; name = name |})
            annotations =
                boxes
                |> List.mapi (fun i (image, kind, _) ->
                    {|
                        id = i
                        image_id = image
                        category_id = kind
                        bbox = [ 1.0; 2.0; 20.0; 30.0 ]
                        iscrowd = 0
                    |})
        |}

    let text = JsonSerializer.Serialize file

    // boxes of their own numbers
    let text =
        boxes
        |> List.fold
            (fun (text: string) (_, _, edges) ->
                if edges = "" then
                    text
                else
                    Regex("\\[1,2,20,30\\]").Replace(text, edges, 1))
            text

    Directory.CreateDirectory(Path.Combine(folder, "annotations")) |> ignore
    File.WriteAllText(Path.Combine(folder, "annotations", "instances_train.json"), text)

    for name in images do
        let path = Path.Combine(folder, "train", name)
        Directory.CreateDirectory(Path.GetDirectoryName path) |> ignore
        File.WriteAllBytes(path, png 64 48)

let private browse (folder: string) (arguments: string list) : string * JsonElement =
    let path = Path.Combine(folder, "page.html")

    let code, said =
        run ([ "data"; "browse"; Path.Combine(folder, "data"); "--out"; path ] @ arguments)

    Expect.equal code 0 said
    let html = File.ReadAllText path

    let data =
        Regex.Match(html, "<script type=\"application/json\" id=\"data\">(.*?)</script>", RegexOptions.Singleline)

    use document = JsonDocument.Parse data.Groups[1].Value
    html, document.RootElement.Clone()

let private within (test: string -> string -> unit) =
    inFolder (fun folder -> test folder (Path.Combine(folder, "data")))

let private count (part: string) (text: string) = Regex.Matches(text, part).Count

[<Tests>]
let tests =
    testSequenced
    <| testList
        "Browse page"
        [
            testCase "images, boxes, sizes and counts are the data set's"
            <| fun () ->
                within (fun folder data ->
                    make
                        data
                        [ "a.png"; "sub/b.png"; "c.png" ]
                        [ "cat"; "dog" ]
                        [ 0, 1, "[1,2,40,46]"; 0, 2, ""; 1, 2, "" ]

                    let html, page = browse folder []
                    Expect.equal (page.GetProperty("name").GetString()) "data" "named after its folder"
                    let part = (page.GetProperty "parts")[0]

                    Expect.equal
                        [
                            for key in [ "images"; "boxes"; "empty" ] -> part.GetProperty(key).GetInt32()
                        ]
                        [ 3; 3; 1 ]
                        "the part"

                    Expect.equal
                        [
                            for kind in page.GetProperty("classes").EnumerateArray() ->
                                kind.GetProperty("name").GetString(),
                                kind.GetProperty("boxes").GetInt32(),
                                kind.GetProperty("images").GetInt32()
                        ]
                        [ "cat", 1, 1; "dog", 2, 2 ]
                        "classes"

                    let images = page.GetProperty "images"

                    Expect.equal
                        [
                            for image in images.EnumerateArray() -> image.GetProperty("file").GetString()
                        ]
                        [ "a.png"; "sub/b.png"; "c.png" ]
                        "images"

                    Expect.equal
                        [
                            for box in images[0].GetProperty("boxes").EnumerateArray() -> box.GetRawText()
                        ]
                        [ "[1,2,40,46,0,1,0]"; "[1,2,20,30,1,0,0]" ]
                        "boxes with class, size and state"

                    Expect.isTrue (images[0].TryGetProperty "picture" |> fst) "a picture"
                    Expect.stringContains html "default-src 'none'" "nothing is fetched"
                    Expect.equal (count "https?://(?!www.w3.org/2000/svg)" html) 0 "no address")

            testCase "no name becomes markup"
            <| fun () ->
                within (fun folder data ->
                    let hostile =
                        [
                            "</script><script>alert(1)</script>"
                            "<!--<script>"
                            "]]><img src=x onerror=alert(1)>"
                            "\u2028 & \" ' \\"
                            "<!--script--><!--style--><!--data-->"
                        ]

                    make data [ "a.png"; "'\"><b>.png" ] hostile [ for i in 1..5 -> 0, i, "" ]
                    let html, page = browse folder []

                    Expect.equal
                        [
                            for kind in page.GetProperty("classes").EnumerateArray() ->
                                kind.GetProperty("name").GetString()
                        ]
                        hostile
                        "the names come through as they are"

                    Expect.equal
                        (let image = (page.GetProperty "images")[1] in image.GetProperty("file").GetString())
                        "'\"><b>.png"
                        "and a file's"

                    Expect.equal (count "<script" html, count "</script>" html) (2, 2) "the page's own scripts alone"

                    for part in [ "<img"; "onerror=alert(1)>"; "<b>"; "innerHTML"; "insertAdjacentHTML" ] do
                        Expect.equal (count (Regex.Escape part) html) 0 part)

            testCase "of many images some are shown, spread over all, and counts are of all"
            <| fun () ->
                within (fun folder data ->
                    make data [ for i in 0..9 -> $"{i}.png" ] [ "cat" ] [ for i in 0..9 -> i, 1, "" ]
                    let _, page = browse folder [ "--most"; "4" ]

                    Expect.equal
                        [
                            for image in page.GetProperty("images").EnumerateArray() ->
                                image.GetProperty("file").GetString()
                        ]
                        [ "0.png"; "2.png"; "5.png"; "7.png" ]
                        "every other"

                    Expect.equal
                        (let part = (page.GetProperty "parts")[0] in part.GetProperty("images").GetInt32())
                        10
                        "all of them")

            testCase "an image that cannot be read has no picture, and the page says so"
            <| fun () ->
                within (fun folder data ->
                    make data [ "a.png"; "b.png" ] [ "cat" ] [ 0, 1, "" ]
                    File.WriteAllText(Path.Combine(data, "train", "a.png"), "no picture")
                    let _, page = browse folder []
                    let image = (page.GetProperty "images")[0]
                    Expect.isFalse (image.TryGetProperty "picture" |> fst) "empty"
                    Expect.stringContains (page.GetProperty("notes").GetRawText()) "1 picture cannot be read" "said")

            testCase "what a data check remarks stands at its image, also where training would refuse the data"
            <| fun () ->
                within (fun folder data ->
                    let outside = "[60,2,20,30]"
                    make data [ "a.png"; "b.png"; "c.png" ] [ "cat" ] [ 0, 1, outside; 1, 1, ""; 1, 1, "[1,2,-4,30]" ]
                    let _, page = browse folder []

                    let kinds =
                        [ for kind in page.GetProperty("remarks").EnumerateArray() -> kind.GetString() ]

                    let remarks =
                        [
                            for image in page.GetProperty("images").EnumerateArray() ->
                                [
                                    for remark in image.GetProperty("remarks").EnumerateArray() ->
                                        kinds[remark[0].GetInt32()]
                                ]
                        ]

                    let doubled = "image files are the same as another, byte for byte"

                    Expect.equal
                        remarks
                        [
                            [ "boxes reach beyond their images" ]
                            [ doubled ]
                            [ "images have no box"; doubled ]
                        ]
                        "image by image"

                    let notes = page.GetProperty("notes").GetRawText()
                    Expect.stringContains notes "boxes have a negative size: 1 in train" "and what is in no image")

            testCase "without an image that can be used there is no page"
            <| fun () ->
                within (fun folder data ->
                    make data [ "a.png" ] [ "cat" ] [ 0, 1, "" ]
                    let file = Path.Combine(data, "annotations", "instances_train.json")
                    File.WriteAllText(file, File.ReadAllText(file).Replace("a.png", "../a.png"))
                    let page = Path.Combine(folder, "page.html")
                    let code, said = run [ "data"; "browse"; data; "--out"; page ]
                    Expect.equal code 2 said
                    Expect.stringContains said "no image can be used; `data check` says what is wrong" "said"
                    Expect.isFalse (File.Exists page) "no page")

            testCase "a page of the same name is replaced, anything else stays"
            <| fun () ->
                within (fun folder data ->
                    make data [ "a.png" ] [ "cat" ] [ 0, 1, "" ]
                    let first, _ = browse folder []
                    let second, _ = browse folder []
                    Expect.equal second first "equal data give equal bytes"
                    let page = Path.Combine(folder, "page.html")
                    File.WriteAllText(page, "<html>mine</html>")
                    let code, said = run [ "data"; "browse"; data; "--out"; page ]
                    Expect.equal code 2 "refused"
                    Expect.stringContains said "was not written by this command" "why"
                    Expect.equal (File.ReadAllText page) "<html>mine</html>" "untouched")
        ]
