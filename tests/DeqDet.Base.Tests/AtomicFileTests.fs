module DeqDet.Tests.AtomicFileTests

open System
open System.IO
open Expecto
open FsCheck
open FsCheck.FSharp
open DeqDet
open DeqDet.Tests.FullDisk

let private inFolder (test: string -> unit) =
    let folder = Directory.CreateTempSubdirectory("deqdet-atomic-").FullName

    try
        test folder
    finally
        Directory.Delete(folder, recursive = true)

let private write (path: string) (bytes: byte[]) =
    AtomicFile.Write(path, (fun stream -> stream.Write(ReadOnlySpan bytes)))

/// The message with which a write is refused: it names the path as given and shows nothing of the temporary file.
let private refusal (path: string) (action: Stream -> unit) : string =
    try
        AtomicFile.Write(path, action)
        failtestf "%s was written" path
    with :? InputError as error ->
        Expect.stringStarts error.Message $"{path}: cannot be written: " "it names the file"
        Expect.isFalse (error.Message.Contains ".tmp") $"the temporary name in: {error.Message}"
        error.Message

let private nothing (_: Stream) = ()

let private failures =
    testList
        "a write that fails"
        [
            testCase "for want of space, at any byte, leaves the old file and nothing else" (fun () ->
                inFolder (fun folder ->
                    let path = Path.Combine(folder, "a")

                    let leavesAllAsItWas (before: NonEmptyArray<byte>) (pieces: NonEmptyArray<NonEmptyArray<byte>>) =
                        write path before.Get
                        let length = pieces.Get |> Array.sumBy _.Get.Length

                        for room in 0 .. length - 1 do
                            let message =
                                refusal path (fun stream ->
                                    use full = new FullDisk(stream, room)

                                    for piece in pieces.Get do
                                        full.Write(ReadOnlySpan piece.Get))

                            Expect.stringContains message "no space is left" "why"
                            Expect.equal (File.ReadAllBytes path) before.Get "the old file"
                            Expect.equal (Directory.GetFileSystemEntries folder) [| path |] "nothing else"

                        AtomicFile.Write(
                            path,
                            fun stream ->
                                use exact = new FullDisk(stream, length)

                                for piece in pieces.Get do
                                    exact.Write(ReadOnlySpan piece.Get)
                        )

                        File.ReadAllBytes path =
                            Array.collect (fun (piece: NonEmptyArray<byte>) -> piece.Get) pieces.Get

                    Check.One(Config.QuickThrowOnFailure.WithMaxTest 30, leavesAllAsItWas)))

            testCase
                "by an exception of another kind leaves no temporary file, and the exception comes through"
                (fun () ->
                    inFolder (fun folder ->
                        let path = Path.Combine(folder, "a")

                        Expect.throwsT<InvalidOperationException>
                            (fun () -> AtomicFile.Write(path, (fun _ -> raise (InvalidOperationException()))))
                            "raised"

                        Expect.isEmpty (Directory.GetFileSystemEntries folder) "nothing is left"))

            testCase "says what is wrong with the place" (fun () ->
                inFolder (fun folder ->
                    let file = Path.Combine(folder, "file")
                    let none = Path.Combine(folder, "none")
                    File.WriteAllText(file, "")

                    for path, expected in
                        [
                            Path.Combine(none, "a"), $"there is no folder {none}"
                            Path.Combine(file, "a"), $"{file} is a file, not a folder"
                            folder, "this is a folder"
                            folder + "/", "this is a folder"
                            "", "no file name"
                            "a\000b", "no file name"
                            Path.Combine(folder, String('x', 300)), "longer than the system allows"
                        ] do
                        Expect.stringContains (refusal path nothing) expected path))

            testCase "for want of permission names the folder" (fun () ->
                // The superuser may write anywhere but into what the kernel itself keeps.
                if OperatingSystem.IsLinux() && Directory.Exists "/sys/kernel" then
                    let message = refusal "/sys/kernel/a" nothing

                    Expect.isTrue
                        (message.Contains "no permission to write in /sys/kernel"
                         || message.Contains "Read-only file system")
                        message)

            testCase "because the name stands for a device leaves the device" (fun () ->
                if not (OperatingSystem.IsWindows()) then
                    inFolder (fun folder ->
                        let link = Path.Combine(folder, "link")
                        File.CreateSymbolicLink(link, "/dev/null") |> ignore

                        for path in [ "/dev/null"; link ] do
                            Expect.stringContains (refusal path nothing) "is a device" path))
        ]

