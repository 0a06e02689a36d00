/// A disk without space.
module DeqDet.Tests.FullDisk

open System
open System.IO

/// A disk that is full after so many bytes: what still fits is written.
type FullDisk(target: Stream, room: int64) =
    inherit Stream()
    let mutable left = room

    override _.CanRead = false
    override _.CanSeek = true
    override _.CanWrite = true
    override _.Length = target.Length

    override _.Position
        with get () = target.Position
        and set value = target.Position <- value

    override _.Write(buffer: ReadOnlySpan<byte>) =
        let fits = int (min left (int64 buffer.Length))
        target.Write(buffer.Slice(0, fits))
        left <- left - int64 fits

        if fits < buffer.Length then
            raise (IOException("No space left on device", 28))

    override this.Write(buffer: byte[], offset: int, count: int) =
        this.Write(ReadOnlySpan(buffer, offset, count))

    override _.Flush() = target.Flush()
    override _.Read(_: byte[], _: int, _: int) = raise (NotSupportedException())
    override _.Seek(offset, origin) = target.Seek(offset, origin)
    override _.SetLength _ = raise (NotSupportedException())
