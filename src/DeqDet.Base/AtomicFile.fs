namespace DeqDet

open System
open System.IO
open System.Text.RegularExpressions

/// Writes a file so that its name always stands for a whole file: the old one or the new one.
[<AbstractClass; Sealed>]
type AtomicFile =

    // A temporary file is .NAME.32-DIGITS.tmp; of a long name only the start, since systems allow 255 bytes.
    static let temporaryName = Regex(@"^\..*\.[0-9a-f]{32}\.tmp$", RegexOptions.Singleline)
    static let mostOfName = 48

    // While it is written it is locked. On Unix so that readers may open it, for it has its name before it is closed; on Windows so that
    // it can still be renamed.
    static let writersShare =
        if OperatingSystem.IsWindows() then
            FileShare.Delete
        else
            FileShare.Read

    // No space (28 on Unix), quota (122 on Linux, 69 on macOS); ERROR_DISK_FULL and ERROR_HANDLE_DISK_FULL on Windows.
    static let isFull (error: exn) =
        error :? IOException
        && List.contains error.HResult [ 28; 122; 69; 0x80070070; 0x80070027 ]

    static let refused (path: string) (reason: string) (error: exn) =
        InputError($"{path}: cannot be written: {reason}", error)

    /// The regular file that `path` stands for: a link leads to its target, so that the link stays one.
    static let target (path: string) : string =
        let full =
            try
                Path.GetFullPath path
            with :? ArgumentException as error ->
                raise (refused path "this is no file name" error)

        let full =
            match FileInfo(full).LinkTarget with
            | null -> full
            | _ -> File.ResolveLinkTarget(full, returnFinalTarget = true).FullName

        if Path.GetFileName full = "" || Directory.Exists full then
            raise (refused path "this is a folder; name a file" null)

        // Renaming a file over a device would take the device away from the whole system.
        let isUnder (folder: string) =
            full.StartsWith(folder, StringComparison.Ordinal)

        if isUnder "/proc/" || isUnder "/dev/" && not (isUnder "/dev/shm/") then
            raise (refused path "this is a device, which cannot be replaced by a whole file; name a file" null)

        full

    static let reason (path: string) (temporary: string) (error: exn) =
        let folder = Path.GetDirectoryName(Path.GetFullPath temporary)

        let shown =
            match Path.GetDirectoryName path with
            | null
            | "" -> folder
            | part -> part

        if isFull error then
            $"no space is left for it in {shown}; make room, or name a file on another disk"
        elif File.Exists folder then
            $"{shown} is a file, not a folder"
        elif not (Directory.Exists folder) then
            $"there is no folder {shown}; make it first, or name another"
        else
            match error with
            | :? UnauthorizedAccessException when not (File.Exists temporary) -> $"no permission to write in {shown}"
            | :? PathTooLongException -> "its name is longer than the system allows"
            | _ -> error.Message.Replace(temporary, path)

    /// Where the temporary file of a file lies: in the same folder, so that it can be renamed.
    static let temporaryOf (full: string) : string =
        let name = Path.GetFileName full
        let start = name[.. min name.Length mostOfName - 1]
        Path.Combine(Path.GetDirectoryName full, $".{start}.{Guid.NewGuid():N}.tmp")

    static let remove (file: string) =
        try
            File.Delete file
        with
        | :? IOException
        | :? UnauthorizedAccessException -> ()

    /// The refusal of the system to write a file, in words: no such folder, no permission, no space.
    static member Refused(path: string, error: exn) : InputError =
        refused path (reason path path error) error

    /// Lets `write` fill a temporary file in the same folder, writes it through to the disk, and renames it to `path`. If anything
    /// fails, the temporary file is removed and the old file stays as it was.
    /// Raises InputError where the system refuses: no such folder, no permission, no space.
    static member Write(path: string, write: Action<Stream>) : unit =
        let mutable temporary = path
        let mutable leftOver = false

        try
            try
                let full = target path
                temporary <- temporaryOf full

                use stream =
                    new FileStream(temporary, FileMode.CreateNew, FileAccess.Write, writersShare, 1 <<< 16)

                leftOver <- true
                write.Invoke stream
                stream.Flush true
                // Still open, and so locked: RemoveStale never takes it away from under the renaming.
                File.Move(temporary, full, overwrite = true)
                leftOver <- false
                FolderEntries.flush (Path.GetDirectoryName full)
            with
            | :? IOException
            | :? UnauthorizedAccessException as error -> raise (refused path (reason path temporary error) error)
        finally
            if leftOver then
                remove temporary

    /// Gives a whole file a second name, which stands for the same content from then on, also when the first name is given to another
    /// file: a hard link, which takes no space, or a copy where there are none. A file that has the second name already is replaced as
    /// `Write` does it. Raises InputError where the system refuses.
    static member AlsoAs(path: string, second: string) : unit =
        let full = target second
        let temporary = temporaryOf full

        if HardLink.tryMake (target path) temporary then
            try
                try
                    File.Move(temporary, full, overwrite = true)
                    FolderEntries.flush (Path.GetDirectoryName full)
                with
                | :? IOException
                | :? UnauthorizedAccessException as error ->
                    raise (refused second (reason second temporary error) error)
            finally
                // renaming does nothing where both names are the same file's already
                remove temporary
        else
            AtomicFile.Write(
                second,
                fun stream ->
                    use file = File.OpenRead path
                    file.CopyTo stream
            )

    /// Removes the temporary files that interrupted writes (a killed process, a loss of power) have left in a folder: files named as
    /// `Write` names them that nobody is writing at the moment. Everything else stays. What may not be removed is left, too.
    /// Gives the names of the removed files, in ordinal order; none where there is no such folder.
    static member RemoveStale(folder: string) : string[] =
        let isUnused (file: string) =
            try
                use _ = new FileStream(file, FileMode.Open, FileAccess.ReadWrite, FileShare.None)

                true
            with
            | :? IOException
            | :? UnauthorizedAccessException -> false

        let files =
            try
                Directory.GetFiles(folder, ".*.tmp", EnumerationOptions(AttributesToSkip = FileAttributes.None))
            with
            | :? IOException
            | :? UnauthorizedAccessException -> [||]

        files
        |> Array.filter (fun file -> temporaryName.IsMatch(Path.GetFileName file) && isUnused file)
        |> Array.filter (fun file ->
            remove file
            not (File.Exists file))
        |> Array.map Path.GetFileName
        |> Array.sortWith (fun a b -> String.CompareOrdinal(a, b))