let private successes =
    testList
        "a write that succeeds"
        [
            testCase "replaces the old file, and only then" (fun () ->
                inFolder (fun folder ->
                    let path = Path.Combine(folder, "a")
                    write path [| 1uy |]

                    AtomicFile.Write(
                        path,
                        fun stream ->
                            stream.Write(ReadOnlySpan [| 2uy; 3uy |])
                            stream.Flush()

                            Expect.equal
                                (File.ReadAllBytes path)
                                [| 1uy |]
                                "the old file, while the new one is written"
                    )

                    Expect.equal (File.ReadAllBytes path) [| 2uy; 3uy |] "the new file"
                    Expect.equal (Directory.GetFileSystemEntries folder) [| path |] "nothing else"))

            testCase "takes a name of any length that the system takes, in any script" (fun () ->
                inFolder (fun folder ->
                    for name in
                        [
                            String('x', 255)
                            String('\u4e2d', 85)
                            String.replicate 63 "\U0001F600"
                            ".tmp"
                        ] do
                        let path = Path.Combine(folder, name)
                        write path [| 7uy |]
                        Expect.equal (File.ReadAllBytes path) [| 7uy |] name
                        File.Delete path

                    Expect.isEmpty (Directory.GetFileSystemEntries folder) "nothing else"))

            testCase "follows a link, which stays one" (fun () ->
                if not (OperatingSystem.IsWindows()) then
                    inFolder (fun folder ->
                        let there = Directory.CreateDirectory(Path.Combine(folder, "there")).FullName
                        let link = Path.Combine(folder, "link")
                        File.CreateSymbolicLink(link, Path.Combine("there", "a")) |> ignore
                        write link [| 1uy |]
                        write link [| 2uy |]
                        Expect.equal (File.ReadAllBytes(Path.Combine(there, "a"))) [| 2uy |] "the target"
                        Expect.isNotNull (FileInfo(link).LinkTarget) "the link"))

            testCase "is at every moment a file that can be read, whole" (fun () ->
                // on Windows a file that is being read cannot be replaced
                if not (OperatingSystem.IsWindows()) then
                    inFolder (fun folder ->
                        let path = Path.Combine(folder, "a")
                        write path (Array.create 1000 0uy)

                        let writing =
                            Threading.Tasks.Task.Run(fun () ->
                                for i in 1..100 do
                                    write path (Array.create 1000 (byte i)))

                        let mutable reads = 0

                        while not writing.IsCompleted do
                            let read = File.ReadAllBytes path
                            reads <- reads + 1
                            Expect.hasLength read 1000 "all of it"
                            Expect.hasLength (Array.distinct read) 1 "of one writing"

                        writing.Wait()
                        Expect.isGreaterThan reads 1 "read on the way"))
        ]

