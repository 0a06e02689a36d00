/// Programs in the place of ffmpeg and ffprobe, so that what they do wrong can be tried on every machine.
module DeqDet.Tests.FakeFfmpeg

open System
open System.IO
open System.Text
open Expecto

/// A frame of one colour as it goes through the pipe.
let frame (width: int) (height: int) (level: byte) : byte[] =
    [|
        yield! Encoding.ASCII.GetBytes $"P6\n{width} {height}\n255\n"
        yield! Array.create (width * height * 3) level
    |]

/// What ffprobe says of a video of ten frames a second.
let usual =
    """{"streams":[{"r_frame_rate":"10/1","avg_frame_rate":"10/1","nb_frames":"20"}],"format":{"duration":"2.0"}}"""

let private script (path: string) (lines: string list) =
    File.WriteAllText(path, String.Join("\n", "#!/bin/sh" :: lines) + "\n")

    File.SetUnixFileMode(path, UnixFileMode.UserRead ||| UnixFileMode.UserWrite ||| UnixFileMode.UserExecute)

/// Puts both programs into a folder, which is a search path then. `probe`: what ffprobe prints. `frames`: the bytes of the frames that ffmpeg
/// gives. `reading`: what its shell does after them. An ffmpeg that is to write keeps what it is given in a file beside it, `written`.
let install (folder: string) (probe: string) (frames: byte[]) (reading: string) : string =
    if OperatingSystem.IsWindows() then
        skiptest "the programs in ffmpeg's place are shell scripts"

    Directory.CreateDirectory folder |> ignore
    let file (name: string) = Path.Combine(folder, name)
    let json, bytes, written = file "probe.json", file "frames", file "written"
    File.WriteAllText(json, probe)
    File.WriteAllBytes(bytes, frames)
    script (file "ffprobe") [ $"cat '{json}'" ]

    script
        (file "ffmpeg")
        [
            "case \"$*\" in"
            "*-encoders*) echo ' V..... mpeg4 ' ;;"
            $"*pipe:0*) cat > '{written}' ;;"
            $"*) cat '{bytes}'; {reading} ;;"
            "esac"
        ]

    folder
