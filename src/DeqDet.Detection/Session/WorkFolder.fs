namespace DeqDet.Detection

open System.IO
open DeqDet

/// The folder that one training run writes into, by its full path.
type WorkFolder =
    {
        Path: string
    }

    member private folder.In(name: string) = Path.Combine(folder.Path, name)

    /// The latest state of the run: weights and all that is needed to go on.
    member folder.Latest: string = folder.In "latest.safetensors"

    /// The weights with the best validation AP so far.
    member folder.Best: string = folder.In "best.safetensors"

    /// The settings as resolved.
    member folder.Settings: string = folder.In "settings.json"

    /// One JSON object a line for steps and validations.
    member folder.Metrics: string = folder.In "metrics.jsonl"

    /// Detections of the last validation in COCO's results format.
    member folder.Detections: string = folder.In "val_detections.json"

    /// Pictures of detections beside the truth.
    member folder.Pictures: string = folder.In "pictures"

    /// Locked by the run that writes here.
    member folder.Lock: string = folder.In ".run.lock"

    /// Says which process that is; the lock itself cannot be read by others.
    member folder.Owner: string = folder.In ".run.owner"

    /// Whether a run has saved a state here.
    member folder.HasCheckpoint: bool = File.Exists folder.Latest

    /// Whether a run has written anything here.
    member folder.HasRun: bool =
        folder.HasCheckpoint || File.Exists folder.Metrics || File.Exists folder.Best

    /// Everything that a run writes here.
    member folder.Outputs: string list =
        [
            folder.Latest
            folder.Best
            folder.Metrics
            folder.Settings
            folder.Detections
            folder.Pictures
        ]

module WorkFolder =

    /// The folder at a path, which need not exist.
    let at (path: string) : WorkFolder =
        {
            Path = Path.TrimEndingDirectorySeparator(Path.GetFullPath path)
        }

    /// The folders that runs of a name go into: work/NAME, work/NAME-2, ...
    let numbered (name: string) : WorkFolder seq =
        Seq.initInfinite (fun i -> at (Path.Combine("work", (if i = 0 then name else $"{name}-{i + 1}"))))

    /// The folder of the run to continue: the one asked for, or the newest of work/NAME, work/NAME-2, ... Raises InputError where there is
    /// nothing to continue.
    let toResume (asked: string option) (name: string) : WorkFolder =
        match asked with
        | Some path ->
            let folder = at path

            if not folder.HasCheckpoint then
                raise (
                    InputError
                        $"{path}: nothing to resume there, {Path.GetFileName folder.Latest} is missing; start without --resume"
                )

            folder
        | None ->
            let runs =
                numbered name
                |> Seq.takeWhile (fun folder -> Directory.Exists folder.Path)
                |> Seq.filter _.HasCheckpoint
                |> List.ofSeq

            if runs.IsEmpty then
                let first = Path.Combine("work", name)

                raise (
                    InputError
                        $"--resume: no run with a checkpoint in {first}; name a checkpoint after --resume, or its folder with --work-dir"
                )

            runs |> List.maxBy (fun folder -> File.GetLastWriteTimeUtc folder.Latest)

    /// The checkpoint that a user means: a file as it is; of a work folder the best weights where a validation has chosen them, else the
    /// latest. Raises InputError where a folder holds no checkpoint.
    let checkpointOf (path: string) : string =
        if not (Directory.Exists path) then
            path
        else
            let folder = at path

            if File.Exists folder.Best then
                folder.Best
            elif File.Exists folder.Latest then
                folder.Latest
            else
                raise (
                    InputError
                        $"{path}: no checkpoint in this folder; `train` writes latest.safetensors into its work folder"
                )
