namespace DeqDet

open System
open System.IO

/// Writes a file so that its name always stands for a whole file: the old one or the new one.
[<AbstractClass; Sealed>]
type AtomicFile =

    /// Lets `write` fill a temporary file in the same folder, flushes it to the disk, and renames it to `path`. If anything fails,
    /// the temporary file is removed and the old file stays as it was.
    /// Raises InputError where the system refuses: no such folder, no permission, no space.
    static member Write(path: string, write: Action<Stream>) : unit =
        let mutable leftOver = null

        try
            try
                let full = Path.GetFullPath path

                let temporary =
                    Path.Combine(
                        Path.GetDirectoryName full |> Option.ofObj |> Option.defaultValue ".",
                        $".{Path.GetFileName full}.{Guid.NewGuid():N}.tmp"
                    )

                do
                    use stream =
                        new FileStream(temporary, FileMode.CreateNew, FileAccess.Write, FileShare.None, 1 <<< 16)

                    leftOver <- temporary
                    write.Invoke stream
                    stream.Flush true

                File.Move(temporary, full, overwrite = true)
                leftOver <- null
            with
            | :? IOException
            | :? UnauthorizedAccessException as error ->
                raise (InputError($"{path}: cannot be written: {error.Message}", error))
        finally
            if not (isNull leftOver) then
                File.Delete leftOver
