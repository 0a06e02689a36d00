namespace DeqDet.CommandLine

open System
open Argu
open DeqDet
open DeqDet.Model
open DeqDet.Settings.Schema

/// Formats in which detect writes what it finds, beside its own.
[<RequireQualifiedAccess>]
type ResultFormat =
    | [<Word "coco">] Coco
    | [<Word "yolo">] Yolo
    /// YOLO with scores.
    | [<Word "yolo-conf">] YoloConf
    | [<Word "voc">] Voc
    | [<Word "labelme">] LabelMe
    | [<Word "csv">] Csv

/// The words of formats.
module Formats =

    /// As a command line names it.
    let word (format: ResultFormat) : string =
        Words.all<ResultFormat> |> List.find (fun (_, known) -> known = format) |> fst

type DetectRequest =
    {
        /// None: the detector that comes with the program, on the pictures that do.
        Checkpoint: string option
        /// Images, folders, patterns, videos, cameras and streams, at least one where there is a checkpoint; "-" for a list of these on standard
        /// input.
        Images: string[]
        /// Folder for results and pictures.
        Out: string
        /// Side of the tiles that pictures are cut into, px; None: they are taken whole.
        Tiles: int option
        /// Share by which tiles overlap.
        Overlap: float
        /// Each once.
        Formats: ResultFormat[]
        /// Least score of a detection that is kept; None: what the checkpoint says for each class.
        Threshold: float option
        Solver: SolverRequest
        /// Whether each image begins where the one before it ended.
        WarmStart: bool
        /// Whether each image gets a page and a moving picture of how it was refined.
        Refinement: bool
        /// Numbers to predict with; None: what the checkpoint says.
        Precision: NumberKind option
        Device: DeviceChoice
        /// Whether float32 products may be computed in TF32, on a GPU.
        Tf32: bool
        Threads: int option
        /// Whether the averaged weights are taken, of a checkpoint that holds both.
        Ema: bool
    }

    /// The same of a checkpoint and pictures that were not named.
    member request.Over(checkpoint: string, images: string[]) : DetectRequest =
        { request with
            Checkpoint = Some checkpoint
            Images = images
        }

[<RequireQualifiedAccess>]
type DetectArgument =
    | [<MainCommand;
        Explain("CHECKPOINT SOURCE...",
                "Checkpoint file or work folder, then what to look at: images, folders, patterns ('photos/**/*.jpg'), and by an installed ffmpeg videos, cameras (camera:0) and streams (rtsp://...); - takes a list of these from standard input, a line each. The checkpoint called shapes comes with the program; without CHECKPOINT and SOURCE it looks at the pictures that come with it.",
                "detect work/shapes data/shapes/val")>] Inputs of string list
    | [<Unique;
        Explain("DIR",
                "Folder for results.json, the annotated pictures and gallery.html, a page of them all; of a video an annotated one and a line of JSON a frame. Default: detections.",
                "detect work/shapes photo.jpg --out found")>] Out of string
    | [<Unique;
        Explain("SIZE",
                "Cuts pictures into tiles of SIZE x SIZE px and merges what is found: for small objects in large pictures.",
                "detect work/shapes photo.jpg --tiles 640");
        AtLeast 32;
        AtMost 65536>] Tiles of int
    | [<Unique;
        Explain("F",
                "Share by which tiles overlap at least, 0 to 0.9; objects no larger than that are whole in one of them. Default: 0.2.",
                "detect work/shapes photo.jpg --tiles 640 --overlap 0.3");
        AtLeast 0;
        AtMost 0.9>] Overlap of float
    | [<Explain("FORMAT,...",
                "Also writes what is found for labelling tools, into a folder of --out for each: coco, yolo, yolo-conf (with scores), voc, labelme; or csv, a table. May be given again.",
                "detect work/shapes photos --format yolo")>] Format of string
    | [<Unique;
        Explain("T",
                "Least score of a detection that is kept, 0 to 1. Default: for each class that of the best F1 in its validation, 0.3 where the checkpoint has none.",
                "detect work/shapes photo.jpg --threshold 0.5");
        AtLeast 0;
        AtMost 1>] Threshold of float
    | [<Unique;
        Explain("picard|anderson|broyden",
                "How the equilibrium is found. Default: what the checkpoint says, picard in published models.",
                "detect work/shapes photo.jpg --solver anderson --tolerance 0.01")>] Solver of string
    | [<Unique;
        Explain("N",
                "Refinement steps, at most; one more is read out. Default: what the checkpoint says.",
                "detect work/shapes photo.jpg --steps 40");
        AtLeast 1>] Steps of int
    | [<Unique;
        Explain("T",
                "Stops refining a query when its box moves by less than T of its size and its content by less than T of its length. Default: none, every query takes all steps.",
                "detect work/shapes photo.jpg --tolerance 0.01");
        Above 0>] Tolerance of float
    | [<Unique;
        Explain("MS",
                "Milliseconds that the refinement of one batch of images may take; the state reached by then is read out.",
                "detect work/shapes photo.jpg --budget-ms 50");
        Above 0>] Budget_Ms of float
    | [<Unique;
        Explain("fp32|bf16",
                "Numbers to compute with: bf16 is faster where the processor has instructions for it. Default: what the checkpoint says, fp32 unless set.",
                "detect work/shapes photo.jpg --precision bf16")>] Precision of string
    | [<Unique;
        Explain("",
                "Begins each image at the equilibrium of the one before it, as for the frames of a video in the order of their names; where that fails, at the usual start. Needs a tolerance.",
                "detect work/shapes frames --tolerance 0.01 --warm-start")>] Warm_Start
    | [<Unique;
        Explain("",
                "Also writes a page for each image that shows how its detections came about, step by step, with a slider: boxes, scores, residuals, and the points that were looked at; and the same as a moving picture (animated WebP).",
                "detect work/shapes photo.jpg --refinement")>] Refinement
    | [<Unique;
        Explain("auto|cpu|cuda|cuda:N",
                "Where to compute. Default: auto, a GPU where there is one.",
                "detect work/shapes photo.jpg --device cpu")>] Device of string
    | [<Unique;
        Explain("",
                "On a GPU: float32 products and convolutions in TF32, with 10 bits of mantissa. Faster, and numbers differ.",
                "detect work/shapes photo.jpg --device cuda --tf32")>] Tf32
    | [<Unique;
        Explain("N",
                "Processor threads for tensor operations. Default: one a core.",
                "detect work/shapes photo.jpg --threads 2");
        AtLeast 1>] Threads of int
    | [<Unique;
        Explain("",
                "Takes the averaged weights (EMA) of a checkpoint that holds both.",
                "detect work/shapes photo.jpg --ema")>] Ema

    interface IArgParserTemplate with
        member argument.Usage = ExplainAttribute.Usage argument

