namespace DeqDet

open System
open System.IO
open System.Runtime.InteropServices
open Microsoft.Win32.SafeHandles

/// A folder as a file of its own: the list of its entries.
module internal FolderEntries =

    [<DllImport("libc", EntryPoint = "open", SetLastError = true)>]
    extern int private openToRead(string path, int flags)

    /// Writes the entries of a folder to the disk, so that a renaming outlasts a loss of power. .NET opens no folders, hence the
    /// system's own function. Windows writes entries by itself; a folder that may not be read is left to the system, too.
    let flush (folder: string) : unit =
        if not (OperatingSystem.IsWindows()) then
            let descriptor = openToRead (folder, 0)

            if descriptor >= 0 then
                use handle = new SafeFileHandle(nativeint descriptor, ownsHandle = true)
                RandomAccess.FlushToDisk handle
