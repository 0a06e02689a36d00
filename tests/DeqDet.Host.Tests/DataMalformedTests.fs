/// What the program says to malformed annotation and results files: one line that names the record, and exit code 2.
module DeqDet.Tests.DataMalformedTests

open System
open System.IO
open System.Text
open Expecto
open DeqDet.Host
open DeqDet.Images
open DeqDet.Tests.DataFiles
open DeqDet.Tests.SettingsFiles

let private utf8 (text: string) = Encoding.UTF8.GetBytes text

let private image =
    """{"id": 1, "file_name": "a.png", "width": 100, "height": 50}"""

let private categories = """{"id": 7, "name": "late"}, {"id": 3, "name": "early"}"""

let private document (images: string list) (boxes: string list) =
    let list (entries: string list) = String.concat ", " entries
    $"""{{"images": [{list images}], "annotations": [{list boxes}], "categories": [{categories}]}}"""

/// A good box with one part of it replaced.
let private altered (part: string) (by: string) =
    let good =
        """{"id": 5, "image_id": 1, "category_id": 3, "bbox": [1, 2, 3, 4], "area": 12, "iscrowd": 0}"""

    utf8 (document [ image ] [ good.Replace(part, by) ])

let private named (name: string) =
    utf8 (document [ image.Replace("a.png", name) ] [])

let private sized (width: string) =
    utf8 (document [ image.Replace("100", width) ] [])

let private good = altered "\"id\": 5" "\"id\": 5"

let private notUtf8 =
    let bytes = utf8 (document [ image.Replace("a.png", "~.png") ] [])
    bytes[Array.IndexOf(bytes, byte '~')] <- 0xFFuy
    bytes

let private twice (entries: string) (text: string) =
    text.Replace(entries, $"{entries}, {entries}")

/// Name, bytes, words of the message.
let private annotations: (string * byte[] * string list) list =
    [
        "not JSON", utf8 "hello", []
        "empty", [||], [ "empty" ]
        "truncated", good[..90], [ "truncated" ]
        "a list instead of an object", utf8 "[1, 2]", [ "results file" ]
        "no images", utf8 """{"annotations": [], "categories": []}""", [ "images" ]
        "images as an object", utf8 """{"images": {"id": 1}}""", [ "\"images\" has to be a list" ]
        "invalid UTF-8", notUtf8, [ "UTF-8" ]
        "deep nesting", altered "[1, 2, 3, 4]" (String('[', 100_000)), [ "nested deeper than 64" ]
        "no box", altered "\"bbox\"" "\"box\"", [ "annotations[0]"; "bbox" ]
        "no image_id", altered "image_id" "image", [ "annotations[0]"; "image_id" ]
        "no category_id", altered "category_id" "class", [ "annotations[0]"; "category_id" ]
        "a box that is NaN", altered "[1, 2, 3" "[1, 2, NaN", [ "annotations[0]"; "NaN" ]
        "a box beyond all numbers", altered "[1, 2, 3" "[1, 2, 1e999", [ "annotations[0]"; "finite" ]
        "a string box", altered "[1, 2, 3, 4]" "\"1,2,3,4\"", [ "annotations[0]"; "bbox" ]
        "a box of strings", altered "[1, 2" "[\"1\", 2", [ "annotations[0]"; "bbox" ]
        "a box of three numbers", altered "[1, 2, 3, 4]" "[1, 2, 3]", [ "annotations[0]"; "3 entries" ]
        "a negative size", altered "[1, 2, 3, 4]" "[10, 2, -3, 4]", [ "annotations[0]"; "(id 5)"; "-3" ]
        "an unknown image", altered "\"image_id\": 1" "\"image_id\": 99", [ "annotations[0]"; "image 99" ]
        "an unknown category", altered "\"category_id\": 3" "\"category_id\": 4", [ "annotations[0]"; "category 4" ]
        "doubled annotation ids",
        utf8 (
            document [ image ] (List.replicate 2 """{"id": 5, "image_id": 1, "category_id": 3, "bbox": [1, 2, 3, 4]}""")
        ),
        [ "annotations[1]"; "(id 5)" ]
        "doubled image ids", utf8 (document [ image; image ] []), [ "images[1]"; "1" ]
        "doubled category ids", utf8 (twice categories (document [ image ] [])), [ "categories[2]"; "7" ]
    ]

