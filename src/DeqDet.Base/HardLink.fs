namespace DeqDet

open System
open System.Runtime.InteropServices

/// Second names of files.
module HardLink =

    [<DllImport("libc", EntryPoint = "link", SetLastError = true)>]
    extern int private link(string existing, string name)

    [<DllImport("kernel32", EntryPoint = "CreateHardLinkW", CharSet = CharSet.Unicode, SetLastError = true)>]
    extern bool private createHardLink(string name, string existing, nativeint attributes)

    /// Gives a file a further name, which must be free. False where the system refuses: not every file system has such names, and none
    /// leads to another disk.
    let tryMake (existing: string) (name: string) : bool =
        try
            if OperatingSystem.IsWindows() then
                createHardLink (name, existing, 0n)
            else
                link (existing, name) = 0
        with
        | :? DllNotFoundException
        | :? EntryPointNotFoundException -> false
