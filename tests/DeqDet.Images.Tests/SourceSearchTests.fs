/// What a user means by files, folders, patterns, videos, cameras, streams and lists of them.
module DeqDet.Tests.SourceSearchTests

open System
open System.IO
open System.Numerics
open System.Text.RegularExpressions
open Expecto
open DeqDet.Images
open DeqDet.Tests.DataFiles

let private write (folder: string) (names: string list) =
    for name in names do
        let path = Path.Combine(folder, name)
        Directory.CreateDirectory(Path.GetDirectoryName path) |> ignore
        File.WriteAllBytes(path, [| 1uy |])

let private find (places: string list) (list: string) =
    use list = new StringReader(list)
    SourceSearch.Find(Array.ofList places, list)

/// Names of few letters and many digits, so that numbers of all lengths meet.
let private name (random: Random) =
    String [| for _ in 0 .. random.Next 7 -> "ab./0019"[random.Next 8] |]

/// What the natural order says, the slow way: pieces that are numbers or single characters.
let private pieces (text: string) =
    [
        for piece in Regex.Matches(text, "[0-9]+|.") ->
            if Char.IsAsciiDigit piece.Value[0] then
                // a number stands where its digits do among the characters
                Choice1Of2(BigInteger.Parse piece.Value)
            else
                Choice2Of2 piece.Value[0]
    ]

let rec private slow a b =
    match a, b with
    | [], [] -> 0
    | [], _ -> -1
    | _, [] -> 1
    | x :: a, y :: b ->
        let order =
            match x, y with
            | Choice1Of2 m, Choice1Of2 n -> compare m n
            | Choice1Of2 _, Choice2Of2 letter -> compare '5' letter
            | Choice2Of2 letter, Choice1Of2 _ -> compare letter '5'
            | Choice2Of2 p, Choice2Of2 q -> compare p q

        if order <> 0 then order else slow a b

/// A pattern as a regular expression over paths with '/'.
let private expression (pattern: string) =
    let part (text: string) =
        let dot = if text.StartsWith '.' then "" else @"(?!\.)"

        let letters =
            text
            |> Seq.map (function
                | '*' -> "[^/]*"
                | '?' -> "[^/]"
                | letter -> Regex.Escape(string letter))

        dot + String.Concat letters

    let parts = pattern.Split '/'

    let rec all =
        function
        | [] -> ""
        | [ "**" ] -> @"(?:(?!\.)[^/]+/)*(?!\.)[^/]+"
        | "**" :: rest -> @"(?:(?!\.)[^/]+/)*" + all rest
        | [ last ] -> part last
        | first :: rest -> part first + "/" + all rest

    Regex("^" + all (List.ofArray parts) + "$", RegexOptions.Singleline)