let private secondNames =
    let contents (folder: string) =
        Map
            [
                for file in Directory.GetFiles folder -> Path.GetFileName file, List.ofArray (File.ReadAllBytes file)
            ]

    testList
        "a second name"
        [
            testCase "stays with the content when the first one is given to another file" (fun () ->
                inFolder (fun folder ->
                    let path, second = Path.Combine(folder, "a"), Path.Combine(folder, "b")
                    write path [| 1uy |]
                    AtomicFile.AlsoAs(path, second)
                    Expect.equal (contents folder) (Map [ "a", [ 1uy ]; "b", [ 1uy ] ]) "both"
                    // nothing is left over where both are the same file already
                    AtomicFile.AlsoAs(path, second)
                    Expect.equal (contents folder) (Map [ "a", [ 1uy ]; "b", [ 1uy ] ]) "both, once more"
                    write path [| 2uy |]
                    Expect.equal (contents folder) (Map [ "a", [ 2uy ]; "b", [ 1uy ] ]) "the first is new"
                    AtomicFile.AlsoAs(path, second)
                    Expect.equal (contents folder) (Map [ "a", [ 2uy ]; "b", [ 2uy ] ]) "the second is replaced"))

            testCase "of a link is one of the file that it leads to" (fun () ->
                if not (OperatingSystem.IsWindows()) then
                    inFolder (fun folder ->
                        let path, link, second =
                            Path.Combine(folder, "a"), Path.Combine(folder, "link"), Path.Combine(folder, "b")

                        write path [| 1uy |]
                        File.CreateSymbolicLink(link, "a") |> ignore
                        AtomicFile.AlsoAs(link, second)
                        write link [| 2uy |]
                        Expect.equal (contents folder) (Map [ "a", [ 2uy ]; "link", [ 2uy ]; "b", [ 1uy ] ]) "files"))

            testCase "on another disk is a copy" (fun () ->
                // Linux has a file system in memory there
                if Directory.Exists "/dev/shm" then
                    inFolder (fun folder ->
                        let path = Path.Combine(folder, "a")
                        let second = Path.Combine("/dev/shm", $"deqdet-{Guid.NewGuid():N}")
                        write path [| 1uy; 2uy |]

                        try
                            AtomicFile.AlsoAs(path, second)
                            Expect.equal (File.ReadAllBytes second) [| 1uy; 2uy |] "its content"
                        finally
                            File.Delete second))

            testCase "that cannot be given says why, and leaves nothing" (fun () ->
                inFolder (fun folder ->
                    let path = Path.Combine(folder, "a")
                    let second = Path.Combine(folder, "none", "b")
                    write path [| 1uy |]

                    let message =
                        try
                            AtomicFile.AlsoAs(path, second)
                            failtest "was given"
                        with :? InputError as error ->
                            error.Message

                    Expect.stringContains message "there is no folder" "why"
                    Expect.equal (contents folder) (Map [ "a", [ 1uy ] ]) "nothing else"))
        ]

let private leftOvers =
    let digits = "0123456789abcdef0123456789abcdef"

    testList
        "what interrupted writes have left"
        [
            testCase "is removed, and nothing else" (fun () ->
                inFolder (fun folder ->
                    let make (name: string) =
                        File.WriteAllText(Path.Combine(folder, name), "half")

                    let stale = [| $".a.{digits}.tmp"; $".latest.safetensors.{digits}.tmp" |]

                    let others =
                        [|
                            $".a.{digits}.tmp2"
                            $".a.{digits[1..]}.tmp"
                            ".hidden.tmp"
                            $"a.{digits}.tmp"
                            $"{digits}.tmp"
                            "latest.safetensors"
                            "notes.tmp"
                        |]

                    Array.iter make (Array.append stale others)
                    Directory.CreateDirectory(Path.Combine(folder, $".b.{digits}.tmp")) |> ignore
                    Expect.equal (AtomicFile.RemoveStale folder) stale "removed"

                    Expect.equal
                        (Directory.GetFileSystemEntries folder
                         |> Array.map Path.GetFileName
                         |> Array.sort)
                        (Array.append others [| $".b.{digits}.tmp" |] |> Array.sort)
                        "left"

                    Expect.isEmpty (AtomicFile.RemoveStale folder) "once more"))

            testCase "does not include what is being written" (fun () ->
                inFolder (fun folder ->
                    let path = Path.Combine(folder, "a")

                    AtomicFile.Write(
                        path,
                        fun stream ->
                            stream.Write(ReadOnlySpan [| 1uy |])
                            Expect.isEmpty (AtomicFile.RemoveStale folder) "while it is written"
                            stream.Write(ReadOnlySpan [| 2uy |])
                            Expect.hasLength (Directory.GetFileSystemEntries folder) 1 "it is there"
                    )

                    Expect.equal (File.ReadAllBytes path) [| 1uy; 2uy |] "whole"))

            testCase "is nothing in a folder that does not exist" (fun () ->
                inFolder (fun folder ->
                    Expect.isEmpty (AtomicFile.RemoveStale(Path.Combine(folder, "none"))) "nothing"))
        ]

[<Tests>]
let tests = testList "atomic file" [ failures; successes; secondNames; leftOvers ]
