/// A file system of a few MiB in memory, which can be filled up and made read-only.
module DeqDet.Tests.SmallDisk

open System
open System.Diagnostics
open System.IO
open Expecto

let private run (program: string) (arguments: string list) : bool =
    try
        let start = ProcessStartInfo(program, arguments)
        start.RedirectStandardError <- true
        use started = Process.Start start
        started.StandardError.ReadToEnd() |> ignore
        started.WaitForExit()
        started.ExitCode = 0
    with :? System.ComponentModel.Win32Exception ->
        false

/// Mounted on a folder of its own until it is disposed.
type SmallDisk private (folder: string) =
    let ballast = Path.Combine(folder, "ballast")

    static member private TryMount(bytes: int64) : SmallDisk option =
        let folder = Directory.CreateTempSubdirectory("deqdet-disk-").FullName

        if
            OperatingSystem.IsLinux()
            && run "mount" [ "-t"; "tmpfs"; "-o"; $"size={bytes}"; "none"; folder ]
        then
            Some(new SmallDisk(folder))
        else
            Directory.Delete folder
            None

    /// Runs a test on a disk of so many bytes; skips it where this process may mount none.
    static member With (bytes: int64) (test: SmallDisk -> unit) : unit =
        match SmallDisk.TryMount bytes with
        | Some disk -> using disk test
        | None -> skiptest "needs the right to mount a file system: run it as root on Linux"

    /// Its topmost folder.
    member _.Folder: string = folder

    /// Fills it up until so many bytes are left, whole pages of 4,096.
    member disk.LeaveOnly(bytes: int64) : unit =
        disk.MakeRoom()

        use file =
            new FileStream(ballast, FileMode.Create, FileAccess.Write, FileShare.None, 0)

        let rest = max 0L (DriveInfo(folder).AvailableFreeSpace - bytes)
        let page = Array.zeroCreate<byte> 4096

        try
            for _ in 1L .. (rest + 4095L) / 4096L do
                file.Write(page, 0, page.Length)
        with :? IOException ->
            // somebody else writes at the same time
            ()

    /// Frees it again.
    member _.MakeRoom() : unit = File.Delete ballast

    /// Makes it read-only, or writable again. Nobody may have a file of it open.
    member _.SetReadOnly(readOnly: bool) : unit =
        let mode = if readOnly then "ro" else "rw"
        Expect.isTrue (run "mount" [ "-o"; $"remount,{mode}"; folder ]) mode

    interface IDisposable with
        member _.Dispose() =
            run "umount" [ "-l"; folder ] |> ignore
            Directory.Delete folder
