namespace DeqDet.CommandLine

open Argu
open DeqDet
open DeqDet.Settings

/// What training continues from.
type Resume =
    | Fresh
    /// The latest checkpoint of the work folder.
    | Latest
    /// A checkpoint file or a work folder.
    | From of checkpoint: string

/// What `train` does in place of a whole training. Nothing is left on the disk.
type Trial =
    /// Says what the training would be and need, after a few real steps.
    | DryRun
    /// Learns so many images by heart, or says why not.
    | Overfit of images: int

type TrainRequest =
    {
        /// Settings file; None: configs/shapes.json, or the settings of the run that is resumed.
        Config: string option
        Data: string option
        /// KEY=VALUE assignments in the order given.
        Set: string[]
        WorkDir: string option
        Resume: Resume
        /// Checkpoint of a whole detector to start from: a file or a work folder.
        From: string option
        Device: DeviceChoice
        /// Whether float32 products may be computed in TF32, on a GPU.
        Tf32: bool
        Seed: int option
        Threads: int option
        /// Optimiser steps after which to stop.
        MaxSteps: int option
        Trial: Trial option
    }

    /// Settings (which have --set applied already) with --data, --seed and --from on top.
    member request.Over(settings: Settings) : Settings =
        { settings with
            Weights =
                { settings.Weights with
                    Load = Option.orElse settings.Weights.Load request.From
                }
            Data =
                { settings.Data with
                    Root = defaultArg request.Data settings.Data.Root
                }
            Train =
                { settings.Train with
                    Seed = defaultArg request.Seed settings.Train.Seed
                }
        }

[<RequireQualifiedAccess>]
type TrainArgument =
    | [<MainCommand;
        Unique;
        Explain("[CONFIG]", "Settings file. Default: configs/shapes.json.", "train configs/bccd.json")>] Config of
        string
    | [<Unique;
        Explain("DIR",
                "Folder of the data set: what data.root says otherwise.",
                "train configs/bccd.json --data ../data/bccd")>] Data of string
    | [<Explain("KEY=VALUE",
                "Overrides any setting; the value is JSON or plain text. May be given again. docs/settings.md lists the keys.",
                "train --set solver.steps=8 --set rag.supervised=[1,4,8]")>] Set of string
    | [<Unique;
        Explain("DIR",
                "Folder for checkpoints, metrics and pictures. Default: a new folder in work/, named after the settings file.",
                "train --work-dir work/mine")>] Work_Dir of string
    | [<Unique;
        Explain("[CHECKPOINT]",
                "Continues a run from a checkpoint file or work folder; without a value from the latest checkpoint.",
                "train --resume work/mine")>] Resume of string option
    | [<Unique;
        Explain("CHECKPOINT",
                "Starts from a whole detector: a checkpoint file, ours or an official one, or a work folder. All weights are taken, those of the classes by name. Without CONFIG its own settings hold.",
                "train --from work/bccd --data ../data/mine")>] From of string
    | [<Unique;
        Explain("auto|cpu|cuda|cuda:N",
                "Where to compute. Default: auto, a GPU where there is one.",
                "train --device cuda:1")>] Device of string
    | [<Unique;
        Explain("",
                "On a GPU: float32 products and convolutions in TF32, with 10 bits of mantissa. Faster, and numbers differ.",
                "train --device cuda --tf32")>] Tf32
    | [<Unique; Explain("N", "Seed of everything random: what train.seed says otherwise.", "train --seed 7"); AtLeast 0>] Seed of
        int
    | [<Unique;
        Explain("N", "Processor threads for tensor operations. Default: one a core.", "train --threads 2");
        AtLeast 1>] Threads of int
    | [<Unique;
        Explain("N",
                "Stops after this many optimiser steps in all, with a checkpoint and an evaluation.",
                "train --max-steps 20");
        AtLeast 1>] Max_Steps of int
    | [<Unique;
        Explain("N",
                "Learns N training images by heart, at most in --max-steps (default 1000), and says whether it can and what is wrong if not. Leaves no folder; exit code 1 if not learned.",
                "train configs/bccd.json --overfit 8");
        AtLeast 1;
        AtMost 1000>] Overfit of int
    | [<Unique;
        Explain("",
                "Tells what the training would be and need: data, model, memory and time, estimated and then measured in a few steps. Leaves nothing on the disk.",
                "train configs/bccd.json --dry-run")>] Dry_Run

    interface IArgParserTemplate with
        member argument.Usage = ExplainAttribute.Usage argument

/// The arguments of train as its request.
module internal TrainParser =

    /// What is tried in place of a whole training, which begins anew and leaves no folder.
    let private trial (results: ParseResults<TrainArgument>) : Trial option =
        let given =
            [
                "--dry-run", results.Contains TrainArgument.Dry_Run
                "--overfit", results.Contains TrainArgument.Overfit
            ]
            |> List.filter snd
            |> List.map fst

        for name in given do
            for other, isGiven in
                [
                    "--resume", results.Contains TrainArgument.Resume
                    "--work-dir", results.Contains TrainArgument.Work_Dir
                    "--max-steps", results.Contains TrainArgument.Max_Steps && name = "--dry-run"
                ] do
                if isGiven then
                    refuse
                        $"train: {other} says nothing to {name}, which begins anew and leaves no folder; leave one of them out"

        match given, results.TryGetResult TrainArgument.Overfit with
        | _ :: _ :: _, _ -> refuse "train: --dry-run and --overfit are two things; ask for one after the other"
        | [ _ ], Some images -> Some(Overfit images)
        | [ _ ], None -> Some DryRun
        | _ -> None

    let request (results: ParseResults<TrainArgument>) : TrainRequest =
        if results.Contains TrainArgument.From && results.Contains TrainArgument.Resume then
            refuse
                "train: --from and --resume exclude each other: --from starts a new run with a detector's weights, --resume goes on with a run"

        {
            Config = results.TryGetResult TrainArgument.Config
            Data = results.TryGetResult TrainArgument.Data
            Set = results.GetResults TrainArgument.Set |> Array.ofList
            WorkDir = results.TryGetResult TrainArgument.Work_Dir
            Resume =
                match results.TryGetResult TrainArgument.Resume with
                | None -> Fresh
                | Some None -> Latest
                | Some(Some checkpoint) -> From checkpoint
            From = results.TryGetResult TrainArgument.From
            Device = deviceOf (results.TryGetResult TrainArgument.Device)
            Tf32 = results.Contains TrainArgument.Tf32
            Seed = results.TryGetResult TrainArgument.Seed
            Threads = results.TryGetResult TrainArgument.Threads
            MaxSteps = results.TryGetResult TrainArgument.Max_Steps
            Trial = trial results
        }
