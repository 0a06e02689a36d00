/// `detect` on everything that can be looked at, and on what goes wrong on the way: what was done is kept, and the message says what happened.
module DeqDet.Tests.DetectSourcesTests

open System
open System.IO
open System.Text.Json
open Expecto
open DeqDet
open DeqDet.CommandLine
open DeqDet.Detection
open DeqDet.Host.Commands
open DeqDet.Tests.DataFiles
open DeqDet.Tests.FakeFfmpeg
open DeqDet.Tests.SolvingTests

let private request (work: string) (out: string) (places: string list) : DetectRequest =
    {
        Checkpoint = Some work
        Images = Array.ofList places
        Out = out
        Tiles = None
        Overlap = 0.2
        Formats = [||]
        Threshold = Some 0.0
        Solver =
            {
                Scheme = None
                Steps = None
                Tolerance = None
                BudgetMs = None
            }
        WarmStart = false
        Refinement = false
        Precision = None
        Device = DeviceChoice.Cpu
        Tf32 = false
        Threads = None
        Ema = false
    }

/// Runs it; gives what it said, and its last word where it raised.
let private detect (programs: string) (list: string) (request: DetectRequest) =
    use output = new StringWriter()
    use input = new StringReader(list)

    let console =
        Spectre.Console.AnsiConsole.Create(
            Spectre.Console.AnsiConsoleSettings(Out = Spectre.Console.AnsiConsoleOutput output)
        )

    let last =
        try
            DetectCommand.Run(request, console, input, output, programs) |> string
        with :? InputError as error ->
            error.Message

    output.ToString(), last

let private results (out: string) =
    use json = JsonDocument.Parse(File.ReadAllText(Path.Combine(out, "results.json")))
    json.RootElement.Clone()

let private list (element: JsonElement) (key: string) =
    List.ofSeq (element.GetProperty(key).EnumerateArray())

let private texts (element: JsonElement) (key: string) =
    match element.TryGetProperty key with
    | true, found ->
        [
            for entry in found.EnumerateArray() ->
                (if entry.ValueKind = JsonValueKind.String then
                     entry
                 else
                     entry.GetProperty "file_name")
                    .GetString()
        ]
    | _ -> []

/// The lines of a video's log.
let private lines (path: string) =
    [
        for line in File.ReadAllLines path ->
            use json = JsonDocument.Parse line
            json.RootElement.Clone()
    ]