[<Tests>]
let tests =
    testList
        "sources that a user names"
        [
            testProperty "the natural order is that of numbers and characters, and tells all names apart"
            <| fun (seed: int) ->
                let random = Random seed
                let a, b, c = name random, name random, name random

                let order (x: string) (y: string) =
                    sign (NaturalOrder.Instance.Compare(x, y))

                match sign (slow (pieces a) (pieces b)) with
                | 0 -> Expect.equal (order a b) (sign (String.CompareOrdinal(a, b))) $"{a} {b}: only zeros differ"
                | expected -> Expect.equal (order a b) expected $"{a} {b}"

                Expect.equal (order a b) (-(order b a)) "either way round"
                Expect.equal (order a b = 0) (a = b) "equal names alone"

                if order a b <= 0 && order b c <= 0 then
                    Expect.isLessThanOrEqual (order a c) 0 $"{a} {b} {c}"

            test "frame2 comes before frame10" {
                let names = [ "frame10"; "frame2"; "frame02"; "frame1b"; "frame"; "Frame3"; "f/1" ]

                Expect.equal
                    (List.sortWith (fun a b -> NaturalOrder.Instance.Compare(a, b)) names)
                    [ "Frame3"; "f/1"; "frame"; "frame1b"; "frame02"; "frame2"; "frame10" ]
                    "in order"
            }

            test "patterns mean what the same regular expressions mean" {
                inFolder (fun folder ->
                    let names =
                        [
                            for place in [ ""; "a/"; "a/b/"; "ab/"; ".h/"; "a/.h/"; "a b/ü/" ] do
                                for name in [ "1.png"; "12.png"; "a.jpg"; ".d.png"; "b+c.png"; "中.png" ] ->
                                    place + name
                        ]

                    write folder names

                    for pattern in
                        [
                            "*.png"
                            "?.png"
                            "**/*.png"
                            "**"
                            "a/**"
                            "a/**/1*"
                            "*/*.png"
                            "a*/?.png"
                            "**/b/*"
                            ".h/*"
                            "**/.*"
                            "b+c.*"
                            "a b/*/中.???"
                            "x*"
                        ] do
                        let found =
                            [
                                for file in Glob.Files(Path.Combine(folder, pattern)) ->
                                    Path.GetRelativePath(folder, file).Replace('\\', '/')
                            ]

                        let expected = names |> List.filter (expression pattern).IsMatch
                        Expect.equal (List.sort found) (List.sort expected) pattern)
            }

            test "a pattern goes through links by a part of its own alone, and never in circles" {
                inFolder (fun folder ->
                    write folder [ "a/1.png" ]

                    Directory.CreateSymbolicLink(Path.Combine(folder, "a", "loop"), folder)
                    |> ignore

                    let count (pattern: string) =
                        (Glob.Files(Path.Combine(folder, pattern))).Count

                    Expect.equal (count "**/*.png") 1 "by any number of folders"
                    Expect.equal (count "a/*/a/*.png") 1 "by name")
            }

            test "cameras and streams have names, and their passwords stay hidden" {
                let of' text = VideoSource.OfName text

                for text, kind, name, stem in
                    [
                        "camera:0", VideoKind.Camera, "camera:0", "camera-0"
                        "camera:My Webcam", VideoKind.Camera, "camera:My Webcam", "camera-My-Webcam"
                        "/dev/video12", VideoKind.Camera, "/dev/video12", "camera-12"
                        "rtsp://me:secret@door.local/live?x=1",
                        VideoKind.Stream,
                        "rtsp://door.local/live?x=1",
                        "door.local-live"
                        "HTTP://host:8080/a/b.m3u8", VideoKind.Stream, "HTTP://host:8080/a/b.m3u8", "host-8080-a-b.m3u8"
                    ] do
                    let source = of' text
                    Expect.equal (source.Kind, source.Name, source.Stem) (kind, name, stem) text
                    Expect.isTrue source.IsLive "live"

                for source, said, told in
                    [
                        of' "camera:7",
                        "[video4linux2,v4l2 @ 0x55e6a0] Cannot open video device /dev/video7",
                        "Cannot open video device /dev/video7"
                        of' "rtsp://me:secret@h/x", "rtsp://me:secret@h/x: refused", "rtsp://h/x: refused"
                    ] do
                    Expect.equal (source.Told said) told "what ffmpeg says of it"

                for text in [ "photo.jpg"; "a:b"; "/dev/video"; "/dev/videos/1"; "c:\\x.mp4"; "" ] do
                    Expect.isNull (box (of' text)) text

                Expect.stringContains (inputError (fun () -> of' "ftp://a/b" |> ignore)) "rtsp, rtsps" "what is read"

                Expect.stringContains
                    (inputError (fun () -> of' "camera:" |> ignore))
                    "camera:0"
                    "a camera has a number"
            }

            test "ffmpeg gets each source as arguments of its own, and files by a prefix that ends its own reading" {
                let input text windows mac =
                    let source =
                        match VideoSource.OfName text with
                        | null -> VideoSource.OfFile(FolderFile(text, text))
                        | live -> live

                    List.ofSeq (source.Input(windows, mac))

                for text, windows, mac, expected in
                    [
                        "-x;$(y) a.mp4",
                        false,
                        false,
                        [ "-protocol_whitelist"; "file,crypto,data"; "-i"; "file:-x;$(y) a.mp4" ]
                        "camera:1", false, false, [ "-f"; "v4l2"; "-i"; "/dev/video1" ]
                        "camera:1", false, true, [ "-f"; "avfoundation"; "-framerate"; "30"; "-i"; "1" ]
                        "camera:Cam", true, false, [ "-f"; "dshow"; "-i"; "video=Cam" ]
                        "rtsp://a:b@h/x", false, false, [ "-rtsp_transport"; "tcp"; "-i"; "rtsp://a:b@h/x" ]
                        "udp://@:1234", false, false, [ "-i"; "udp://@:1234" ]
                    ] do
                    Expect.equal (input text windows mac) expected text
            }

            test "folders may hold images and videos, lists everything, and nothing comes twice" {
                inFolder (fun folder ->
                    let place (name: string) = Path.Combine(folder, name)

                    write
                        folder
                        [
                            "10.jpg"
                            "9.jpg"
                            "clip.MP4"
                            "sub/b c.mkv"
                            "notes.txt"
                            "only/a.mov"
                            "none/x.txt"
                        ]

                    let relative (files: string seq) =
                        [ for file in files -> Path.GetRelativePath(folder, file).Replace('\\', '/') ]

                    let found = find [ folder ] ""
                    Expect.equal (relative found.Images) [ "9.jpg"; "10.jpg" ] "images"

                    Expect.equal
                        (relative [ for video in found.Videos -> video.Name ])
                        [ "clip.MP4"; "only/a.mov"; "sub/b c.mkv" ]
                        "videos"

                    let ten, all, only = place "10.jpg", place "*.jpg", place "only"
                    let list = $"  {ten} \n\n{all}\r\n{only}\ncamera:0\n/dev/video0"
                    let found = find [ place "9.jpg"; "-" ] list
                    Expect.equal (relative found.Images) [ "9.jpg"; "10.jpg" ] "once each"
                    Expect.equal [ for video in found.Videos -> video.Stem ] [ "a"; "camera-0" ] "and videos"

                    for places, list, message in
                        [
                            [ place "none" ], "", "no images or videos in this folder"
                            [ place "*.gif" ], "", "no image or video fits this pattern"
                            [ place "gone.jpg" ], "", "no such image, video or folder"
                            [ "-" ], "\n \n", "the list on standard input is empty"
                            [ "-" ], "a\n-\n", "names itself"
                            [ "-" ], String('x', 5000), "line 1 is no path"
                            [ "-" ], "a\u0000b", "is no path"
                        ] do
                        Expect.stringContains (inputError (fun () -> find places list |> ignore)) message $"{places}")
            }
        ]
