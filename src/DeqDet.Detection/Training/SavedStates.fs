namespace DeqDet.Detection

open System
open System.IO
open System.Text.Json.Nodes
open DeqDet
open DeqDet.Checkpoints

/// The states of a run on disk: the latest one, and of those before it the last few under the numbers of their steps.
module SavedStates =

    let private remove (file: string) =
        try
            File.Delete file
        with
        | :? IOException
        | :? UnauthorizedAccessException ->
            // one state too many does no harm
            ()

    /// Puts a new latest state in place, which `write` writes to a path. Of the states before it `keep` - 1 stay, the one that was the latest
    /// until now among them: it has its second name before the first one is given away, so that whatever happens a whole latest state is
    /// there. `saved`: the step it is of, `step`: that of the new one; of states of one step the last one stays.
    let write (folder: WorkFolder) (keep: int) (saved: int64 option) (step: int64) (write: string -> unit) : unit =
        match saved with
        | Some before when keep > 1 && before <> step && folder.HasCheckpoint ->
            AtomicFile.AlsoAs(folder.Latest, folder.StateOf before)
        | _ -> ()

        write folder.Latest

        // later ones are of a run that was taken back to an earlier state: they are met again
        folder.Earlier
        |> List.filter (fun (of', _) -> of' < step)
        |> List.indexed
        |> List.iter (fun (newer, (_, file)) ->
            if newer >= keep - 1 then
                remove file)

    /// What is wrong with a file; None where it is whole. Numbers are not looked at.
    let private damage (path: string) : string option =
        try
            (SafetensorsFile.Open path).Dispose()
            None
        with :? CheckpointError as error ->
            Some error.Problem

    /// Whether a run can go on from a file.
    let private isState (path: string) : bool =
        try
            use file = CheckpointFile.Open path
            file.State.Count > 0
        with :? CheckpointError ->
            false

    /// The latest state of a folder's run. Raises InputError where there is none or it is damaged, and names the newest other state in the
    /// folder that is whole.
    let private latest (asked: string) (folder: WorkFolder) : string =
        let wrong =
            if folder.HasCheckpoint then
                damage folder.Latest |> Option.map (sprintf "is damaged (%s)")
            else
                Some "is missing"

        match wrong with
        | None -> folder.Latest
        | Some wrong ->
            let name = Path.GetFileName folder.Latest

            match folder.Earlier |> List.tryFind (snd >> isState) with
            | Some(step, file) ->
                let other = Path.Combine(asked, Path.GetFileName file)

                raise (
                    InputError
                        $"{asked}: {name} {wrong}; the state after step {step} is whole: go on from it with --resume {Shell.quote other}"
                )
            | None when folder.HasCheckpoint ->
                raise (
                    InputError
                        $"{asked}: {name} {wrong}, and no other state of the run is whole; start a new run without --resume (train.keep says how many states a run keeps)"
                )
            | None -> raise (InputError $"{asked}: nothing to resume there, {name} is missing; start without --resume")

    /// The checkpoint to go on from: the latest state in the folder asked for, or of the newest of work/NAME, work/NAME-2, ... Raises
    /// InputError where there is nothing to continue, or the latest state is damaged.
    let toResume (asked: string option) (name: string) : string =
        match asked with
        | Some path -> latest path (WorkFolder.at path)
        | None ->
            let runs =
                WorkFolder.numbered name
                |> Seq.takeWhile (fun folder -> Directory.Exists folder.Path)
                |> Seq.filter (fun folder -> folder.HasCheckpoint || not folder.Earlier.IsEmpty)
                |> List.ofSeq

            if runs.IsEmpty then
                let first = Path.Combine("work", name)

                raise (
                    InputError
                        $"--resume: no run with a checkpoint in {first}; name a checkpoint after --resume, or its folder with --work-dir"
                )

            let newest (folder: WorkFolder) =
                folder.Latest :: List.map snd folder.Earlier
                |> List.map File.GetLastWriteTimeUtc
                |> List.max

            let folder = runs |> List.maxBy newest
            latest (Path.Combine("work", Path.GetFileName folder.Path)) folder

    /// The state in a run's folder, if there is one, that would be lost if the run went on there from an earlier one: the latest, or a newer
    /// one that is kept. A latest file that is damaged or missing is none.
    let after (folder: WorkFolder) (checkpoint: string) : string option =
        let full = Path.GetFullPath checkpoint

        if full = folder.Latest then
            None
        elif folder.HasCheckpoint && (damage folder.Latest).IsNone then
            Some folder.Latest
        else
            folder.Earlier
            |> List.takeWhile (fun (_, file) -> file <> full)
            |> List.map snd
            |> List.tryFind isState

    let private best (path: string) : (int64 * float) option =
        try
            use file = CheckpointFile.Open path

            match file.Info.Training["best_ap"] with
            | :? JsonValue as value ->
                match value.TryGetValue<float>() with
                | true, ap -> Some(file.Info.Progress.Step, ap)
                | _ -> None
            | _ -> None
        with :? CheckpointError ->
            None

    /// The progress of a state, with what there is of best weights beside it: where they are of a later validation than the state, that one
    /// is what others have to beat; where they are gone, the next validation writes new ones whatever it finds.
    let withBest (checkpoint: string) (progress: Progress) : Progress =
        let folder = WorkFolder.at (Path.GetDirectoryName(Path.GetFullPath checkpoint))

        match best folder.Best with
        | Some(step, ap) when step > progress.Validated ->
            { progress with
                BestAp = ap
                BestStep = step
                BestSaved = step
            }
        | None when not (File.Exists folder.Best && (damage folder.Best).IsNone) -> { progress with BestAp = nan }
        | _ -> progress
