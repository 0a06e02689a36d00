/// Which folder a run writes into, and that it has it for itself.
module DeqDet.Tests.RunFolderTests

open System
open System.IO
open Expecto
open DeqDet.Checkpoints
open DeqDet.Detection
open DeqDet.Tests.SettingsFiles

/// Runs a test in a new current folder, as numbered work folders lie below it.
let private inCurrent (test: string -> unit) =
    let before = Environment.CurrentDirectory
    let folder = Directory.CreateTempSubdirectory("deqdet-folder-").FullName

    try
        Environment.CurrentDirectory <- folder
        test folder
    finally
        Environment.CurrentDirectory <- before
        Directory.Delete(folder, true)

let private dispose (taken: FolderLock) = (taken :> IDisposable).Dispose()

let private touch (path: string) =
    Directory.CreateDirectory(Path.GetDirectoryName path) |> ignore
    File.WriteAllText(path, "{}\n")

[<Tests>]
let tests =
    testSequenced
    <| testList
        "Run folder"
        [
            testCase "runs that start together get folders of their own"
            <| fun () ->
                inCurrent (fun _ ->
                    use first = RunFolder.ofNew None "shapes"
                    use second = RunFolder.ofNew None "shapes"
                    use third = RunFolder.ofNew None "shapes"

                    let names =
                        [ for taken in [ first; second; third ] -> Path.GetFileName taken.Folder.Path ]

                    Expect.equal names [ "shapes"; "shapes-2"; "shapes-3" ] "names")

            testCase "many threads at once never share a folder"
            <| fun () ->
                inCurrent (fun _ ->
                    let taken = Array.Parallel.init 12 (fun _ -> RunFolder.ofNew None "shapes")

                    let paths = taken |> Array.map _.Folder.Path |> Array.distinct
                    Array.iter dispose taken
                    Expect.equal paths.Length 12 "different folders")

            testCase "a folder that another run holds is refused, and says who has it"
            <| fun () ->
                inCurrent (fun _ ->
                    use _ = RunFolder.ofNew (Some "mine") ""
                    let message = complaint (fun () -> RunFolder.ofNew (Some "mine") "" |> dispose)
                    expectParts message [ "mine"; $"process {Environment.ProcessId}"; "--work-dir" ])

            testCase "a lock goes with its owner: the folder can be taken again"
            <| fun () ->
                inCurrent (fun _ ->
                    let first = RunFolder.ofNew (Some "mine") ""
                    touch first.Folder.Latest
                    dispose first
                    use again = RunFolder.ofResumed None (WorkFolder.at "mine").Latest
                    Expect.equal again.Folder (WorkFolder.at "mine") "the same folder")

            testCase "a folder into which nothing was written goes again, and the next run has its name"
            <| fun () ->
                inCurrent (fun _ ->
                    dispose (RunFolder.ofNew None "shapes")
                    Expect.isFalse (Directory.Exists "work/shapes") "gone"
                    use next = RunFolder.ofNew None "shapes"
                    Expect.equal (Path.GetFileName next.Folder.Path) "shapes" "name")

            testCase "a folder that was there stays, with what is in it"
            <| fun () ->
                inCurrent (fun _ ->
                    touch "mine/notes.txt"
                    dispose (RunFolder.ofNew (Some "mine") "")
                    Expect.isTrue (File.Exists "mine/notes.txt") "the user's file")

            testCase "a new run is refused a folder that holds one"
            <| fun () ->
                inCurrent (fun _ ->
                    for file, remedy in
                        [
                            "latest.safetensors", "--resume"
                            "best.safetensors", "--resume"
                            "metrics.jsonl", "ended before it saved a state"
                        ] do
                        let folder = "used-" + file
                        touch (Path.Combine(folder, file))
                        let early = complaint (fun () -> RunFolder.checkNew (Some folder))
                        let late = complaint (fun () -> RunFolder.ofNew (Some folder) "" |> dispose)
                        expectParts early [ folder; remedy ]
                        Expect.equal late early "the same words")

            testCase "a folder that a run is writing into is refused with its owner's name, whatever is in it by now"
            <| fun () ->
                inCurrent (fun _ ->
                    let held = RunFolder.ofNew (Some "held") ""
                    let before = complaint (fun () -> RunFolder.checkNew (Some "held"))
                    touch "held/metrics.jsonl"
                    let after = complaint (fun () -> RunFolder.checkNew (Some "held"))
                    dispose held
                    expectParts before [ "held"; "another run is writing"; string Environment.ProcessId ]
                    Expect.equal after before "the same words")

            testCase "temporary files of a killed run are removed, other files are not"
            <| fun () ->
                inCurrent (fun _ ->
                    let stale = $"mine/.latest.safetensors.{Guid.NewGuid():N}.tmp"
                    let users = [ "mine/.notes.tmp"; "mine/a.tmp"; "mine/.x.0123.tmp" ]
                    List.iter touch (stale :: users)
                    dispose (RunFolder.ofNew (Some "mine") "")
                    Expect.isFalse (File.Exists stale) "the temporary file"

                    for path in users do
                        Expect.isTrue (File.Exists path) path)

            testCase "a resumed run goes on where it was, or in a new folder, never in another run's"
            <| fun () ->
                inCurrent (fun _ ->
                    for name in [ "a"; "b" ] do
                        touch $"{name}/latest.safetensors"
                        touch $"{name}/metrics.jsonl"

                    touch "a/best.safetensors"
                    let latest = Path.Combine("a", "latest.safetensors")

                    for asked in [ None; Some "a"; Some "./a/" ] do
                        use taken = RunFolder.ofResumed asked latest
                        Expect.equal taken.Folder (WorkFolder.at "a") $"%A{asked}"

                    let message = complaint (fun () -> RunFolder.ofResumed (Some "b") latest |> dispose)
                    expectParts message [ "--work-dir b"; "holds a training run already" ]

                    use taken = RunFolder.ofResumed (Some "new/deep") latest
                    RunFolder.bringAlong latest taken.Folder
                    Expect.isTrue (File.Exists "new/deep/metrics.jsonl") "its metrics come along"
                    Expect.isTrue (File.Exists "new/deep/best.safetensors") "and its best weights")

            testCase "a state beside a later one of its run does not overwrite it"
            <| fun () ->
                inCurrent (fun _ ->
                    let whole path =
                        touch path
                        SafetensorsWriter.Write(path, [||])

                    whole "a/latest.safetensors"
                    whole "a/step-00000100.safetensors"
                    let earlier = Path.Combine("a", "step-00000100.safetensors")
                    let message = complaint (fun () -> RunFolder.ofResumed None earlier |> dispose)
                    expectParts message [ earlier; "latest.safetensors"; "--work-dir" ]

                    // in a new folder it is the latest state from the start
                    using (RunFolder.ofResumed (Some "new") earlier) (fun taken ->
                        RunFolder.bringAlong earlier taken.Folder
                        Expect.isTrue taken.Folder.HasCheckpoint "a latest state")

                    // a latest state that is damaged is none to be lost
                    touch "a/latest.safetensors"

                    using (RunFolder.ofResumed None earlier) (fun taken ->
                        Expect.equal taken.Folder (WorkFolder.at "a") "its own folder"
                        RunFolder.bringAlong earlier taken.Folder

                        Expect.equal
                            (File.ReadAllBytes taken.Folder.Latest)
                            (File.ReadAllBytes earlier)
                            "it is the latest state"))

            testCase "a checkpoint that lies in no run's folder asks for one"
            <| fun () ->
                inCurrent (fun _ ->
                    touch "alone/step-00000100.safetensors"
                    let alone = Path.Combine("alone", "step-00000100.safetensors")
                    let message = complaint (fun () -> RunFolder.ofResumed None alone |> dispose)
                    expectParts message [ alone; "does not lie in the folder of a run"; "--work-dir" ]
                    Expect.hasLength (Directory.GetFileSystemEntries "alone") 1 "nothing was written there"
                    use taken = RunFolder.ofResumed (Some "new") alone
                    Expect.equal taken.Folder (WorkFolder.at "new") "the folder that was asked for")
        ]
