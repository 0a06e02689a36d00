/// Lines of metrics and a disk that is full from time to time.
module DeqDet.Tests.LineFileTests

open System
open System.IO
open System.Text
open Expecto
open FsCheck
open FsCheck.FSharp
open DeqDet
open DeqDet.Detection
open DeqDet.Tests.SettingsFiles

/// A file in memory with room for so many bytes; of a write that does not fit, what fits is written.
type private Disk() =
    inherit Stream()
    let content = new MemoryStream()
    member val Room = Int64.MaxValue with get, set
    member _.Text = Encoding.UTF8.GetString(content.ToArray())

    override _.CanRead = false
    override _.CanSeek = true
    override _.CanWrite = true
    override _.Length = content.Length

    override _.Position
        with get () = content.Position
        and set value = content.Position <- value

    override disk.Write(buffer: ReadOnlySpan<byte>) =
        let fits = int (max 0L (min (disk.Room - content.Position) (int64 buffer.Length)))
        content.Write(buffer.Slice(0, fits))

        if fits < buffer.Length then
            raise (IOException("No space left on device", 28))

    override disk.Write(buffer: byte[], offset: int, count: int) =
        disk.Write(ReadOnlySpan(buffer, offset, count))

    override _.Flush() = ()
    override _.SetLength length = content.SetLength length
    override _.Read(_: byte[], _: int, _: int) = raise (NotSupportedException())
    override _.Seek(offset, origin) = content.Seek(offset, origin)

let private line (number: int) =
    Encoding.UTF8.GetBytes(String.replicate (number % 7) "x" + $"{number}\n")

let private wanted (count: int) =
    String.concat "" [ for i in 1..count -> Encoding.UTF8.GetString(line i) ]

[<Tests>]
let tests =
    testList
        "Line file"
        [
            testProperty
                "whatever room there is when, lines are whole and in order, and none is lost once there is room"
            <| Prop.forAll (Arb.fromGen (Gen.listOf (Gen.choose (0, 200)))) (fun rooms ->
                use disk = new Disk()
                use file = new LineFile(disk, "metrics.jsonl")

                for i, room in List.indexed rooms do
                    disk.Room <- int64 room
                    let all = wanted (i + 1)

                    try
                        file.Append(line (i + 1))
                        Expect.equal disk.Text all "all lines"
                    with :? InputError as error ->
                        expectParts error.Message [ "metrics.jsonl"; "no space is left" ]
                        let written = disk.Text
                        Expect.isTrue (all.StartsWith written && written.Length < all.Length) "the first lines"
                        Expect.isTrue (written = "" || written.EndsWith '\n') "whole lines"

                disk.Room <- Int64.MaxValue
                file.Save()
                Expect.equal disk.Text (wanted rooms.Length) "at the end")

            testCase "what still cannot be written is refused when everything has to be on the disk"
            <| fun () ->
                use disk = new Disk()
                use file = new LineFile(disk, "metrics.jsonl")
                disk.Room <- 1L
                complaint (fun () -> file.Append(line 5)) |> ignore
                expectParts (complaint (fun () -> file.Save())) [ "metrics.jsonl"; "no space is left" ]

            testCase "a file that is there is continued"
            <| fun () ->
                withFiles [ "a.jsonl", "1\n" ] (fun folder ->
                    let path = Path.Combine(folder, "a.jsonl")

                    using (LineFile.Open path) (fun file ->
                        file.Append(line 2)
                        file.Save()
                        Expect.equal (File.ReadAllText path) ("1\n" + "xx2\n") "while it is open")

                    expectParts
                        (complaint (fun () -> LineFile.Open(Path.Combine(folder, "none", "a.jsonl"))))
                        [ "a.jsonl"; "there is no folder" ])
        ]
