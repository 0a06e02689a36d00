namespace DeqDet.Detection

open System
open System.Buffers.Binary
open System.Collections.Generic
open System.IO
open Google.Protobuf
open Tensorboard
open DeqDet

/// Event files as TensorBoard reads them: records of the length of an event (8 bytes, little-endian), its checksum (4), the event, its
/// checksum (4).
module EventFile =

    /// An event of a training has less than a hundred bytes; a longer length is none.
    let private longest = 1L <<< 20

    /// The whole records at the start of a file: where each ends, and its event. What comes after the first that is not whole is left out.
    let private records (bytes: byte[]) : (int * Event) list =
        let rec next (at: int) (found: (int * Event) list) =
            if bytes.Length - at < 16 then
                found
            else
                let length = BinaryPrimitives.ReadInt64LittleEndian(ReadOnlySpan(bytes, at, 8))

                if length < 0L || length > longest || int64 (bytes.Length - at - 16) < length then
                    found
                else
                    let last = at + 16 + int length

                    match
                        (try
                            Some(Event.Parser.ParseFrom(bytes, at + 12, int length))
                         with :? InvalidProtocolBufferException ->
                             None)
                    with
                    | Some event -> next last ((last, event) :: found)
                    | None -> found

        List.rev (next 0 [])

    /// The event files of a folder, the oldest first: their names begin with the time.
    let ofFolder (folder: string) : string list =
        if Directory.Exists folder then
            Directory.GetFiles(folder, "events.out.tfevents.*")
            |> Array.sortWith (fun a b -> String.CompareOrdinal(a, b))
            |> List.ofArray
        else
            []

    /// Takes events out of a file for which `keep` does not hold, and what is no whole event at its end, as a killed writer leaves it. Raises
    /// InputError where the file cannot be written.
    let cut (keep: Event -> bool) (path: string) : unit =
        let bytes = File.ReadAllBytes path
        let records = records bytes
        let starts = 0 :: List.map fst records

        let kept =
            [
                for start, (last, event) in List.zip (List.truncate records.Length starts) records do
                    if keep event then
                        start, last
            ]

        if kept |> List.sumBy (fun (start, last) -> last - start) < bytes.Length then
            AtomicFile.Write(
                path,
                fun stream ->
                    for start, last in kept do
                        stream.Write(bytes, start, last - start)
            )
