namespace DeqDet.Detection

open System
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

    /// The state after a step, when it is no longer the latest one.
    member folder.StateOf(step: int64) : string = folder.In $"step-{step:D8}.safetensors"

    /// The states before the latest one that are kept, with their steps, the newest first.
    member folder.Earlier: (int64 * string) list =
        if not (Directory.Exists folder.Path) then
            []
        else
            [
                for file in Directory.EnumerateFiles(folder.Path, "step-*.safetensors") do
                    match Int64.TryParse(Path.GetFileNameWithoutExtension(file).Substring 5) with
                    | true, step when file = folder.StateOf step -> step, file
                    | _ -> ()
            ]
            |> List.sortDescending

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

    /// The training as a page.
    member folder.Page: string = folder.In "training.html"

    /// Event files for TensorBoard.
    member folder.Events: string = folder.In "events"

    /// When the training was started and went on, a JSON object a line.
    member folder.Starts: string = folder.In "starts.jsonl"

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
            folder.Page
            folder.Events
            folder.Starts
            yield! List.map snd folder.Earlier
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

    /// The checkpoint that a user means: a file as it is; of a work folder the best weights where a validation has chosen them, else the
    /// latest; else by its name one that comes with the program, whatever folder without a checkpoint is called so, too. Raises InputError where there is
    /// none.
    let checkpointOf (path: string) : string =
        let ofRun =
            if Directory.Exists path then
                let folder = at path
                [ folder.Best; folder.Latest ] |> List.tryFind File.Exists
            else
                None

        match ofRun with
        | Some file -> file
        | None when File.Exists path -> path
        | None ->
            match CarriedWeights.named path with
            | Some file -> file
            | None when Directory.Exists path ->
                raise (
                    InputError
                        $"{path}: no checkpoint in this folder; `train` writes latest.safetensors into its work folder"
                )
            | None ->
                let nearest = Nearest.find CarriedWeights.names path |> Option.get

                let meant =
                    if Nearest.isClose path nearest then
                        $"; did you mean {nearest}, which comes with the program?"
                    else
                        ""

                raise (InputError $"{path}: there is no such file or work folder{meant}")
