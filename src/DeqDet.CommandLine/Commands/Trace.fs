namespace DeqDet.CommandLine

open Argu
open DeqDet

type TraceRequest =
    {
        Checkpoint: string
        /// Image files and folders to follow; none: the first images of the validation set.
        Images: string[]
        /// Folder of the data set for AP; None: as in training, and not at all where images are named.
        Data: string option
        /// Folder for everything that is written.
        Out: string
        /// Applications of the refinement head to follow.
        Steps: int
        /// Images of the validation set to follow where none are named.
        ImageCount: int
        /// Images of the validation set to measure AP on.
        Evaluated: int
        Device: DeviceChoice
        /// Whether float32 products may be computed in TF32, on a GPU.
        Tf32: bool
        Threads: int option
    }

[<RequireQualifiedAccess>]
type TraceArgument =
    | [<MainCommand;
        Explain("CHECKPOINT [IMAGE_OR_FOLDER]...",
                "Checkpoint file or work folder, then the images whose refinement is followed. Without images: the first ones of the validation set, on which AP is measured too.",
                "trace work/shapes")>] Inputs of string list
    | [<Unique;
        Explain("DIR",
                "Folder of the data set on which AP is measured against steps and tolerance. Default: where it was in training.",
                "trace work/bccd --data ../data/bccd")>] Data of string
    | [<Unique;
        Explain("DIR",
                "Folder for trace.html, trace.csv, trace.json and the figures. Default: trace.",
                "trace work/shapes --out report")>] Out of string
    | [<Unique;
        Explain("N",
                "Applications of the refinement head to follow, at least as many as in training. Default: 100.",
                "trace work/shapes --steps 300");
        AtLeast 1>] Steps of int
    | [<Unique;
        Explain("N", "Images of the validation set to follow. Default: 8.", "trace work/shapes --images 2");
        AtLeast 1>] Images of int
    | [<Unique;
        Explain("N",
                "Images of the validation set to measure AP on, the first ones. Default: 200.",
                "trace work/shapes --evaluated 50");
        AtLeast 1>] Evaluated of int
    | [<Unique;
        Explain("auto|cpu|cuda|cuda:N",
                "Where to compute. Default: auto, a GPU where there is one.",
                "trace work/shapes --device cpu")>] Device of string
    | [<Unique;
        Explain("",
                "On a GPU: float32 products and convolutions in TF32, with 10 bits of mantissa. Faster, and numbers differ.",
                "trace work/shapes --device cuda --tf32")>] Tf32
    | [<Unique;
        Explain("N", "Processor threads for tensor operations. Default: one a core.", "trace work/shapes --threads 2");
        AtLeast 1>] Threads of int

    interface IArgParserTemplate with
        member argument.Usage = ExplainAttribute.Usage argument

/// The arguments of trace as its request.
module internal TraceParser =

    let request (results: ParseResults<TraceArgument>) : TraceRequest =
        match results.GetResults TraceArgument.Inputs |> List.concat with
        | [] -> refuse "trace: name a checkpoint file or work folder; for example: trace work/shapes"
        | checkpoint :: images ->
            {
                Checkpoint = checkpoint
                Images = Array.ofList images
                Data = results.TryGetResult TraceArgument.Data
                Out = results.GetResult(TraceArgument.Out, "trace")
                Steps = results.GetResult(TraceArgument.Steps, 100)
                ImageCount = results.GetResult(TraceArgument.Images, 8)
                Evaluated = results.GetResult(TraceArgument.Evaluated, 200)
                Device = deviceOf (results.TryGetResult TraceArgument.Device)
                Tf32 = results.Contains TraceArgument.Tf32
                Threads = results.TryGetResult TraceArgument.Threads
            }