/// The arguments of detect as its request.
module internal DetectParser =

    /// Whether a path ends as those of images do, and never those of checkpoints.
    let private isImage (path: string) =
        [ ".jpg"; ".jpeg"; ".png"; ".webp"; ".bmp"; ".gif"; ".tif"; ".tiff" ]
        |> List.exists (fun ending -> path.EndsWith(ending, StringComparison.OrdinalIgnoreCase))

    let request (results: ParseResults<DetectArgument>) : DetectRequest =
        match results.GetResults DetectArgument.Inputs |> List.concat with
        | _ when
            results.Contains DetectArgument.Overlap
            && not (results.Contains DetectArgument.Tiles)
            ->
            refuse "detect: --overlap is of tiles; for example: --tiles 640 --overlap 0.3"
        | _ when
            results.Contains DetectArgument.Warm_Start
            && results.Contains DetectArgument.Tiles
            ->
            refuse "detect: --warm-start and --tiles exclude each other: tiles of one picture do not follow each other"
        | _ when
            results.Contains DetectArgument.Refinement
            && results.Contains DetectArgument.Tiles
            ->
            refuse
                "detect: --refinement and --tiles exclude each other: each tile is refined on its own; cut the picture, and name the piece"
        | _ when
            results.Contains DetectArgument.Refinement
            && results.Contains DetectArgument.Warm_Start
            ->
            refuse "detect: --refinement and --warm-start exclude each other: it shows the way from the usual start"
        | [ image ] when isImage image ->
            refuse
                $"detect: {image} is an image; name the checkpoint before it, for example: detect work/shapes {Shell.quote image}; without either, detect shows the detector that comes with the program"
        | [ checkpoint ] ->
            refuse
                $"detect: name an image, a folder or a video after the checkpoint; for example: detect {Shell.quote checkpoint} photo.jpg"
        | inputs ->
            {
                Checkpoint = List.tryHead inputs
                Images = inputs |> List.skip (min 1 inputs.Length) |> Array.ofList
                Out = results.GetResult(DetectArgument.Out, "detections")
                Tiles = results.TryGetResult DetectArgument.Tiles
                Overlap = results.GetResult(DetectArgument.Overlap, 0.2)
                Formats =
                    results.GetResults DetectArgument.Format
                    |> List.collect (fun list -> list.Split ',' |> List.ofArray)
                    |> List.map (fun word -> wordOf<ResultFormat> "--format" "yolo" (word.Trim()))
                    |> List.distinct
                    |> Array.ofList
                Threshold = results.TryGetResult DetectArgument.Threshold
                Solver =
                    solver
                        (results.TryGetResult DetectArgument.Solver)
                        (results.TryGetResult DetectArgument.Steps)
                        (results.TryGetResult DetectArgument.Tolerance)
                        (results.TryGetResult DetectArgument.Budget_Ms)
                WarmStart = results.Contains DetectArgument.Warm_Start
                Refinement = results.Contains DetectArgument.Refinement
                Precision = results.TryGetResult DetectArgument.Precision |> Option.map numbersOf
                Device = deviceOf (results.TryGetResult DetectArgument.Device)
                Tf32 = results.Contains DetectArgument.Tf32
                Threads = results.TryGetResult DetectArgument.Threads
                Ema = results.Contains DetectArgument.Ema
            }
