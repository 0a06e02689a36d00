namespace DeqDet.Detection

open System
open System.Collections.Generic
open System.IO
open DeqDet

/// A file of whole lines that grows at its end. A line that cannot be written, because the disk is full, is not left there in half: it is kept,
/// and written before the next one, or by `Save`.
[<Sealed>]
type LineFile(stream: Stream, path: string) =

    /// Bytes up to the end of the last whole line.
    let mutable whole = stream.Length
    let waiting = Queue<byte[]>()

    do stream.Position <- whole

    let refused (error: exn) = raise (AtomicFile.Refused(path, error))

    let writeWaiting () =
        while waiting.Count > 0 do
            let line = waiting.Peek()

            try
                // The whole line in one write: a reader that follows the file never sees half of one.
                stream.Write(ReadOnlySpan line)
                stream.Flush()
            with
            | :? IOException
            | :? UnauthorizedAccessException as error ->
                try
                    stream.SetLength whole
                    stream.Position <- whole
                with :? IOException ->
                    // whoever opens the file next drops what is no whole line
                    ()

                refused error

            whole <- whole + int64 line.Length
            waiting.Dequeue() |> ignore

    /// Opens or makes a file. Raises InputError where the system refuses.
    static member Open(path: string) : LineFile =
        try
            new LineFile(
                new FileStream(path, FileMode.OpenOrCreate, FileAccess.Write, FileShare.Read, bufferSize = 1),
                path
            )
        with
        | :? IOException
        | :? UnauthorizedAccessException as error -> raise (AtomicFile.Refused(path, error))

    /// Appends a line, which ends with its line feed, after those that could not be written before. Raises InputError where one still cannot.
    member _.Append(line: byte[]) : unit =
        waiting.Enqueue line
        writeWaiting ()

    /// Every line that was appended is on the disk when this returns. Raises InputError where one cannot be written.
    member _.Save() : unit =
        writeWaiting ()

        match stream with
        | :? FileStream as file ->
            try
                file.Flush true
            with :? IOException as error ->
                refused error
        | _ -> stream.Flush()

    interface IDisposable with
        member _.Dispose() = stream.Dispose()
