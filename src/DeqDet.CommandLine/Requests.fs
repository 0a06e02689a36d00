namespace DeqDet.CommandLine

open DeqDet.Kernels
open DeqDet.Model
open DeqDet
open DeqDet.Settings
open DeqDet.Settings.Schema

/// Where a command computes.
type DeviceChoice =
    /// CUDA where it is there, else the CPU.
    | Auto
    | Cpu
    | Cuda of index: int

    override device.ToString() =
        match device with
        | Auto -> "auto"
        | Cpu -> "cpu"
        | Cuda index -> $"cuda:{index}"

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

type LaunchRequest =
    {
        Processes: int
        /// File of mpirun or mpiexec; None: it is looked for.
        MpiRun: string option
        /// What train is asked for.
        Train: TrainRequest
        /// The same as typed, with the command's name.
        Command: string[]
    }

/// What the command line changes of solver.*: None leaves what the checkpoint says.
type SolverRequest =
    {
        Scheme: SchemeKind option
        Steps: int option
        Tolerance: float option
        BudgetMs: float option
    }

    /// A detector's settings with the changes. InputError where there are some and the detector has no equilibrium to solve for.
    member request.Over(settings: DetectorSettings) : DetectorSettings =
        let asked =
            request.Scheme.IsSome
            || request.Steps.IsSome
            || request.Tolerance.IsSome
            || request.BudgetMs.IsSome

        if asked && not (Family.hasEquilibrium settings) then
            raise (
                InputError
                    "--solver, --steps, --tolerance and --budget-ms are for DEQDet models; this one applies a fixed number of different stages"
            )

        let solver = settings.Solver

        { settings with
            Solver =
                { solver with
                    Scheme = defaultArg request.Scheme solver.Scheme
                    Steps = defaultArg request.Steps solver.Steps
                    Tolerance = Option.orElse solver.Tolerance request.Tolerance
                    BudgetMs = Option.orElse solver.BudgetMs request.BudgetMs
                }
        }

type TestRequest =
    {
        Checkpoint: string
        Solver: SolverRequest
        Data: string option
        /// Annotation file and image folder to test on; None: those of the settings.
        Annotations: string option
        Images: string option
        /// File for the detections in COCO's results format.
        Out: string option
        /// HTML file for the analysis.
        Report: string option
        /// Worst images in it.
        ReportImages: int option
        /// Numbers to predict with; None: what the checkpoint says.
        Precision: NumberKind option
        Device: DeviceChoice
        /// Whether float32 products may be computed in TF32, on a GPU.
        Tf32: bool
        Threads: int option
        /// Whether the averaged weights are taken, of a checkpoint that holds both.
        Ema: bool
    }

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

type ServeRequest =
    {
        Checkpoint: string
        /// 0: any free one.
        Port: int
        /// Where to listen, as typed.
        Address: string
        /// Least score where a request has none; None: what the checkpoint says for each class.
        Threshold: float option
        /// Most pictures of a batch; None: what the checkpoint says.
        BatchSize: int option
        /// The following are what the service allows; None: its own defaults. Milliseconds.
        BatchWindow: float option
        Queue: int option
        /// Seconds.
        Timeout: float option
        /// Units of 2^20 bytes.
        MaxBody: int option
        /// Millions.
        MaxPixels: float option
        /// Units of 2^20 bytes.
        Memory: int option
        Solver: SolverRequest
        /// Numbers to predict with; None: what the checkpoint says.
        Precision: NumberKind option
        Device: DeviceChoice
        /// Whether float32 products may be computed in TF32, on a GPU.
        Tf32: bool
        Threads: int option
        /// Whether the averaged weights are taken, of a checkpoint that holds both.
        Ema: bool
    }

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

/// None stands for COCO's own value, or for all.
type EvaluateRequest =
    {
        GroundTruth: string
        Detections: string
        Json: string option
        IouThresholds: float[] option
        /// Size ranges as `label=min:max`.
        AreaRanges: string[] option
        MaxDetections: int[] option
        ImageIds: CocoId[] option
        CategoryIds: CocoId[] option
        ClassAgnostic: bool
        /// HTML file for the analysis.
        Report: string option
        /// Folder of the images, for the report.
        ImagesFrom: string option
        /// Worst images in the report.
        ReportImages: int option
        /// Score and IoU at which mistakes are looked at.
        AtScore: float option
        AtIou: float option
        /// Whether boxes of negative width or height are refused; else they are counted as the reference tool does.
        Strict: bool
    }

type VerifyRequest =
    {
        /// Root of a tree of golden files, or an exported ONNX file.
        Folder: string
        /// The checkpoint that an ONNX file was made from; None: the one of that name beside it.
        Checkpoint: string option
        /// Data set whose validation part gives the AP of an ONNX file.
        Data: string option
        /// What a file's path must contain, or match where it has `*` or `?`.
        Only: string option
        Device: DeviceChoice
        /// Whether float32 products may be computed in TF32, on a GPU.
        Tf32: bool
        /// File for everything that was compared.
        Json: string option
    }

/// Who is to run an exported file.
type ExportRuntime =
    | [<Word "standard">] StandardRuntime
    | [<Word "tensorrt">] TensorRtRuntime
    | [<Word "web">] WebRuntime

/// In which numbers an exported file has its large layers.
type ExportNumbers =
    | Fp32Numbers
    | Fp16Numbers
    | Int8Numbers