/// Malformed in what training reads and the evaluation has no need of.
let private images: (string * byte[] * string list) list =
    [
        "empty lists", utf8 """{"images": [], "annotations": [], "categories": []}""", [ "images" ]
        "no file name", utf8 (document [ """{"id": 1, "width": 4, "height": 4}""" ] []), [ "images[0]"; "file_name" ]
        "an empty file name", named "", [ "images[0]"; "file_name" ]
        "a way out of the folder", named "../secret.png", [ "images[0]"; "../secret.png"; "leaves" ]
        "a hidden way out", named "a/../../secret.png", [ "images[0]"; ".."; "leaves" ]
        "a way out and in again", named "../a.png/../x/a.png", [ "images[0]"; ".."; "leaves" ]
        "a Windows way out", named """..\\secret.png""", [ "images[0]"; "leaves" ]
        "a mixed way out", named """a/..\\../secret.png""", [ "images[0]"; "leaves" ]
        "an absolute path", named "/etc/passwd", [ "images[0]"; "absolute" ]
        "a share", named """\\\\server\\x.png""", [ "images[0]"; "absolute" ]
        "a drive", named "C:/secret.png", [ "images[0]"; "absolute" ]
        "a drive's own folder", named "C:secret.png", [ "images[0]"; "absolute" ]
        "control characters", named "a\\u0000.png", [ "images[0]"; "control characters" ]
        "no width", utf8 (document [ """{"id": 1, "file_name": "a.png", "height": 4}""" ] []), [ "images[0]"; "width" ]
        "a string width", sized "\"100\"", [ "images[0]"; "width" ]
        "a size of zero", sized "0", [ "images[0]"; "0 x 50" ]
        "a negative size of an image", sized "-100", [ "images[0]"; "-100 x 50" ]
        "a size of a billion", sized "1000000000", [ "images[0]"; "1000000000" ]
        "a size beyond 64 bits", sized "1e300", [ "images[0]"; "width" ]
    ]

let private detection (part: string) (by: string) =
    let good =
        """{"image_id": 1, "category_id": 3, "bbox": [1, 2, 3, 4], "score": 0.5}"""

    utf8 $"[{good}, {good.Replace(part, by)}]"

let private results: (string * byte[] * string list) list =
    [
        "an annotation file", good, [ "annotation file" ]
        "empty", [||], [ "empty" ]
        "truncated", (detection "0.5" "0.5")[..90], [ "detections[1]"; "truncated" ]
        "a NaN score", detection "0.5" "NaN", [ "detections[1]"; "NaN" ]
        "an infinite score", detection "0.5" "1e999", [ "detections[1]"; "finite" ]
        "no score", detection "score" "confidence", [ "detections[1]"; "score" ]
        "a string box", detection "[1, 2, 3, 4]" "\"1 2 3 4\"", [ "detections[1]"; "bbox" ]
        "an unknown image", detection "\"image_id\": 1" "\"image_id\": 2", [ "detections[1]"; "image 2" ]
        "deep nesting", detection "[1, 2, 3, 4]" (String('[', 100_000)), [ "nested deeper than 64" ]
        "invalid UTF-8", Array.append (detection "0.5" "0.5") [| 0xC3uy |], [ "UTF-8" ]
    ]

/// Runs the program as its user does; the exit code and what went to the error output. For sequenced tests: the console is everybody's.
let run (arguments: string list) : int * string =
    let error, output = Console.Error, Console.Out
    use written = new StringWriter()
    use ignored = new StringWriter()

    try
        Console.SetError written
        Console.SetOut ignored
        let code = Program.Main(Array.ofList arguments)
        code, written.ToString()
    finally
        Console.SetError error
        Console.SetOut output

let private refused (words: string list) (file: string) (arguments: string list) =
    let code, message = run arguments
    let what = $"{List.head arguments}: {message}"
    Expect.equal code 2 what
    Expect.equal (message.TrimEnd('\n').Split('\n').Length) 1 $"one line: {what}"
    Expect.stringStarts message "error: " what
    expectParts message (file :: words)

