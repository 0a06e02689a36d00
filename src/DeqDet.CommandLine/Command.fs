namespace DeqDet.CommandLine

open Argu

/// The commands; their explanations follow "deqdet NAME".
[<RequireQualifiedAccess>]
type Command =
    | [<CliPrefix(CliPrefix.None);
        Explain("", "trains a detector, evaluates it after each epoch, and says how to see it at work.", "train")>] Train of
        ParseResults<TrainArgument>
    | [<CliPrefix(CliPrefix.None);
        Explain("",
                "trains in several processes of this machine together, by its MPI.",
                "launch -n 2 train configs/bccd.json")>] Launch of ParseResults<LaunchArgument>
    | [<CliPrefix(CliPrefix.None);
        Explain("", "gives the COCO table of a checkpoint on its validation images.", "test work/shapes")>] Test of
        ParseResults<TestArgument>
    | [<CliPrefix(CliPrefix.None);
        Explain("",
                "finds objects in images: results as JSON, and annotated pictures. Alone it shows what comes with the program.",
                "detect work/shapes photo.jpg")>] Detect of ParseResults<DetectArgument>
    | [<CliPrefix(CliPrefix.None);
        Explain("",
                "answers requests over HTTP: pictures in, detections out; with a page to drop a picture on.",
                "serve work/shapes")>] Serve of ParseResults<ServeArgument>
    | [<CliPrefix(CliPrefix.None);
        Explain("",
                "shows whether, how fast and how usefully a detector's queries settle: a page, figures and tables.",
                "trace work/shapes")>] Trace of ParseResults<TraceArgument>
    | [<CliPrefix(CliPrefix.None);
        Explain("",
                "compares a results file with annotations, by COCO's rules.",
                "evaluate --ground-truth instances_val.json --detections results.json")>] Evaluate of
        ParseResults<EvaluateArgument>
    | [<CliPrefix(CliPrefix.None);
        Explain("",
                "computes golden files again and compares: does this machine still compute DEQDet?",
                "verify tests/golden")>] Verify of ParseResults<VerifyArgument>
    | [<CliPrefix(CliPrefix.None);
        Explain("",
                "brings official PyTorch checkpoints here, ours there, and backbones into place.",
                "convert deqdet_r50_1x.pth deqdet_r50_1x.safetensors")>] Convert of ParseResults<ConvertArgument>
    | [<CliPrefix(CliPrefix.None);
        Explain("",
                "writes a detector as an ONNX file, for programs without this one.",
                "export work/shapes work/shapes/best.onnx")>] Export of ParseResults<ExportArgument>
    | [<CliPrefix(CliPrefix.None);
        Explain("", "tells what a checkpoint holds and how it was trained.", "info work/shapes")>] Info of
        ParseResults<InfoArgument>
    | [<CliPrefix(CliPrefix.None);
        Explain("",
                "times steps, predictions and training against the plain computation or somebody else's module, side by side.",
                "bench step")>] Bench of ParseResults<BenchArgument>
    | [<CliPrefix(CliPrefix.None);
        Explain("",
                "checks a data set, converts, divides or merges it, or makes a page of its images.",
                "data check data/bccd")>] Data of ParseResults<DataArgument>
    | [<SubCommand;
        CliPrefix(CliPrefix.None);
        Explain("",
                "checks this machine: versions, libtorch, devices, threads, and what to do about what is missing.",
                "doctor")>] Doctor

    interface IArgParserTemplate with
        member argument.Usage = ExplainAttribute.Usage argument
