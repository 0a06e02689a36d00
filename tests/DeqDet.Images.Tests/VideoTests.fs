/// Frames through ffmpeg: what its pipes carry, how it may end, and a real one both ways.
module DeqDet.Tests.VideoTests

open System
open System.IO
open Expecto
open DeqDet
open DeqDet.Images
open DeqDet.Tests.DataFiles
open DeqDet.Tests.FakeFfmpeg

let private source (path: string) =
    VideoSource.OfFile(FolderFile(path, path))

let private read (bytes: byte[]) =
    use stream = new MemoryStream(bytes)

    [
        while stream.Position < stream.Length do
            match Ppm.Read(stream, "v.mp4") with
            | null -> ()
            | frame -> frame.Width, frame.Height, frame.Pixels[0]
    ]

/// Opens a video of which the programs of a folder tell; gives its frames' first bytes, and why it ended.
let private frames (programs: string) (silence: Nullable<TimeSpan>) =
    let ffmpeg = Ffmpeg.Require("v.mp4", programs)
    use reader = VideoReader.Open(ffmpeg, source "v.mp4", silence)
    let seen = ResizeArray()

    try
        let mutable frame = reader.Next()

        while not (isNull (box frame)) do
            seen.Add frame.Pixels[0]
            frame <- reader.Next()

        List.ofSeq seen, ""
    with :? InputError as error ->
        List.ofSeq seen, error.Message