/// Writes a data folder with one good picture and these annotations for both parts; `action` gets the folder and the file.
let private inDataFolder (bytes: byte[]) (action: string -> string -> unit) =
    inFolder (fun folder ->
        Directory.CreateDirectory(Path.Combine(folder, "pictures")) |> ignore

        let picture =
            PngWriter.Encode(ReadOnlySpan(Array.zeroCreate<byte>(100 * 50 * 3)), 100, 50)

        File.WriteAllBytes(Path.Combine(folder, "pictures", "a.png"), picture)
        let file = Path.Combine(folder, "all.json")
        File.WriteAllBytes(file, bytes)
        action folder file)

/// The default training made tiny, on such a folder.
let private training (folder: string) =
    [
        "train"
        config "shapes"
        "--data"
        folder
        "--work-dir"
        Path.Combine(folder, "work")
        for setting in
            [
                "data.shapes=null"
                "data.train.images=pictures"
                "data.train.annotations=all.json"
                "data.val.images=pictures"
                "data.val.annotations=all.json"
                "backbone.width=8"
                "head.channels=32"
                "head.feed_forward=32"
                "queries.count=8"
            ] do
            "--set"
            setting
    ]

[<Tests>]
let tests =
    testSequenced
    <| testList
        "malformed data"
        [
            testList
                "annotations are refused by train and evaluate"
                [
                    for name, bytes, words in annotations ->
                        testCase name (fun () ->
                            inDataFolder bytes (fun folder file ->
                                refused words file (training folder)
                                Expect.isFalse (Directory.Exists(Path.Combine(folder, "work"))) "nothing was written"
                                let detections = Path.Combine(folder, "dt.json")
                                File.WriteAllText(detections, "[]")
                                refused words file [ "evaluate"; "--ground-truth"; file; "--detections"; detections ]))
                ]

            testList
                "images are refused by train"
                [
                    for name, bytes, words in images ->
                        testCase name (fun () ->
                            inDataFolder bytes (fun folder file -> refused words file (training folder)))
                ]

            testList
                "detections are refused by evaluate"
                [
                    for name, bytes, words in results ->
                        testCase name (fun () ->
                            inDataFolder good (fun folder file ->
                                let detections = Path.Combine(folder, "dt.json")
                                File.WriteAllBytes(detections, bytes)

                                refused
                                    words
                                    detections
                                    [ "evaluate"; "--ground-truth"; file; "--detections"; detections ]))
                ]

            testCase "a detection of negative size is evaluated and said, and refused where that is asked for"
            <| fun () ->
                inDataFolder good (fun folder file ->
                    let detections = Path.Combine(folder, "dt.json")
                    File.WriteAllBytes(detections, detection "3, 4]" "-3, 4]")
                    let json = Path.Combine(folder, "out.json")

                    let evaluate =
                        [
                            "evaluate"
                            "--ground-truth"
                            file
                            "--detections"
                            detections
                            "--json"
                            json
                        ]

                    let code, message = run evaluate
                    Expect.equal code 0 message

                    Expect.stringContains
                        (File.ReadAllText json)
                        "1 detection has a box of negative width or height"
                        "the note"

                    refused [ "detections[1]"; "negative size" ] detections (evaluate @ [ "--strict" ]))

            testCase "a trained model's test refuses them too"
            <| fun () ->
                inDataFolder good (fun folder file ->
                    let code, message = run (training folder @ [ "--max-steps"; "1" ])
                    Expect.equal code 0 message
                    let work = Path.Combine(folder, "work")

                    // Every program reads them in the same place; a few of both kinds will do.
                    let some =
                        annotations @ images |> List.indexed |> List.filter (fun (i, _) -> i % 8 = 5)

                    for _, (_, bytes, words) in some do
                        File.WriteAllBytes(file, bytes)
                        refused words file [ "test"; work ])

            testCase "a damaged image ends a training with its name"
            <| fun () ->
                inDataFolder good (fun folder _ ->
                    let picture = Path.Combine(folder, "pictures", "a.png")
                    File.WriteAllBytes(picture, (File.ReadAllBytes picture)[..60])
                    refused [] picture (training folder)
                    let left = Directory.GetFiles(Path.Combine(folder, "work"), "*.safetensors*")
                    Expect.isEmpty left "no checkpoint, whole or half")
        ]
