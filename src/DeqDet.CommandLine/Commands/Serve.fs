namespace DeqDet.CommandLine

open Argu
open DeqDet
open DeqDet.Model

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

[<RequireQualifiedAccess>]
type ServeArgument =
    | [<MainCommand;
        Unique;
        Explain("CHECKPOINT",
                "Checkpoint file or work folder; or the folder of a page (export --for web), whose files are given out.",
                "serve work/shapes")>] Checkpoint of string
    | [<Unique;
        Explain("N", "Port to listen at; 0: any that is free. Default: 8000.", "serve work/shapes --port 8080");
        AtLeast 0;
        AtMost 65535>] Port of int
    | [<Unique;
        Explain("IP",
                "Address to listen at: 0.0.0.0 for everybody who reaches this machine, without passwords or encryption. Default: 127.0.0.1, this machine alone.",
                "serve work/shapes --address 0.0.0.0")>] Address of string
    | [<Unique;
        Explain("T",
                "Least score of a detection where a request has none, 0 to 1. Default: for each class that of the best F1 in its validation, 0.3 where the checkpoint has none.",
                "serve work/shapes --threshold 0.5");
        AtLeast 0;
        AtMost 1>] Threshold of float
    | [<Unique;
        Explain("N",
                "Most pictures that go through the network together. Default: what the checkpoint says (evaluation.batch_size).",
                "serve work/shapes --batch-size 8");
        AtLeast 1;
        AtMost 1024>] Batch_Size of int
    | [<Unique;
        Explain("MS",
                "Milliseconds that the first picture of a batch waits for others. Default: 5.",
                "serve work/shapes --batch-window 0");
        AtLeast 0;
        AtMost 1000>] Batch_Window of float
    | [<Unique;
        Explain("N",
                "Most pictures that wait; more are asked to come back (429). Default: 64.",
                "serve work/shapes --queue 200");
        AtLeast 1;
        AtMost 100_000>] Queue of int
    | [<Unique;
        Explain("S",
                "Seconds that a picture may take to arrive, and then to be answered. Default: 30.",
                "serve work/shapes --timeout 60");
        Above 0;
        AtMost 3600>] Timeout of float
    | [<Unique;
        Explain("MB",
                "Largest body of a request, in units of 2^20 bytes. Default: 32.",
                "serve work/shapes --max-body 8");
        AtLeast 1;
        AtMost 1024>] Max_Body of int
    | [<Unique;
        Explain("N",
                "Most pixels of a picture, in millions; larger ones are refused undecoded. Default: 50.",
                "serve work/shapes --max-pixels 12");
        Above 0;
        AtMost 100>] Max_Pixels of float
    | [<Unique;
        Explain("MB",
                "What all requests together may hold, in units of 2^20 bytes: their bodies and pixels. Default: 512.",
                "serve work/shapes --memory 1024");
        AtLeast 1;
        AtMost 1_000_000>] Memory of int
    | [<Unique;
        Explain("picard|anderson|broyden",
                "How the equilibrium is found. Default: what the checkpoint says, picard in published models.",
                "serve work/shapes --solver anderson --tolerance 0.01")>] Solver of string
    | [<Unique;
        Explain("N",
                "Refinement steps, at most; one more is read out. Default: what the checkpoint says.",
                "serve work/shapes --steps 40");
        AtLeast 1>] Steps of int
    | [<Unique;
        Explain("T",
                "Stops refining a query when its box moves by less than T of its size and its content by less than T of its length, where a request has no tolerance. Default: none, every query takes all steps.",
                "serve work/shapes --tolerance 0.01");
        Above 0>] Tolerance of float
    | [<Unique;
        Explain("MS",
                "Milliseconds that the refinement of a picture may take; the state reached by then is read out. Pictures then go one by one.",
                "serve work/shapes --budget-ms 50");
        Above 0>] Budget_Ms of float
    | [<Unique;
        Explain("fp32|bf16",
                "Numbers to compute with: bf16 is faster where the processor has instructions for it. Default: what the checkpoint says, fp32 unless set.",
                "serve work/shapes --precision bf16")>] Precision of string
    | [<Unique;
        Explain("auto|cpu|cuda|cuda:N",
                "Where to compute. Default: auto, a GPU where there is one.",
                "serve work/shapes --device cpu")>] Device of string
    | [<Unique;
        Explain("",
                "On a GPU: float32 products and convolutions in TF32, with 10 bits of mantissa. Faster, and numbers differ.",
                "serve work/shapes --device cuda --tf32")>] Tf32
    | [<Unique;
        Explain("N", "Processor threads for tensor operations. Default: one a core.", "serve work/shapes --threads 2");
        AtLeast 1>] Threads of int
    | [<Unique;
        Explain("", "Takes the averaged weights (EMA) of a checkpoint that holds both.", "serve work/shapes --ema")>] Ema

    interface IArgParserTemplate with
        member argument.Usage = ExplainAttribute.Usage argument

/// The arguments of serve as its request.
module internal ServeParser =

    let request (results: ParseResults<ServeArgument>) : ServeRequest =
        match results.TryGetResult ServeArgument.Checkpoint with
        | None -> refuse "serve: name a checkpoint file or work folder; for example: serve work/shapes"
        | Some checkpoint ->
            {
                Checkpoint = checkpoint
                Port = results.GetResult(ServeArgument.Port, 8000)
                Address = results.GetResult(ServeArgument.Address, "127.0.0.1")
                Threshold = results.TryGetResult ServeArgument.Threshold
                BatchSize = results.TryGetResult ServeArgument.Batch_Size
                BatchWindow = results.TryGetResult ServeArgument.Batch_Window
                Queue = results.TryGetResult ServeArgument.Queue
                Timeout = results.TryGetResult ServeArgument.Timeout
                MaxBody = results.TryGetResult ServeArgument.Max_Body
                MaxPixels = results.TryGetResult ServeArgument.Max_Pixels
                Memory = results.TryGetResult ServeArgument.Memory
                Solver =
                    solver
                        (results.TryGetResult ServeArgument.Solver)
                        (results.TryGetResult ServeArgument.Steps)
                        (results.TryGetResult ServeArgument.Tolerance)
                        (results.TryGetResult ServeArgument.Budget_Ms)
                Precision = results.TryGetResult ServeArgument.Precision |> Option.map numbersOf
                Device = deviceOf (results.TryGetResult ServeArgument.Device)
                Tf32 = results.Contains ServeArgument.Tf32
                Threads = results.TryGetResult ServeArgument.Threads
                Ema = results.Contains ServeArgument.Ema
            }
