namespace DeqDet.CommandLine

open Argu
open DeqDet
open DeqDet.Model

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

[<RequireQualifiedAccess>]
type TestArgument =
    | [<MainCommand; Unique; Explain("CHECKPOINT", "Checkpoint file or work folder.", "test work/shapes")>] Checkpoint of
        string
    | [<Unique;
        Explain("DIR", "Folder of the data set, if it has moved since training.", "test work/bccd --data ../data/bccd")>] Data of
        string
    | [<Unique;
        Explain("FILE",
                "Annotation file of the images to test on; one without annotations gives --out and no table. Default: the validation part of the settings.",
                "test work/bccd --annotations test.json --images pictures")>] Annotations of string
    | [<Unique;
        Explain("DIR",
                "Folder of the images to test on. Default: that of the validation part of the settings.",
                "test work/bccd --annotations test.json --images pictures")>] Images of string
    | [<Unique;
        Explain("RESULTS.json",
                "Also writes the detections in COCO's results format.",
                "test work/shapes --out results.json")>] Out of string
    | [<Unique;
        Explain("picard|anderson|broyden",
                "How the equilibrium is found. Default: what the checkpoint says, picard in published models.",
                "test work/shapes --solver anderson --tolerance 0.01")>] Solver of string
    | [<Unique;
        Explain("N",
                "Refinement steps, at most; one more is read out. Default: what the checkpoint says.",
                "test work/shapes --steps 40");
        AtLeast 1>] Steps of int
    | [<Unique;
        Explain("T",
                "Stops refining a query when its box moves by less than T of its size and its content by less than T of its length. Default: none, every query takes all steps.",
                "test work/shapes --tolerance 0.01");
        Above 0>] Tolerance of float
    | [<Unique;
        Explain("MS",
                "Milliseconds that the refinement of one batch of images may take; the state reached by then is read out.",
                "test work/shapes --budget-ms 50");
        Above 0>] Budget_Ms of float
    | [<Unique;
        Explain("fp32|bf16",
                "Numbers to compute with: bf16 is faster where the processor has instructions for it. Default: what the checkpoint says, fp32 unless set.",
                "test work/shapes --precision bf16")>] Precision of string
    | [<Unique;
        Explain("OUT.html",
                "Also writes a page for the browser: mistakes, curves, confusion, the worst images.",
                "test work/shapes --report report.html")>] Report of string
    | [<Unique;
        Explain("N",
                "How many of the worst images the page shows, 0 to 200. Default: 24.",
                "test work/shapes --report report.html --report-images 50");
        AtLeast 0;
        AtMost 200>] Report_Images of int
    | [<Unique;
        Explain("auto|cpu|cuda|cuda:N",
                "Where to compute. Default: auto, a GPU where there is one.",
                "test work/shapes --device cpu")>] Device of string
    | [<Unique;
        Explain("",
                "On a GPU: float32 products and convolutions in TF32, with 10 bits of mantissa. Faster, and numbers differ.",
                "test work/shapes --device cuda --tf32")>] Tf32
    | [<Unique;
        Explain("N", "Processor threads for tensor operations. Default: one a core.", "test work/shapes --threads 2");
        AtLeast 1>] Threads of int
    | [<Unique;
        Explain("", "Takes the averaged weights (EMA) of a checkpoint that holds both.", "test work/shapes --ema")>] Ema

    interface IArgParserTemplate with
        member argument.Usage = ExplainAttribute.Usage argument

/// The arguments of test as its request.
module internal TestParser =

    let request (results: ParseResults<TestArgument>) : TestRequest =
        match results.TryGetResult TestArgument.Checkpoint with
        | None -> refuse "test: name a checkpoint file or work folder; for example: test work/shapes"
        | Some checkpoint ->
            needs
                "test"
                "--report-images"
                (results.Contains TestArgument.Report_Images)
                "--report"
                (results.Contains TestArgument.Report)

            {
                Checkpoint = checkpoint
                Data = results.TryGetResult TestArgument.Data
                Annotations = results.TryGetResult TestArgument.Annotations
                Images = results.TryGetResult TestArgument.Images
                Out = results.TryGetResult TestArgument.Out
                Solver =
                    solver
                        (results.TryGetResult TestArgument.Solver)
                        (results.TryGetResult TestArgument.Steps)
                        (results.TryGetResult TestArgument.Tolerance)
                        (results.TryGetResult TestArgument.Budget_Ms)

                Report = results.TryGetResult TestArgument.Report
                ReportImages = results.TryGetResult TestArgument.Report_Images
                Precision = results.TryGetResult TestArgument.Precision |> Option.map numbersOf
                Device = deviceOf (results.TryGetResult TestArgument.Device)
                Tf32 = results.Contains TestArgument.Tf32
                Threads = results.TryGetResult TestArgument.Threads
                Ema = results.Contains TestArgument.Ema
            }