[<Tests>]
let tests =
    testList
        "Video"
        [
            test "frames in a pipe are read one by one, of changing sizes" {
                let bytes = Array.concat [ frame 3 2 7uy; frame 1 1 8uy; frame 5 4 9uy ]
                Expect.equal (read bytes) [ 3, 2, 7uy; 1, 1, 8uy; 5, 4, 9uy ] "all"
                Expect.equal (Ppm.Header(3, 2)) (Array.truncate 11 (frame 3 2 7uy)) "as they are written"
            }

            test "a pipe that ends within a frame, or carries something else, is an input error" {
                let whole = frame 3 2 7uy

                for length in 1 .. whole.Length - 1 do
                    Expect.stringContains
                        (inputError (fun () -> read whole[.. length - 1] |> ignore))
                        "v.mp4"
                        $"cut after {length}"

                for text in
                    [
                        "P5\n3 2\n255\n"
                        "P6\n0 2\n255\n"
                        "P6\n3 -2\n255\n"
                        "P6\n3 2\n65535\n"
                        "P6\n99999999999 2\n255\n"
                    ] do
                    Expect.stringContains
                        (inputError (fun () -> read (Text.Encoding.ASCII.GetBytes text) |> ignore))
                        "damaged"
                        text

                Expect.stringContains
                    (inputError (fun () -> read "P6\n60000 60000\n255\n"B |> ignore))
                    "60000 x 60000 pixels are more than the 100 million"
                    "a bomb is told before memory is taken"

                // any byte changed: frames of other sizes or an error, never anything else
                for at in 0..9 do
                    for value in [ 0uy; 32uy; 57uy; 255uy ] do
                        let changed = Array.copy whole
                        changed[at] <- value

                        try
                            read changed |> ignore
                        with :? InputError ->
                            ()
            }

            test "rate and length are what ffprobe says, as far as it makes sense" {
                for json, rate, frames in
                    [
                        usual, "10/1", Nullable 20L
                        // frames that come unevenly have a mean rate
                        """{"streams":[{"r_frame_rate":"90000/1","avg_frame_rate":"24/1"}],"format":{"duration":"2.5"}}""",
                        "24/1",
                        Nullable 60L
                        """{"streams":[{"r_frame_rate":"30000/1001","avg_frame_rate":"2997/100","nb_frames":"x"}]}""",
                        "30000/1001",
                        Nullable()
                        """{"streams":[{"r_frame_rate":"0/0","avg_frame_rate":"0/0","nb_frames":7}]}""",
                        "25/1",
                        Nullable()
                        """{"streams":[{"r_frame_rate":"1/0","avg_frame_rate":"15/1"}],"format":{"duration":"-1"}}""",
                        "15/1",
                        Nullable()
                        """{"streams":[{}],"format":3}""", "25/1", Nullable()
                    ] do
                    let info = VideoInfo.Parse(json, "v")
                    Expect.equal (info.Rate, info.Frames) (rate, frames) json

                for json in
                    [
                        "{}"
                        """{"streams":[]}"""
                        "[]"
                        ""
                        "{"
                        """{"streams":3}"""
                        """{"streams":[3]}"""
                    ] do
                    try
                        VideoInfo.Parse(json, "v") |> ignore
                    with :? InputError as error ->
                        Expect.stringContains error.Message "v: " json

                for cut in 1 .. usual.Length - 1 do
                    Expect.stringContains
                        (inputError (fun () -> VideoInfo.Parse(usual[.. cut - 1], "v") |> ignore))
                        "v: "
                        "cut"
            }

            test "whatever ends ffmpeg, the frames before are whole and the message says what happened" {
                inFolder (fun folder ->
                    let two = Array.append (frame 4 4 1uy) (frame 4 4 2uy)
                    let cut = Array.append two (frame 4 4 3uy |> Array.truncate 20)

                    let cases =
                        [
                            "all", two, "exit 0", [ 1uy; 2uy ], ""
                            "dies",
                            two,
                            "echo 'moov atom lost' >&2; exit 3",
                            [ 1uy; 2uy ],
                            "v.mp4: ffmpeg ended after 2 frames, before the video did (exit code 3): moov atom lost; the ones before are kept"
                            "killed", two, "kill -9 $$", [ 1uy; 2uy ], "ended after 2 frames"
                            "unplugged", cut, "exit 0", [ 1uy; 2uy ], "v.mp4: the video ends within a frame"
                            "empty", [||], "exit 0", [], "v.mp4: there is no frame in it that can be read"
                            "silent",
                            two,
                            "exec sleep 60",
                            [ 1uy; 2uy ],
                            "v.mp4: no frame came for 0.5 s, after 2 frames"
                        ]

                    for name, bytes, ending, expected, message in cases do
                        let programs = install (Path.Combine(folder, name)) usual bytes ending
                        let seen, said = frames programs (Nullable(TimeSpan.FromSeconds 0.5))
                        Expect.equal seen expected name

                        if message = "" then
                            Expect.equal said "" name
                        else
                            Expect.stringContains said message name

                    let programs =
                        install (Path.Combine(folder, "sound")) """{"streams":[]}""" two "exit 0"

                    Expect.stringContains
                        (inputError (fun () -> frames programs (Nullable()) |> ignore))
                        "there are no moving pictures in it"
                        "sound alone")
            }

            test "without ffmpeg the message says how to get it" {
                inFolder (fun folder ->
                    let said = inputError (fun () -> Ffmpeg.Require("v.mp4", folder) |> ignore)
                    Expect.stringContains said "v.mp4: videos, cameras and streams are read through ffmpeg" "what for"
                    Expect.stringContains said "apt-get install ffmpeg" "how")
            }

            test "an ffmpeg that cannot write says why, and nobody waits for it" {
                inFolder (fun folder ->
                    let programs = install folder usual [||] "exit 0"

                    File.WriteAllText(
                        Path.Combine(folder, "ffmpeg"),
                        "#!/bin/sh\ncase \"$*\" in *-encoders*) ;; *) echo 'No space left' >&2; exit 1 ;; esac\n"
                    )

                    let ffmpeg = Ffmpeg.Require("v.mp4", programs)
                    let picture = RgbImage(Array.zeroCreate (640 * 480 * 3), 640, 480)
                    use writer = new VideoWriter(ffmpeg, "out.mp4", "10/1", 640, 480)

                    let said =
                        inputError (fun () ->
                            for _ in 1..50 do
                                writer.Add picture

                            writer.Complete())

                    Expect.stringContains said "out.mp4: ffmpeg cannot write the video: No space left" "why")
            }

            test "a real ffmpeg: what is written is read again, frame by frame, whatever the file is called" {
                match Ffmpeg.Find() with
                | null -> skiptest "this machine has no ffmpeg: apt-get install ffmpeg"
                | ffmpeg ->
                    inFolder (fun folder ->
                        let path = Path.Combine(folder, "-a b's 中 %03d.mp4")
                        let level i = byte (20 * i)

                        using (new VideoWriter(ffmpeg, path, "30000/1001", 63, 47)) (fun writer ->
                            for i in 1..8 do
                                // odd sides, and a frame of another size
                                let w, h = if i = 5 then 31, 40 else 63, 47

                                writer.Add(
                                    RgbImage(Array.create (w * h * 3) (level i), w, h),
                                    (if i = 8 then 3 else 1)
                                )

                            writer.Complete())

                        use reader = VideoReader.Open(ffmpeg, source path)
                        Expect.equal reader.Info.Rate "30000/1001" "the rate"

                        let levels =
                            [
                                for _ in 1..10 do
                                    let frame = reader.Next()
                                    Expect.equal (frame.Width, frame.Height) (64, 48) "even sides"
                                    int frame.Pixels[3 * (24 * 64 + 32)]
                            ]

                        for found, i in List.zip levels [ 1; 2; 3; 4; 5; 6; 7; 8; 8; 8 ] do
                            Expect.isLessThan (abs (found - int (level i))) 6 $"frame {i}"

                        Expect.isNull (box (reader.Next())) "no more"
                        File.WriteAllText(path, "no video at all")

                        Expect.stringContains
                            (inputError (fun () -> VideoReader.Open(ffmpeg, source path).Dispose()))
                            "cannot be opened as a video"
                            "something else")
            }
        ]
