namespace DeqDet.CommandLine

open Argu
open DeqDet
open DeqDet.Kernels
open DeqDet.Model
open DeqDet.Settings
open DeqDet.Settings.Schema

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

[<RequireQualifiedAccess>]
type BenchArgument =
    | [<MainCommand;
        Unique;
        Explain("[step|image|train|loader|evaluate|all]",
                "What to time: one application of the refinement head, a whole prediction, training, the data loader, the COCO evaluation. Default: step.",
                "bench step")>] What of string
    | [<Unique;
        Explain("FILE",
                "Settings file of the model. Default: the published model of 300 queries.",
                "bench image --config configs/shapes.json")>] Config of string
    | [<Unique;
        Explain("CHECKPOINT",
                "Checkpoint file or work folder, in place of a model with random weights.",
                "bench image --checkpoint work/shapes")>] Checkpoint of string
    | [<Unique;
        Explain("N", "Queries of the model with random weights.", "bench step --queries 100");
        AtLeast 1;
        AtMost 10_000>] Queries of int
    | [<Unique;
        Explain("HxW",
                "Size of the input, px, multiples of 32. Default: that of the model's test images.",
                "bench step --size 512x512")>] Size of string
    | [<Unique; Explain("N", "Images of a batch. Default: 1.", "bench step --images 4"); AtLeast 1; AtMost 64>] Images of
        int
    | [<Unique;
        Explain("fp32|bf16|fp16",
                "Numbers in which our side computes; the plain side uses fp32. A training in bf16 or fp16 (GPUs only) is compared with ours in fp32. Default: fp32.",
                "bench train --precision bf16")>] Precision of string
    | [<Unique;
        Explain("T",
                "Times predictions also with early exit at this tolerance. Default: what the model says.",
                "bench image --checkpoint work/shapes --tolerance 0.1");
        Above 0>] Tolerance of float
    | [<Unique;
        Explain("MODULE.pt",
                "Also compares the step with a TorchScript module: (feat0, feat1, feat2, feat3, position, content, box) -> (position, content, box, logits).",
                "bench step --against stage.pt")>] Against of string
    | [<Unique;
        Explain("DIR",
                "Folder of the data set whose training images are loaded. Default: what the settings say.",
                "bench loader --data data/coco")>] Data of string
    | [<Unique;
        Explain("N",
                "Pairs of runs of each comparison, runs of what is not compared. Default: as many as fit into 20 s, from 3 to 30.",
                "bench step --pairs 10");
        AtLeast 1;
        AtMost 10_000>] Pairs of int
    | [<Unique; Explain("N", "Seed of everything random. Default: 0.", "bench step --seed 7"); AtLeast 0>] Seed of int
    | [<Unique;
        Explain("auto|cpu|cuda|cuda:N",
                "Where to compute. Default: auto, a GPU where there is one.",
                "bench step --device cpu")>] Device of string
    | [<Unique;
        Explain("",
                "On a GPU: float32 products and convolutions in TF32, with 10 bits of mantissa. Faster, and numbers differ.",
                "bench step --device cuda --tf32")>] Tf32
    | [<Unique;
        Explain("N", "Processor threads for tensor operations. Default: one a core.", "bench step --threads 1");
        AtLeast 1>] Threads of int
    | [<Unique; Explain("OUT", "Also writes everything that was measured.", "bench step --json bench.json")>] Json of
        string

    interface IArgParserTemplate with
        member argument.Usage = ExplainAttribute.Usage argument

/// The arguments of bench as its request.
module internal BenchParser =

    let request (results: ParseResults<BenchArgument>) : BenchRequest =
        let kinds = Words.all<BenchmarkKind>
        let what = results.GetResult(BenchArgument.What, "step")

        let benchmarks =
            match List.tryFind (fun (word, _) -> word = what) kinds with
            | Some(_, kind) -> [| kind |]
            | None when what = "all" -> [| for _, kind in kinds -> kind |]
            | None ->
                let names = (List.map fst kinds) @ [ "all" ]
                let nearest = Nearest.find names what |> Option.get
                let all = String.concat ", " names
                refuse $"bench: '{what}' is no benchmark; did you mean {nearest}? The benchmarks are {all}"

        let among kinds =
            benchmarks |> Array.exists (fun kind -> List.contains kind kinds)

        let ofModel = [ StepBenchmark; ImageBenchmark; TrainBenchmark ]

        // What a benchmark does not look at is refused rather than ignored.
        let onlyFor kinds words (given: (string * bool) list) =
            for name, isGiven in given do
                if isGiven && not (among kinds) then
                    refuse $"bench: {name} says nothing to {what}; it is for {words}"

        onlyFor
            ofModel
            "step, image and train"
            [
                "--checkpoint", results.Contains BenchArgument.Checkpoint
                "--queries", results.Contains BenchArgument.Queries
                "--size", results.Contains BenchArgument.Size
                "--images", results.Contains BenchArgument.Images
                "--device", results.Contains BenchArgument.Device
            ]

        onlyFor ofModel "step, image and train" [ "--precision", results.Contains BenchArgument.Precision ]

        let numbers =
            match results.GetResult(BenchArgument.Precision, "fp32") with
            | "fp16" when not (among [ StepBenchmark; ImageBenchmark ]) -> Precision.Fp16
            | "fp16" -> refuse "bench: --precision fp16 is for train alone; predictions take fp32 or bf16"
            | "bf16" -> Precision.Bf16
            | "fp32" -> Precision.Fp32
            | name when among [ StepBenchmark; ImageBenchmark ] -> invalid "--precision" name "fp32 or bf16" "bf16"
            | name -> invalid "--precision" name "fp32, bf16 or fp16" "bf16"

        onlyFor [ ImageBenchmark ] "image" [ "--tolerance", results.Contains BenchArgument.Tolerance ]
        onlyFor [ StepBenchmark ] "step" [ "--against", results.Contains BenchArgument.Against ]
        onlyFor [ LoaderBenchmark ] "loader" [ "--data", results.Contains BenchArgument.Data ]

        onlyFor
            (LoaderBenchmark :: ofModel)
            "step, image, train and loader"
            [
                "--config", results.Contains BenchArgument.Config
                "--seed", results.Contains BenchArgument.Seed
            ]

        for name, given in
            [
                "--config", results.Contains BenchArgument.Config
                "--queries", results.Contains BenchArgument.Queries
            ] do
            if given && results.Contains BenchArgument.Checkpoint then
                refuse $"bench: {name} and --checkpoint exclude each other: a checkpoint has its own"

        {
            Benchmarks = benchmarks
            Config = results.TryGetResult BenchArgument.Config
            Checkpoint = results.TryGetResult BenchArgument.Checkpoint
            Queries = results.TryGetResult BenchArgument.Queries
            Size = results.TryGetResult BenchArgument.Size |> Option.map size
            Images = results.GetResult(BenchArgument.Images, 1)
            Precision = numbers
            Tolerance = results.TryGetResult BenchArgument.Tolerance
            Against = results.TryGetResult BenchArgument.Against
            Data = results.TryGetResult BenchArgument.Data
            Pairs = results.TryGetResult BenchArgument.Pairs
            Seed = results.GetResult(BenchArgument.Seed, 0)
            Device = deviceOf (results.TryGetResult BenchArgument.Device)
            Tf32 = results.Contains BenchArgument.Tf32
            Threads = results.TryGetResult BenchArgument.Threads
            Json = results.TryGetResult BenchArgument.Json
        }
