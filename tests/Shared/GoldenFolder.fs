/// The way to the golden numbers that the tests compare with.
module GoldenFolder

open System
open System.IO

/// The folder tests/golden/<name>, looked for upward from the test program's own folder; "" gives tests/golden itself.
/// Raises DirectoryNotFoundException, naming what was looked for, when no parent folder has it.
let path (name: string) : string =
    let rec upward (directory: DirectoryInfo) =
        if isNull directory then
            raise (DirectoryNotFoundException $"no parent folder of {AppContext.BaseDirectory} has tests/golden/{name}")
        else
            let candidate = Path.Combine(directory.FullName, "tests", "golden", name)

            if Directory.Exists candidate then
                candidate
            else
                upward directory.Parent

    upward (DirectoryInfo AppContext.BaseDirectory)

/// A path in the folder of golden numbers too large to be copied, beside the repository: it may be absent, and tests of it then skip.
let shared (file: string) : string =
    Path.GetFullPath(Path.Combine(path "", "..", "..", "..", "shared", "golden", file))

/// Says why tests are going to be skipped, if they are.
let sayIfAbsent () : unit =
    if not (Directory.Exists(shared "")) then
        printfn "note: there is no ../shared/golden; the tests that compare with it are ignored"