/// How far the refinement of an exported file goes.
type ExportDepth =
    /// A loop, as the checkpoint's settings say.
    | SettingsDepth
    /// So many steps, written out.
    | StepsDepth of int
    /// A loop until queries have settled.
    | ToleranceDepth of float

type ExportRequest =
    {
        /// A checkpoint file or a work folder.
        Checkpoint: string
        /// File to write, .onnx; for a page in the browser a folder.
        Out: string
        Depth: ExportDepth
        /// Version of the standard's operators; None: the newest that is written.
        Opset: int option
        Numbers: ExportNumbers
        Runtime: ExportRuntime
        /// The package of ONNX Runtime Web for a page, an archive or a folder; None: it is fetched.
        RuntimePackage: string option
    }

type ConvertRequest =
    {
        /// A checkpoint of this program or its work folder, a PyTorch checkpoint, or weights of a backbone.
        In: string
        /// File to write; its ending decides the format.
        Out: string
        /// Settings file of the detector; None: its own, or found by its tensors.
        Config: string option
        /// Class names, separated by commas, or an annotation file.
        Classes: string option
        /// Whether the averaged weights are taken, of a checkpoint that holds both.
        Ema: bool
        /// Whether a detector's backbone is left out.
        Decoder: bool
        /// Whether numbers are written in half precision.
        Half: bool
    }

type InfoRequest =
    {
        /// A checkpoint file or a work folder.
        Checkpoint: string
        /// Work folders to compare it with on a page.
        Others: string[]
        /// HTML file for the training's page, in place of everything else.
        Page: string option
        /// Whether the averaged weights are told of, of a checkpoint that holds both.
        Ema: bool
        /// The size at which costs are counted; None: that of the model's own test images.
        Size: ImageSize option
    }

/// What can be timed.
type BenchmarkKind =
    /// One application of the refinement head.
    | [<Word "step">] StepBenchmark
    /// A whole prediction.
    | [<Word "image">] ImageBenchmark
    | [<Word "train">] TrainBenchmark
    | [<Word "loader">] LoaderBenchmark
    | [<Word "evaluate">] EvaluateBenchmark

type BenchRequest =
    {
        /// In the order in which they run, at least one.
        Benchmarks: BenchmarkKind[]
        /// Settings file of the model; None: the published model of 300 queries.
        Config: string option
        /// Checkpoint file or work folder, in place of random weights.
        Checkpoint: string option
        /// Queries in place of the model's own number.
        Queries: int option
        /// Size of the input; None: that of the model's test images.
        Size: ImageSize option
        /// Images of a batch.
        Images: int
        Precision: Precision
        /// Residual at which queries are settled; None: as the model has it.
        Tolerance: float option
        /// A TorchScript module of one application.
        Against: string option
        /// Folder of the data set that the loader reads; None: as the settings have it.
        Data: string option
        /// Pairs of runs, or runs; None: as many as fit into some seconds.
        Pairs: int option
        Seed: int
        Device: DeviceChoice
        /// Whether float32 products may be computed in TF32, on a GPU.
        Tf32: bool
        Threads: int option
        /// File for everything that was measured.
        Json: string option
    }

type DataCheckRequest =
    {
        /// Folder of the data set; None: the one that Config names, or Pairs.
        Folder: string option
        /// Settings file whose data section names the parts; None: they are found.
        Config: string option
        /// Annotation files with their image folders, where neither of the above is given.
        Pairs: SplitSettings[]
        /// Whether images are decoded, and not only their headers read.
        Decode: bool
        /// File for the whole report.
        Json: string option
    }

/// Formats in which data convert writes a data set.
[<RequireQualifiedAccess>]
type DataFormat =
    | [<Word "coco">] Coco
    | [<Word "yolo">] Yolo
    | [<Word "voc">] Voc
    | [<Word "labelme">] LabelMe

type DataConvertRequest =
    {
        /// Folder of the data set.
        Folder: string
        Format: DataFormat
        /// Folder to write, new or empty.
        Out: string
        /// Whether images become second names of the originals.
        Link: bool
    }

type DataSplitRequest =
    {
        /// Folder of the data set.
        Folder: string
        /// Folder to write, new or empty.
        Out: string
        /// Share of the images for validation.
        Val: float
        /// Share of the images for a test part; 0: there is none.
        Test: float
        Seed: int
        /// Regular expression: images whose names have equal matches stay together.
        By: string option
        /// Whether images become second names of the originals.
        Link: bool
    }

type DataMergeRequest =
    {
        /// Folders of the data sets.
        Folders: string[]
        /// Folder to write, new or empty.
        Out: string
        /// Whether images become second names of the originals.
        Link: bool
    }

type DataBrowseRequest =
    {
        /// Folder of the data set.
        Folder: string
        /// HTML file to write; None: named after the folder, in the current one.
        Out: string option
        /// Most images that are shown.
        Images: int option
    }

/// What a command line asks for.
type Request =
    | Train of TrainRequest
    | Launch of LaunchRequest
    | Test of TestRequest
    | Detect of DetectRequest
    | Serve of ServeRequest
    | Trace of TraceRequest
    | Evaluate of EvaluateRequest
    | Verify of VerifyRequest
    | Convert of ConvertRequest
    | Export of ExportRequest
    | Info of InfoRequest
    | Bench of BenchRequest
    | DataCheck of DataCheckRequest
    | DataConvert of DataConvertRequest
    | DataSplit of DataSplitRequest
    | DataMerge of DataMergeRequest
    | DataBrowse of DataBrowseRequest
    | Doctor
    /// Text to print.
    | Help of text: string
    | Version