[<Tests>]
let tests =
    testSequenced
    <| testList
        "Detect sources"
        [
            testCase "images, videos and lists together: each has its results, and what fails takes nothing with it"
            <| fun () ->
                withModel [] (fun work images ->
                    inFolder (fun folder ->
                        let place (name: string) = Path.Combine(folder, name)
                        let picture = Directory.GetFiles(images)[0]
                        let mixed = place "mixed ü 中"
                        Directory.CreateDirectory mixed |> ignore

                        for name in [ "10.png"; "9.png"; "b'c $(x).png" ] do
                            File.Copy(picture, Path.Combine(mixed, name))

                        File.WriteAllBytes(Path.Combine(mixed, "bomb.png"), bombPng)
                        File.WriteAllText(Path.Combine(mixed, "broken.jpg"), "no picture")
                        File.WriteAllText(Path.Combine(mixed, "clip.mp4"), "its frames come from the program")

                        let two = Array.append (frame 40 30 90uy) (frame 40 30 200uy)
                        let programs = install (place "bin") usual two "echo 'lost it' >&2; exit 1"
                        let out = place "out"
                        let said, last = detect programs (mixed + "\n") (request work out [ "-" ])

                        // the images, in natural order
                        let json = results out

                        Expect.equal
                            [ for file in texts json "images" -> Path.GetFileName file ]
                            [ "9.png"; "10.png"; "b'c $(x).png" ]
                            "looked at"

                        Expect.equal
                            [ for file in texts json "missing" -> Path.GetFileName file ]
                            [ "bomb.png"; "broken.jpg" ]
                            "named"

                        Expect.stringContains
                            said
                            "40000 x 40000 pixels are more than the 100 million"
                            "told by its header"

                        for image in list json "images" do
                            Expect.isTrue
                                (File.Exists(Path.Combine(out, image.GetProperty("picture").GetString())))
                                "a picture"

                        // the video, which ended early
                        let all = lines (Path.Combine(out, "clip.jsonl"))
                        let head, frames = all.Head, all.Tail
                        Expect.stringEnds (head.GetProperty("video").GetString()) "clip.mp4" "its first line"

                        Expect.equal
                            [ for frame in frames -> frame.GetProperty("time").GetDouble() ]
                            [ 0.0; 0.1 ]
                            "both frames"

                        Expect.all frames (fun frame -> not (list frame "detections").IsEmpty) "with what was found"
                        Expect.isGreaterThan (FileInfo(Path.Combine(place "bin", "written")).Length) 1000L "drawn"
                        Expect.stringContains said "ended early" "said when it happened"
                        Expect.stringContains said "lost it" "and why"
                        Expect.stringContains last "3 of 6 sources could not be used; the first: " "at the end"
                        Expect.stringContains said "each step: " "times"

                        // again, into the same folder: its own files are replaced, others are not
                        File.WriteAllText(Path.Combine(out, "9-2.png"), "mine")
                        File.Copy(picture, Path.Combine(place "mixed ü 中", "9.jpg"))
                        let _, again = detect programs "" (request work out [ mixed ])
                        Expect.stringContains again "3 of 7 sources" "the same and one more"
                        Expect.equal (File.ReadAllText(Path.Combine(out, "9-2.png"))) "mine" "somebody else's stays"
                        Expect.isTrue (File.Exists(Path.Combine(out, "9-3.png"))) "its name goes on"

                        Expect.equal
                            (Directory.GetFiles(out, "clip*") |> Array.length)
                            1
                            "the same name for the video's lines"

                        // without ffmpeg the images are done all the same, and a video alone is refused at once
                        let none = place "nothing"
                        Directory.CreateDirectory none |> ignore
                        let _, without = detect none "" (request work (place "out2") [ mixed ])
                        Expect.stringContains without "3 of 7 sources" "the video is one of them"
                        Expect.hasLength (list (results (place "out2")) "images") 4 "images"
                        let clip = Path.Combine(mixed, "clip.mp4")
                        let _, refused = detect none "" (request work (place "out3") [ clip ])
                        Expect.stringContains refused "apt-get install ffmpeg" "what to do"
                        Expect.isFalse (Directory.Exists(place "out3")) "before anything is made"

                        let labels =
                            { request work (place "out3") [ clip ] with
                                Formats = [| ResultFormat.Yolo |]
                            }

                        Expect.stringContains (snd (detect programs "" labels)) "--format" "labels are of images"

                        // a folder that is a file
                        File.WriteAllText(place "file", "")
                        let _, taken = detect programs "" (request work (place "file") [ picture ])
                        Expect.stringContains taken "--out" "named"))

            testCase "refinement: a page and a moving picture for each image, which a second run replaces"
            <| fun () ->
                for assignments in [ []; [ "kind=adamixer"; "head.stages=2" ] ] do
                    withModel assignments (fun work images ->
                        inFolder (fun folder ->
                            let place (name: string) = Path.Combine(folder, name)
                            let mixed = place "ü 中 #1"
                            Directory.CreateDirectory mixed |> ignore

                            for number, name in List.indexed [ "a b.png"; "中 %41.png" ] do
                                File.Copy(
                                    (Directory.GetFiles images |> Array.sort)[number],
                                    Path.Combine(mixed, name)
                                )

                            let out = place "out"

                            let followed =
                                { request work out [ mixed ] with
                                    Refinement = true
                                }

                            Directory.CreateDirectory out |> ignore
                            File.WriteAllText(Path.Combine(out, "a b.refinement.html"), "mine")

                            let names () =
                                [
                                    for path in
                                        Directory.GetFiles out
                                        |> Array.sortWith (fun a b -> String.CompareOrdinal(a, b)) ->
                                        Path.GetFileName path
                                ]

                            let said, last = detect "" "" followed
                            Expect.equal last "0" said

                            let expected =
                                [
                                    "a b-2.png"
                                    "a b-2.refinement.html"
                                    "a b-2.refinement.webp"
                                    "a b.refinement.html"
                                    "gallery.html"
                                    "results.json"
                                    "中 %41.png"
                                    "中 %41.refinement.html"
                                    "中 %41.refinement.webp"
                                ]

                            Expect.equal (names ()) expected "files"

                            Expect.equal
                                (File.ReadAllText(Path.Combine(out, "a b.refinement.html")))
                                "mine"
                                "not ours"

                            Expect.stringContains said "中 %41.refinement.html" "the page is named"

                            let text = File.ReadAllText(Path.Combine(out, "a b-2.refinement.html"))
                            Expect.stringContains text "a b-2.refinement.webp" "the moving picture is named"

                            Expect.stringContains
                                (File.ReadAllText(Path.Combine(out, "gallery.html")))
                                "a b-2.refinement.html"
                                "the page of all leads there"

                            let found run =
                                [
                                    for found in list (results run) "annotations" ->
                                        found.GetProperty("query").GetInt32(), found.GetProperty("bbox").GetRawText()
                                ]

                            let before = found out

                            if assignments.IsEmpty then
                                Expect.equal (snd (detect "" "" followed)) "0" "again"
                                Expect.equal (names ()) expected "its own files are replaced"

                            // what is found does not depend on being followed
                            let plain = request work (place "plain") [ mixed ]
                            Expect.equal (snd (detect "" "" plain)) "0" "done"
                            Expect.equal (List.map fst before) (List.map fst (found plain.Out)) "the same queries"

                            // a video is refused before anything is made
                            File.WriteAllText(Path.Combine(mixed, "clip.mp4"), "a video")

                            let refused = { followed with Out = place "none" }

                            Expect.stringContains (snd (detect "" "" refused)) "clip.mp4" "named"
                            Expect.isFalse (Directory.Exists refused.Out) "nothing was made"))

            testCase "where nothing is named, the detector and the pictures that come with the program are looked at"
            <| fun () ->
                inFolder (fun folder ->
                    let out = Path.Combine(folder, "found")

                    let said, last =
                        detect
                            ""
                            ""
                            { request "" out [] with
                                Checkpoint = None
                                Threshold = None
                            }

                    Expect.equal last "0" said
                    Expect.hasLength (list (results out) "images") 3 "pictures"
                    Expect.isGreaterThan (list (results out) "annotations").Length 8 "and many things in them"

                    for part in [ "no checkpoint is named"; "gallery.html"; "detect --refinement"; "train" ] do
                        Expect.stringContains said part "what it is, and what to do next"

                    // by its name, wherever a checkpoint is named
                    let picture =
                        (list (results out) "images").Head.GetProperty("file_name").GetString()

                    let again =
                        request CarriedWeights.Shapes (Path.Combine(folder, "again")) [ picture ]

                    Expect.equal (snd (detect "" "" again)) "0" "named")

            testCase "tiles: an image has the reports of all its tiles, and boxes in its own pixels"
            <| fun () ->
                withModel [] (fun work images ->
                    inFolder (fun folder ->
                        let picture = Directory.GetFiles(images)[0]
                        let image = Images.ImageFile.Load(picture, Nullable())

                        let tiled size =
                            { request work (Path.Combine(folder, $"{size}")) [ picture ] with
                                Tiles = Some size
                                Overlap = 0.25
                            }

                        let small = tiled 64
                        Expect.equal (snd (detect "" "" small)) "0" "done"
                        let json = results small.Out
                        let queries = 6

                        let tiles =
                            (Tiling.tiles { Size = 64; Overlap = 0.25 } image.Width image.Height).Length + 1

                        let steps = list ((list json "images").Head.GetProperty "refinement") "query_steps"
                        Expect.equal steps.Length (tiles * queries) "and of the whole picture"

                        for found in list json "annotations" do
                            Expect.isLessThan (found.GetProperty("query").GetInt32()) (tiles * queries) "one of them"

                        // a tile that holds all of it changes nothing
                        let large = tiled 4096
                        Expect.equal (snd (detect "" "" large)) "0" "done"

                        let plain =
                            { request work (Path.Combine(folder, "plain")) [ picture ] with
                                Tiles = None
                            }

                        Expect.equal (snd (detect "" "" plain)) "0" "done"

                        let text out =
                            [
                                for found in list (results out) "annotations" ->
                                    found.GetProperty("query").GetInt32(),
                                    found.GetProperty("category_id").GetInt32(),
                                    found.GetProperty("bbox").GetRawText(),
                                    found.GetProperty("score").GetDouble()
                            ]
                            |> List.sort

                        Expect.equal (text large.Out) (text plain.Out) "the same"))
        ]
