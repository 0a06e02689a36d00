namespace DeqDet.Detection

open System
open System.IO
open DeqDet

/// A work folder that belongs to this run as long as the lock is held. The lock is the operating system's, on an open file: that of a
/// process that was killed is gone with it, so none is ever stale.
[<Sealed>]
type FolderLock private (folder: WorkFolder, file: FileStream, made: bool) =

    /// EROFS of Unix; others who hold the lock are another error.
    static let readOnlyFileSystem = 30

    static let owner (folder: WorkFolder) =
        try
            File.ReadAllText(folder.Owner).Trim()
        with
        | :? IOException
        | :? UnauthorizedAccessException -> "another process"

    /// `attempts`: how often a folder that goes while it is being taken is made again.
    static let rec take (folder: WorkFolder) (attempts: int) : (FileStream * bool) option =
        let made = not (Directory.Exists folder.Path)
        Directory.CreateDirectory folder.Path |> ignore

        try
            Some(new FileStream(folder.Lock, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None), made)
        with
        | :? IOException as error when File.Exists folder.Lock && error.HResult <> readOnlyFileSystem -> None
        | :? IOException when attempts > 0 -> take folder (attempts - 1)

    /// Takes a folder, which is made if it is not there. None where another run holds it.
    static member TryTake(folder: WorkFolder) : FolderLock option =
        try
            take folder 10
            |> Option.map (fun (file, made) ->
                let taken = new FolderLock(folder, file, made)

                try
                    // what a killed run has left behind; first, since a disk may be full of it
                    AtomicFile.RemoveStale folder.Path |> ignore

                    File.WriteAllText(
                        folder.Owner,
                        $"process {Environment.ProcessId} on {Environment.MachineName}, since {DateTime.UtcNow:u}\n"
                    )

                    taken
                with _ ->
                    (taken :> IDisposable).Dispose()
                    reraise ())
        with
        | :? IOException
        | :? UnauthorizedAccessException as error ->
            raise (
                InputError(
                    $"{folder.Path}: cannot be made or written to ({error.Message}); choose another folder with --work-dir",
                    error
                )
            )

    /// Takes a folder. Raises InputError, naming the owner, where another run holds it.
    static member Take(folder: WorkFolder) : FolderLock =
        match FolderLock.TryTake folder with
        | Some taken -> taken
        | None ->
            raise (
                InputError
                    $"{folder.Path}: another run is writing into this folder ({owner folder}); wait for it, or choose another folder with --work-dir"
            )

    /// The folder.
    member _.Folder: WorkFolder = folder

    interface IDisposable with

        /// Gives the folder up; one that was made for this run, and into which nothing was written, goes again.
        member _.Dispose() =
            File.Delete folder.Owner

            let onlyLock =
                made
                && Directory.EnumerateFileSystemEntries folder.Path |> Seq.forall ((=) folder.Lock)

            if onlyLock then
                File.Delete folder.Lock

            file.Dispose()

            if onlyLock then
                try
                    Directory.Delete folder.Path
                with :? IOException ->
                    // somebody else has begun to use it
                    ()

/// Which folder a run writes into.
module RunFolder =

    let private refuseUsed (asked: string) (folder: WorkFolder) =
        let hasWeights =
            folder.HasCheckpoint || not folder.Earlier.IsEmpty || File.Exists folder.Best

        if folder.HasRun && not hasWeights then
            raise (
                InputError
                    $"--work-dir {asked}: holds what a run has written that ended before it saved a state; remove it, or name another folder"
            )

        if folder.HasRun then
            raise (
                InputError
                    $"--work-dir {asked}: holds a training run already; continue it with --resume, or name another folder"
            )

        match folder.Outputs |> List.tryFind Path.Exists with
        | Some other ->
            raise (
                InputError
                    $"--work-dir {asked}: holds {Path.GetFileName other}, which a run would write over; name another folder"
            )
        | None -> ()

    /// Raises InputError where a new run cannot have the folder that was asked for: said before the work begins.
    let checkNew (asked: string option) : unit =
        for path in Option.toList asked do
            let folder = WorkFolder.at path

            if File.Exists folder.Lock then
                // a run that is still writing says so, whatever it has written by now
                use _ = FolderLock.Take folder
                refuseUsed path folder
            else
                refuseUsed path folder

    /// The folder of a new run: the one asked for, which must hold no run, or the first free one of work/NAME, work/NAME-2, ...
    /// Runs that start together get different ones.
    let ofNew (asked: string option) (name: string) : FolderLock =
        match asked with
        | Some path ->
            let folder = WorkFolder.at path
            let taken = FolderLock.Take folder

            try
                refuseUsed path folder
                taken
            with _ ->
                (taken :> IDisposable).Dispose()
                reraise ()
        | None ->
            WorkFolder.numbered name
            |> Seq.filter (fun folder -> not (Directory.Exists folder.Path))
            |> Seq.pick FolderLock.TryTake

    /// Where a run goes on that is resumed from a checkpoint file: in the checkpoint's own folder, or in another one that holds no run. Raises
    /// InputError where a later state would be lost, or the folder is not a run's.
    let ofResumed (asked: string option) (checkpoint: string) : FolderLock =
        let home = WorkFolder.at (Path.GetDirectoryName(Path.GetFullPath checkpoint))

        match asked |> Option.map WorkFolder.at with
        | Some other when other <> home ->
            let taken = FolderLock.Take other

            try
                refuseUsed asked.Value other

                taken
            with _ ->
                (taken :> IDisposable).Dispose()
                reraise ()
        | _ ->
            if not home.HasRun then
                raise (
                    InputError
                        $"--resume {checkpoint}: does not lie in the folder of a run; name the folder in which to go on with --work-dir"
                )

            let taken = FolderLock.Take home

            try
                match SavedStates.after home checkpoint with
                | Some later ->
                    raise (
                        InputError
                            $"--resume {checkpoint}: the run in this folder has gone on from there to {Path.GetFileName later}, which would be overwritten; resume from that, or go on from this one in a new folder with --work-dir"
                    )
                | None -> taken
            with _ ->
                (taken :> IDisposable).Dispose()
                reraise ()

    /// Brings what the run has written beside a checkpoint so far, its metrics, starts and best weights, into the folder in which it goes on, and at last
    /// makes the checkpoint the latest state there: so that from now on `--resume FOLDER` goes on from it.
    let bringAlong (checkpoint: string) (folder: WorkFolder) : unit =
        let home = WorkFolder.at (Path.GetDirectoryName(Path.GetFullPath checkpoint))

        if home <> folder then
            for source, target in
                [
                    home.Metrics, folder.Metrics
                    home.Starts, folder.Starts
                    home.Best, folder.Best
                ] do
                if File.Exists source then
                    AtomicFile.Write(
                        target,
                        fun stream ->
                            use file = File.OpenRead source
                            file.CopyTo stream
                    )

        if Path.GetFullPath checkpoint <> folder.Latest then
            AtomicFile.AlsoAs(checkpoint, folder.Latest)
