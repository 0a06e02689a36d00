module DeqDet.Tests.ArgumentsTests

open System
open System.IO
open Expecto
open DeqDet
open DeqDet.Kernels
open DeqDet.Model
open DeqDet.Settings
open DeqDet.CommandLine
open DeqDet.Tests.SettingsFiles

let private parse (arguments: string list) : Request =
    RequestParser.parse (Array.ofList arguments)

let private plain: TrainRequest =
    {
        Config = None
        Data = None
        Set = [||]
        WorkDir = None
        Resume = Fresh
        From = None
        Device = Auto
        Seed = None
        Tf32 = false
        Threads = None
        MaxSteps = None
        Trial = None
    }

let private exported: ExportRequest =
    {
        Checkpoint = "work/x"
        Out = "a.onnx"
        Depth = SettingsDepth
        Opset = None
        Numbers = Fp32Numbers
        Runtime = StandardRuntime
        RuntimePackage = None
    }

let private evaluation: EvaluateRequest =
    {
        GroundTruth = "gt.json"
        Detections = "dt.json"
        Json = None
        IouThresholds = None
        AreaRanges = None
        MaxDetections = None
        ImageIds = None
        CategoryIds = None
        ClassAgnostic = false
        Report = None
        ImagesFrom = None
        ReportImages = None
        AtScore = None
        AtIou = None
        Strict = false
    }

/// Nothing of how the equilibrium is solved for is changed.
let private asIs: SolverRequest =
    {
        Scheme = None
        Steps = None
        Tolerance = None
        BudgetMs = None
    }

let private tested: TestRequest =
    {
        Checkpoint = "w"
        Solver = asIs
        Data = None
        Annotations = None
        Images = None
        Out = None
        Report = None
        ReportImages = None
        Precision = None
        Device = Auto
        Tf32 = false
        Threads = None
        Ema = false
    }

let private detected: DetectRequest =
    {
        Checkpoint = Some "w"
        Images = [| "a.jpg" |]
        Out = "detections"
        Tiles = None
        Overlap = 0.2
        Formats = [||]
        Threshold = None
        Solver = asIs
        WarmStart = false
        Refinement = false
        Precision = None
        Device = Auto
        Tf32 = false
        Threads = None
        Ema = false
    }

let private served: ServeRequest =
    {
        Checkpoint = "w"
        Port = 8000
        Address = "127.0.0.1"
        Threshold = None
        BatchSize = None
        BatchWindow = None
        Queue = None
        Timeout = None
        MaxBody = None
        MaxPixels = None
        Memory = None
        Solver = asIs
        Precision = None
        Device = Auto
        Tf32 = false
        Threads = None
        Ema = false
    }

let private trace: TraceRequest =
    {
        Checkpoint = "work/x"
        Images = [||]
        Data = None
        Out = "trace"
        Steps = 100
        ImageCount = 8
        Evaluated = 200
        Device = Auto
        Tf32 = false
        Threads = None
    }

let private bench: BenchRequest =
    {
        Benchmarks = [| StepBenchmark |]
        Config = None
        Checkpoint = None
        Queries = None
        Size = None
        Images = 1
        Precision = Precision.Fp32
        Tolerance = None
        Against = None
        Data = None
        Pairs = None
        Seed = 0
        Device = Auto
        Tf32 = false
        Threads = None
        Json = None
    }

let private files = [ "--ground-truth"; "gt.json"; "--detections"; "dt.json" ]

let private dataCheck: DataCheckRequest =
    {
        Folder = Some "data/bccd"
        Config = None
        Pairs = [||]
        Decode = false
        Json = None
    }

/// Command lines and what they mean.
let private understood =
    [
        [ "data"; "check"; "data/bccd" ], Request.Data(DataRequest.Check dataCheck)
        [
            "data"
            "check"
            "--decode"
            "data/bccd"
            "--config"
            "c.json"
            "--json"
            "out.json"
        ],
        Request.Data(
            DataRequest.Check
                { dataCheck with
                    Config = Some "c.json"
                    Decode = true
                    Json = Some "out.json"
                }
        )
        [
            "data"
            "check"
            "--annotations"
            "a.json"
            "--images"
            "x"
            "--annotations"
            "b.json"
            "--images"
            "y"
        ],
        Request.Data(
            DataRequest.Check
                { dataCheck with
                    Folder = None
                    Pairs =
                        [|
                            { Annotations = "a.json"; Images = "x" }
                            { Annotations = "b.json"; Images = "y" }
                        |]
                }
        )
        [ "train" ], Request.Train plain
        [ "train"; "configs/bccd.json"; "--data"; "../data/my cells" ],
        Request.Train
            { plain with
                Config = Some "configs/bccd.json"
                Data = Some "../data/my cells"
            }
        [
            "train"
            "--set"
            "a.b=[1,2]"
            "c.json"
            "--set"
            "data.root=/x y"
            "--set=e=-1=2"
        ],
        Request.Train
            { plain with
                Config = Some "c.json"
                Set = [| "a.b=[1,2]"; "data.root=/x y"; "e=-1=2" |]
            }
        [ "train"; "--resume" ], Request.Train { plain with Resume = Latest }
        [ "train"; "--resume"; "--seed"; "7" ],
        Request.Train
            { plain with
                Resume = Latest
                Seed = Some 7
            }
        [ "train"; "--resume"; "work/x" ], Request.Train { plain with Resume = From "work/x" }
        [
            "train"
            "--device"
            "cuda"
            "--threads"
            "2"
            "--max-steps"
            "20"
            "--work-dir"
            "w"
        ],
        Request.Train
            { plain with
                Device = Cuda 0
                Threads = Some 2
                MaxSteps = Some 20
                WorkDir = Some "w"
            }
        [ "train"; "--device=cuda:3" ], Request.Train { plain with Device = Cuda 3 }
        [ "train"; "--from"; "work/x" ], Request.Train { plain with From = Some "work/x" }
        [ "train"; "--device"; "cpu" ], Request.Train { plain with Device = Cpu }
        [ "train"; "test" ], Request.Train { plain with Config = Some "test" }
        [ "train"; "--dry-run" ], Request.Train { plain with Trial = Some DryRun }
        [ "train"; "--overfit"; "8"; "--max-steps"; "50" ],
        Request.Train
            { plain with
                Trial = Some(Overfit 8)
                MaxSteps = Some 50
            }
        for arguments in
            [
                [ "launch"; "-n"; "2"; "train"; "c.json"; "--seed"; "7" ]
                [ "launch"; "--processes=2"; "--"; "train"; "c.json"; "--seed"; "7" ]
            ] do
            arguments,
            Request.Launch
                {
                    Processes = 2
                    MpiRun = None
                    Train =
                        { plain with
                            Config = Some "c.json"
                            Seed = Some 7
                        }
                    Command = [| "train"; "c.json"; "--seed"; "7" |]
                }
        [ "launch"; "--mpirun"; "m"; "-n"; "3"; "train"; "--threads"; "4" ],
        Request.Launch
            {
                Processes = 3
                MpiRun = Some "m"
                Train = { plain with Threads = Some 4 }
                Command = [| "train"; "--threads"; "4" |]
            }
        [ "test"; "work/x"; "--out"; "r.json"; "--data"; "d" ],
        Request.Test
            { tested with
                Checkpoint = "work/x"
                Data = Some "d"
                Out = Some "r.json"
            }
        [ "test"; "w"; "--report"; "r.html"; "--report-images=0" ],
        Request.Test
            { tested with
                Report = Some "r.html"
                ReportImages = Some 0
            }
        [
            "test"
            "w"
            "--annotations"
            "test.json"
            "--images"
            "pictures"
            "--device=cpu"
            "--threads"
            "3"
            "--ema"
        ],
        Request.Test
            { tested with
                Annotations = Some "test.json"
                Images = Some "pictures"
                Device = Cpu
                Threads = Some 3
                Ema = true
            }
        [ "test"; "--images"; "pictures"; "w" ], Request.Test { tested with Images = Some "pictures" }
        [ "detect"; "--threshold"; "0.5"; "w"; "a.jpg"; "--out"; "o"; "b.jpg"; "c" ],
        Request.Detect
            { detected with
                Images = [| "a.jpg"; "b.jpg"; "c" |]
                Out = "o"
                Threshold = Some 0.5
            }
        [ "detect"; "w"; "a.jpg" ], Request.Detect detected
        [ "detect"; "--refinement"; "--out"; "o" ],
        Request.Detect
            { detected with
                Checkpoint = None
                Images = [||]
                Out = "o"
                Refinement = true
            }
        [ "serve"; "w" ], Request.Serve served
        [
            "serve"
            "w"
            "--port"
            "0"
            "--batch-window"
            "0"
            "--max-pixels"
            "1.5"
            "--tolerance"
            "0.1"
        ],
        Request.Serve
            { served with
                Port = 0
                BatchWindow = Some 0.0
                MaxPixels = Some 1.5
                Solver = { asIs with Tolerance = Some 0.1 }
            }
        [
            "detect"
            "w"
            "a.jpg"
            "--format"
            "yolo, csv"
            "--format"
            "labelme"
            "--format"
            "yolo"
        ],
        Request.Detect
            { detected with
                Formats = [| ResultFormat.Yolo; ResultFormat.Csv; ResultFormat.LabelMe |]
            }
        [ "data"; "convert"; "in"; "--to"; "voc"; "out" ],
        Request.Data(
            DataRequest.Convert
                {
                    Folder = "in"
                    Format = DataFormat.Voc
                    Out = "out"
                    Link = false
                    LeaveOutDamaged = false
                }
        )
        [ "data"; "convert"; "--link"; "in"; "--leave-out-damaged"; "out"; "--to=coco" ],
        Request.Data(
            DataRequest.Convert
                {
                    Folder = "in"
                    Format = DataFormat.Coco
                    Out = "out"
                    Link = true
                    LeaveOutDamaged = true
                }
        )
        [ "data"; "browse"; "in" ],
        Request.Data(
            DataRequest.Browse
                {
                    Folder = "in"
                    Out = None
                    Images = None
                }
        )
        [ "data"; "browse"; "in"; "--out"; "a.html"; "--most"; "20" ],
        Request.Data(
            DataRequest.Browse
                {
                    Folder = "in"
                    Out = Some "a.html"
                    Images = Some 20
                }
        )
        [ "detect"; "--ema"; "w"; "--device"; "cuda:1"; "a.jpg"; "--threads=4" ],
        Request.Detect
            { detected with
                Device = Cuda 1
                Threads = Some 4
                Ema = true
            }
        [
            "detect"
            "w"
            "a.jpg"
            "--solver"
            "anderson"
            "--steps=40"
            "--tolerance"
            "0.01"
            "--budget-ms"
            "5"
            "--warm-start"
        ],
        Request.Detect
            { detected with
                Solver =
                    {
                        Scheme = Some AndersonScheme
                        Steps = Some 40
                        Tolerance = Some 0.01
                        BudgetMs = Some 5.0
                    }
                WarmStart = true
            }
        [ "trace"; "work/x" ], Request.Trace trace
        [
            "trace"
            "w"
            "a.jpg"
            "--data"
            "d"
            "--out"
            "o"
            "--steps"
            "300"
            "--images"
            "2"
            "--evaluated"
            "50"
            "--device"
            "cpu"
            "--threads"
            "1"
        ],
        Request.Trace
            {
                Checkpoint = "w"
                Images = [| "a.jpg" |]
                Data = Some "d"
                Out = "o"
                Steps = 300
                ImageCount = 2
                Evaluated = 50
                Tf32 = false
                Device = Cpu
                Threads = Some 1
            }
        "evaluate" :: files, Request.Evaluate evaluation
        "evaluate" :: files
        @ [
            "--json"
            "o.json"
            "--iou-thresholds"
            "0.5, 0.75"
            "--area-range"
            "a=0:9"
            "--area-range"
            "b=9:"
        ],
        Request.Evaluate
            { evaluation with
                Json = Some "o.json"
                IouThresholds = Some [| 0.5; 0.75 |]
                AreaRanges = Some [| "a=0:9"; "b=9:" |]
            }
        "evaluate" :: files
        @ [
            "--max-detections"
            "1,300"
            "--images"
            "900100000257"
            "--categories"
            "1,-2"
            "--class-agnostic"
        ],
        Request.Evaluate
            { evaluation with
                MaxDetections = Some [| 1; 300 |]
                ImageIds = Some [| CocoId 900100000257L |]
                CategoryIds = Some [| CocoId 1L; CocoId -2L |]
                ClassAgnostic = true
            }
        "evaluate" :: files @ [ "--images"; "7,\"7\",\"0001_a\"" ],
        Request.Evaluate
            { evaluation with
                ImageIds = Some [| CocoId 7L; CocoId "7"; CocoId "0001_a" |]
            }
        "evaluate" :: files
        @ [
            "--report"
            "r.html"
            "--images-from"
            "my images"
            "--report-images"
            "50"
            "--at-score"
            "-1.5"
            "--at-iou=0.75"
        ],
        Request.Evaluate
            { evaluation with
                Report = Some "r.html"
                ImagesFrom = Some "my images"
                ReportImages = Some 50
                AtScore = Some -1.5
                AtIou = Some 0.75
            }
        "evaluate" :: files @ [ "--strict" ], Request.Evaluate { evaluation with Strict = true }
        "evaluate" :: files @ [ "--json"; "o.json"; "--at-iou"; "1" ],
        Request.Evaluate
            { evaluation with
                Json = Some "o.json"
                AtIou = Some 1.0
            }
        [ "verify"; "g" ],
        Request.Verify
            {
                Folder = "g"
                Checkpoint = None
                Data = None
                Tf32 = false
                Only = None
                Device = Auto
                Json = None
            }
        [
            "verify"
            "--only=train"
            "g"
            "--device"
            "cpu"
            "--tf32"
            "--json"
            "o.json"
        ],
        Request.Verify
            {
                Folder = "g"
                Checkpoint = None
                Data = None
                Tf32 = true
                Only = Some "train"
                Device = Cpu
                Json = Some "o.json"
            }
        [ "verify"; "a.onnx"; "--checkpoint"; "work/x"; "--data=data/shapes" ],
        Request.Verify
            {
                Folder = "a.onnx"
                Checkpoint = Some "work/x"
                Data = Some "data/shapes"
                Tf32 = false
                Only = None
                Device = Auto
                Json = None
            }
        [ "export"; "work/x"; "a.onnx" ], Request.Export exported
        [
            "export"
            "--steps"
            "5"
            "work/x"
            "a.onnx"
            "--opset=17"
            "--fp16"
            "--for"
            "tensorrt"
        ],
        Request.Export
            { exported with
                Depth = StepsDepth 5
                Opset = Some 17
                Numbers = Fp16Numbers
                Runtime = TensorRtRuntime
            }
        [ "export"; "work/x"; "a.onnx"; "--tolerance"; "0.01"; "--int8"; "--for=web" ],
        Request.Export
            { exported with
                Depth = ToleranceDepth 0.01
                Numbers = Int8Numbers
                Runtime = WebRuntime
            }
        [ "export"; "work/x"; "page"; "--for"; "web"; "--runtime"; "a.tgz" ],
        Request.Export
            { exported with
                Out = "page"
                Runtime = WebRuntime
                RuntimePackage = Some "a.tgz"
            }
        [
            "convert"
            "a.pth"
            "b.safetensors"
            "--classes"
            "cat,dog"
            "--config=c.json"
        ],
        Request.Convert
            {
                In = "a.pth"
                Out = "b.safetensors"
                Config = Some "c.json"
                Classes = Some "cat,dog"
                Ema = false
                Decoder = false
                Half = false
            }
        [ "convert"; "--ema"; "--decoder"; "--fp16"; "a.pth"; "b.pth" ],
        Request.Convert
            {
                In = "a.pth"
                Out = "b.pth"
                Config = None
                Classes = None
                Ema = true
                Decoder = true
                Half = true
            }
        [ "info"; "work/shapes" ],
        Request.Info
            {
                Checkpoint = "work/shapes"
                Others = [||]
                Page = None
                Ema = false
                Size = None
            }
        [ "info"; "work/a"; "work/b"; "--page"; "p.html" ],
        Request.Info
            {
                Checkpoint = "work/a"
                Others = [| "work/b" |]
                Page = Some "p.html"
                Ema = false
                Size = None
            }
        [ "info"; "a.pth"; "--ema"; "--size"; "800x1344" ],
        Request.Info
            {
                Checkpoint = "a.pth"
                Others = [||]
                Page = None
                Ema = true
                Size = Some { Height = 800; Width = 1344 }
            }
        [ "doctor" ], Request.Doctor
        [ "bench" ], Request.Bench bench
        "bench step --queries 100 --size 512x640 --precision bf16 --threads 2 --against m.pt --json o.json --pairs 9 --seed 3 --config c.json --device cpu --images 2"
            .Split
            ' '
        |> List.ofArray,
        Request.Bench
            { bench with
                Queries = Some 100
                Size = Some { Height = 512; Width = 640 }
                Precision = Precision.Bf16
                Threads = Some 2
                Against = Some "m.pt"
                Json = Some "o.json"
                Pairs = Some 9
                Seed = 3
                Config = Some "c.json"
                Device = Cpu
                Images = 2
            }
        [ "bench"; "image"; "--checkpoint"; "w"; "--tolerance"; "0.1" ],
        Request.Bench
            { bench with
                Benchmarks = [| ImageBenchmark |]
                Checkpoint = Some "w"
                Tolerance = Some 0.1
            }
        [ "bench"; "loader"; "--data"; "d"; "--seed"; "1" ],
        Request.Bench
            { bench with
                Benchmarks = [| LoaderBenchmark |]
                Data = Some "d"
                Seed = 1
            }
        [ "bench"; "evaluate"; "--pairs"; "2" ],
        Request.Bench
            { bench with
                Benchmarks = [| EvaluateBenchmark |]
                Pairs = Some 2
            }
        [
            "bench"
            "all"
            "--precision"
            "fp32"
            "--data"
            "d"
            "--against"
            "m.pt"
            "--tolerance"
            "1"
        ],
        Request.Bench
            { bench with
                Benchmarks =
                    [|
                        StepBenchmark
                        ImageBenchmark
                        TrainBenchmark
                        LoaderBenchmark
                        EvaluateBenchmark
                    |]
                Data = Some "d"
                Against = Some "m.pt"
                Tolerance = Some 1.0
            }
        [ "--version" ], Request.Version
    ]

/// Command lines and what the complaint must hold.
let private refused =
    [
        [ "data" ], [ "data check" ]
        [ "data"; "show"; "x" ], [ "data check" ]
        [ "data"; "check" ], [ "--annotations FILE --images DIR" ]
        [ "data"; "check"; "a"; "b" ], [ "'b'" ]
        [ "data"; "check"; "--annotations"; "a.json" ], [ "1 of --annotations and 0 of --images" ]
        [ "data"; "check"; "x"; "--annotations"; "a.json"; "--images"; "y" ], [ "either" ]
        [ "verify" ], [ "verify: name a folder" ]
        [ "export" ], [ "export: name a checkpoint" ]
        [ "export"; "work/x" ], [ "export: name the ONNX file"; "work/x" ]
        [ "export"; "a"; "b.onnx"; "c" ], [ "'c' is one file too many" ]
        [ "export"; "a"; "b.onnx"; "--steps"; "0" ], [ "--steps 0"; "from 1 to 10000" ]
        [ "export"; "a"; "b.onnx"; "--tolerance"; "0" ], [ "--tolerance 0"; "above 0" ]
        [ "export"; "a"; "b.onnx"; "--tolerance"; "nan" ], [ "--tolerance nan"; "finite" ]
        [ "export"; "a"; "b.onnx"; "--steps"; "3"; "--tolerance"; "0.1" ], [ "one of the two" ]
        [ "export"; "a"; "b.onnx"; "--fp16"; "--int8" ], [ "one of the two" ]
        [ "export"; "a"; "b.onnx"; "--opset"; "16" ], [ "--opset 16"; "from 17 to 20" ]
        [ "export"; "a"; "b.onnx"; "--for"; "phone" ], [ "--for phone"; "standard, tensorrt or web" ]
        [ "convert"; "a.pth" ], [ "convert: name a file to write after a.pth" ]
        [ "convert"; "a"; "b"; "c" ], [ "convert: 'c' is one file too many" ]
        [ "info" ], [ "info: name a checkpoint" ]
        [ "info"; "a"; "b" ], [ "'b' is one argument too many"; "--page" ]
        [ "info"; "a"; "b"; "c"; "d"; "e"; "--page"; "p.html" ], [ "up to 4 trainings, not 5" ]
        [ "info"; "a"; "--page"; "p.html"; "--ema" ], [ "--ema says nothing to --page" ]
        [ "verify"; "g"; "--device"; "gpu" ], [ "--device gpu" ]
        [ "trian" ], [ "unknown command 'trian'"; "did you mean train?" ]
        [ "train"; "--from"; "a"; "--resume"; "b" ], [ "--from and --resume exclude each other" ]
        [ "train"; "--device-id"; "x" ], [ "train"; "'--device-id'"; "did you mean --device?" ]
        [ "train"; "--max-step=3" ], [ "'--max-step'"; "did you mean --max-steps?" ]
        [ "train"; "-s"; "3" ], [ "unknown argument '-s'" ]
        // Argu alone would take these for values, or for the shorter name that they begin with.
        "evaluate" :: files @ [ "--report-image=3" ], [ "'--report-image'"; "did you mean --report-images?" ]
        [ "detect"; "w"; "a.jpg"; "--treshold"; "0.5" ], [ "'--treshold'"; "did you mean --threshold?" ]
        [ "train"; "--resume"; "--sed"; "7" ], [ "unknown argument '--sed'" ]
        [ "detect"; "my work" ], [ "detect 'my work' photo.jpg" ]
        [ "train"; "--set" ], [ "--set needs a value, KEY=VALUE"; "for example" ]
        [ "train"; "--data"; "--seed"; "3" ], [ "--data needs a value, DIR" ]
        [ "train"; "--seed"; "x" ], [ "--seed x"; "whole number, at least 0" ]
        [ "train"; "--seed"; "-1" ], [ "--seed -1" ]
        [ "train"; "--seed"; "1"; "--seed"; "2" ], [ "'--seed'"; "more than once" ]
        [ "train"; "--threads"; "0" ], [ "--threads 0"; "at least 1" ]
        [ "train"; "--max-steps"; "1.5" ], [ "--max-steps 1.5" ]
        [ "train"; "--overfit"; "0" ], [ "--overfit 0"; "from 1 to 1000" ]
        [ "train"; "--overfit"; "3"; "--dry-run" ], [ "two things" ]
        [ "train"; "--dry-run"; "--resume" ], [ "--resume says nothing to --dry-run" ]
        [ "train"; "--dry-run"; "--max-steps"; "3" ], [ "--max-steps says nothing to --dry-run" ]
        [ "train"; "--overfit"; "3"; "--work-dir"; "w" ], [ "--work-dir says nothing to --overfit" ]
        [ "launch"; "-n"; "2"; "train"; "--dry-run" ], [ "one process" ]
        [ "train"; "--device"; "gpu" ], [ "--device gpu"; "auto, cpu, cuda or cuda:N" ]
        [ "train"; "--device"; "cuda:" ], [ "--device cuda:" ]
        [ "train"; "--device"; "cuda:-1" ], [ "--device cuda:-1" ]
        [ "launch" ], [ "launch -n 2 train" ]
        [ "launch"; "train" ], [ "how many processes" ]
        [ "launch"; "-n"; "2" ], [ "launch -n 2 train" ]
        [ "launch"; "-n"; "0"; "train" ], [ "--processes 0"; "from 1 to 1024" ]
        [ "launch"; "-n"; "train" ], [ "--processes train"; "whole number" ]
        [ "launch"; "-n"; "2"; "test"; "x" ], [ "only train"; "not test" ]
        // before what is wrong with the other command
        [ "launch"; "-n"; "2"; "detect"; "x" ], [ "only train"; "not detect" ]
        [ "launch"; "-n"; "2"; "train"; "--sed"; "7" ], [ "unknown argument '--sed'" ]
        [ "train"; "a.json"; "b.json" ], [ "'b.json' is one argument too many" ]
        [ "test" ], [ "test"; "checkpoint"; "for example" ]
        [ "test"; "a"; "b" ], [ "'b' is one argument too many" ]
        [ "detect"; "w" ], [ "detect w photo.jpg" ]
        [ "detect"; "my photo.JPG" ], [ "is an image"; "detect work/shapes 'my photo.JPG'" ]
        [ "detect"; "w"; "a.jpg"; "--refinement"; "--tiles"; "64" ], [ "--refinement and --tiles exclude each other" ]
        [ "detect"; "w"; "a.jpg"; "--refinement"; "--warm-start" ],
        [ "--refinement and --warm-start exclude each other" ]
        [ "detect"; "w"; "a"; "--format"; "yolo,pascal" ],
        [ "--format pascal"; "coco, yolo, yolo-conf, voc, labelme, csv" ]
        [ "detect"; "w"; "a"; "--format"; "jolo" ], [ "--format jolo"; "did you mean yolo?" ]
        [ "detect"; "w"; "a"; "--format"; "" ], [ "--format" ]
        [ "data"; "convert"; "in" ], [ "data convert: name the data set's folder and the folder to write" ]
        [ "data"; "convert"; "in"; "out" ], [ "say the format with --to" ]
        [ "data"; "convert"; "in"; "out"; "more"; "--to"; "voc" ], [ "'more' is one folder too many" ]
        [ "data"; "convert"; "in"; "out"; "--to"; "cocoa" ], [ "--to cocoa"; "did you mean coco?" ]
        [ "data"; "convert"; "in"; "out"; "--to"; "coco"; "--decode" ], [ "data convert: --decode says nothing to it" ]
        [ "data"; "browse" ], [ "data browse: name the data set's folder" ]
        [ "data"; "split"; "in" ], [ "data split: name the data set's folder and the folder to write" ]
        [ "data"; "split"; "in"; "out"; "--val"; "0.9"; "--test"; "0.1" ], [ "leave nothing to train on" ]
        [ "data"; "split"; "in"; "out"; "--to"; "coco" ], [ "data split: --to says nothing to it" ]
        [ "data"; "merge"; "in"; "out" ], [ "data merge: name two or more data sets and the folder to write" ]
        [ "data"; "merge"; "a"; "b"; "out"; "--seed"; "1" ], [ "data merge: --seed says nothing to it" ]
        [ "data"; "browse"; "in"; "out" ], [ "'out' is one folder too many" ]
        [ "data"; "browse"; "in"; "--most"; "0" ], [ "--most 0"; "from 1 to 5000" ]
        [ "data"; "check"; "in"; "--link" ], [ "data check: --link says nothing to it" ]
        [ "detect"; "w"; "a"; "--threshold"; "2" ], [ "--threshold 2"; "from 0 to 1" ]
        [ "detect"; "w"; "a"; "--threshold"; "nan" ], [ "--threshold nan" ]
        [ "detect"; "w"; "a"; "--tolerance"; "0" ], [ "--tolerance 0"; "above 0" ]
        [ "detect"; "w"; "a"; "--precision"; "fp16" ], [ "--precision fp16"; "fp32 or bf16" ]
        [ "test"; "w"; "--precision"; "BF16" ], [ "--precision BF16"; "fp32 or bf16" ]
        [ "detect"; "w"; "a"; "--budget-ms"; "inf" ], [ "--budget-ms inf"; "above 0" ]
        [ "test"; "w"; "--steps"; "0" ], [ "--steps 0"; "at least 1" ]
        [ "test"; "w"; "--solver"; "newton" ], [ "--solver newton"; "picard, anderson or broyden" ]
        [ "test"; "w"; "--threads"; "0" ], [ "--threads 0"; "at least 1" ]
        [ "test"; "w"; "--device"; "tpu" ], [ "--device tpu"; "auto, cpu, cuda or cuda:N" ]
        [ "test"; "w"; "--annotations" ], [ "test: --annotations needs a value, FILE" ]
        [ "test"; "w"; "--annotation"; "x" ], [ "did you mean --annotations?" ]
        [ "detect"; "w"; "a"; "--threads"; "two" ], [ "--threads two"; "at least 1" ]
        [ "detect"; "w"; "a"; "--device"; "cuda:x" ], [ "--device cuda:x" ]
        [ "info"; "w"; "--ema=yes" ], [ "info: --ema takes no value" ]
        for size in
            [
                "800"
                "800x"
                "x"
                "800x1344x3"
                "800x1333"
                "0x32"
                "-32x32"
                "32x 64"
                "32X64"
                "32x8224"
                "32x99999999999"
            ] do
            [ "info"; "w"; "--size"; size ], [ $"--size {size}"; "multiples of 32"; "--size 800x1344" ]
        [ "trace" ], [ "trace: name a checkpoint" ]
        [ "trace"; "w"; "--steps"; "0" ], [ "--steps 0"; "at least 1" ]
        [ "trace"; "w"; "--images"; "0" ], [ "--images 0"; "at least 1" ]
        [ "trace"; "w"; "--evaluated"; "x" ], [ "--evaluated x" ]
        [ "evaluate"; "--detections"; "x" ], [ "--ground-truth" ]
        [ "evaluate"; "--ground-truth"; "x" ], [ "--detections" ]
        "evaluate" :: files @ [ "--images"; "1,x" ], [ "--images 1,x" ]
        "evaluate" :: files @ [ "--strict"; "--strict" ], [ "--strict"; "more than once" ]
        "evaluate" :: files @ [ "--class-agnostic=1" ], [ "evaluate: --class-agnostic takes no value" ]
        "evaluate" :: files @ [ "--iou-thresholds"; "" ], [ "--iou-thresholds" ]
        "evaluate" :: files @ [ "--images-from"; "d" ], [ "--images-from says nothing without --report" ]
        "evaluate" :: files @ [ "--json"; "o"; "--report-images"; "3" ], [ "--report-images says nothing without" ]
        "evaluate" :: files @ [ "--at-score"; "0.5" ], [ "--at-score says nothing without --report or --json" ]
        "evaluate" :: files @ [ "--at-iou"; "0.5" ], [ "--at-iou says nothing without" ]
        "evaluate" :: files @ [ "--report"; "r"; "--at-iou"; "0.05" ], [ "--at-iou 0.05"; "0.1 to 1" ]
        "evaluate" :: files @ [ "--report"; "r"; "--at-score"; "nan" ], [ "--at-score nan"; "finite" ]
        "evaluate" :: files @ [ "--report"; "r"; "--report-images"; "201" ], [ "--report-images 201"; "0 to 200" ]
        "evaluate" :: files @ [ "--report" ], [ "--report needs a value, OUT.html" ]
        [ "test"; "w"; "--report-images"; "3" ], [ "test: --report-images says nothing without --report" ]
        [ "bench"; "stpe" ],
        [
            "'stpe' is no benchmark"
            "did you mean step?"
            "step, image, train, loader, evaluate, all"
        ]
        [ "bench"; "step"; "image" ], [ "'image' is one argument too many" ]
        [ "bench"; "--queries"; "0" ], [ "--queries 0"; "from 1 to 10000" ]
        [ "bench"; "--queries"; "many" ], [ "--queries many" ]
        [ "bench"; "--images"; "0" ], [ "--images 0"; "from 1 to 64" ]
        [ "bench"; "--pairs"; "0" ], [ "--pairs 0" ]
        [ "bench"; "--threads"; "0" ], [ "--threads 0" ]
        [ "bench"; "--seed"; "-1" ], [ "--seed -1" ]
        [ "bench"; "--size"; "800x1333" ], [ "--size 800x1333"; "multiples of 32" ]
        [ "bench"; "--precision"; "fp16" ], [ "--precision fp16"; "fp32 or bf16" ]
        [ "bench"; "image"; "--tolerance"; "0" ], [ "--tolerance 0"; "above 0" ]
        for other in [ "image"; "train"; "loader"; "evaluate" ] do
            [ "bench"; other; "--against"; "m.pt" ], [ $"--against says nothing to {other}"; "it is for step" ]
        for name, value in
            [
                "--queries", "3"
                "--size", "32x32"
                "--images", "2"
                "--checkpoint", "w"
                "--device", "cpu"
            ] do
            [ "bench"; "evaluate"; name; value ], [ $"{name} says nothing to evaluate" ]
            [ "bench"; "loader"; name; value ], [ $"{name} says nothing to loader"; "step, image and train" ]
        [ "bench"; "loader"; "--precision"; "bf16" ], [ "--precision says nothing to loader" ]
        [ "bench"; "image"; "--precision"; "fp16" ], [ "fp16 is for train alone" ]
        [ "bench"; "train"; "--precision"; "fp8" ], [ "--precision fp8"; "fp32, bf16 or fp16" ]
        [ "bench"; "step"; "--tolerance"; "1" ], [ "--tolerance says nothing to step" ]
        [ "bench"; "step"; "--data"; "d" ], [ "--data says nothing to step"; "loader" ]
        [ "bench"; "evaluate"; "--config"; "c" ], [ "--config says nothing to evaluate" ]
        [ "bench"; "--checkpoint"; "w"; "--queries"; "3" ], [ "--queries and --checkpoint exclude each other" ]
        [ "bench"; "--checkpoint"; "w"; "--config"; "c" ], [ "--config and --checkpoint exclude each other" ]
        [ "doctor"; "x" ], [ "doctor: takes no arguments"; "'x'" ]
        [ "doctor"; "--x" ], [ "'--x'" ]
    ]

let private helpOf (arguments: string list) : string =
    match parse arguments with
    | Request.Help text -> text
    | other -> failtest $"no help but {other}"

/// Exit code, standard output and standard error of the program.
let private run (arguments: string list) : int * string * string =
    let out, error = Console.Out, Console.Error
    use newOut = new StringWriter()
    use newError = new StringWriter()

    try
        Console.SetOut newOut
        Console.SetError newError
        let code = DeqDet.Host.Program.Main(Array.ofList arguments)
        code, newOut.ToString(), newError.ToString()
    finally
        Console.SetOut out
        Console.SetError error

[<Tests>]
let tests =
    testList
        "Command line"
        [
            for arguments, expected in understood do
                let line = String.concat " " arguments

                testCase $"'{line}' is understood"
                <| fun () -> Expect.equal (parse arguments) expected line
            for arguments, parts in refused do
                let line = String.concat " " arguments

                testCase $"'{line}' is refused"
                <| fun () -> expectParts (complaint (fun () -> parse arguments)) parts
            testCase "help of the program names every command with an example"
            <| fun () ->
                for arguments in [ []; [ "--help" ]; [ "-h" ]; [ "help" ] ] do
                    let text = helpOf arguments
                    expectParts text [ "Usage: "; "Exit codes: " ]

                    for command in [ "train"; "test"; "detect"; "trace"; "evaluate"; "bench"; "doctor" ] do
                        expectParts text [ $"\n  {command} "; $"Example: deqdet {command}" ]
            testCase "help of a command explains every argument with an example that is understood"
            <| fun () ->
                for command in Specification.commands.Value do
                    for text in [ helpOf [ command.Name; "--help" ]; helpOf [ command.Name; "x"; "-h"; "y" ] ] do
                        for argument in command.Arguments do
                            expectParts
                                text
                                [
                                    defaultArg argument.Name argument.Explain.Value
                                    $"Example: deqdet {argument.Explain.Example}"
                                ]

                    for argument in command.Arguments do
                        let example = argument.Explain.Example.Replace("...", String.concat " " files)

                        match parse (List.ofArray (example.Split ' ')) with
                        | Request.Help _ -> failtest $"'{example}' asks for help"
                        | _ -> ()
            testCase "no line of help is wider than a wide terminal"
            <| fun () ->
                for arguments in [] :: [ for command in Specification.commands.Value -> [ command.Name; "-h" ] ] do
                    for line in (helpOf arguments).Split '\n' do
                        Expect.isLessThanOrEqual line.Length 110 line
            testCase "--data and --seed go over the settings"
            <| fun () ->
                let request =
                    { plain with
                        Data = Some "d"
                        Seed = Some 5
                    }

                let over = request.Over Settings.defaults
                Expect.equal (over.Data.Root, over.Train.Seed) ("d", 5) "set"
                Expect.equal (plain.Over Settings.defaults) Settings.defaults "untouched"
            testSequenced
            <| testList
                "the program"
                [
                    testCase "help goes to standard output with exit code 0"
                    <| fun () ->
                        let code, out, error = run [ "train"; "--help" ]
                        Expect.equal (code, error) (0, "") "code and error"
                        Expect.equal out (helpOf [ "train"; "--help" ]) "help"
                    testCase "wrong usage goes to standard error in one line with exit code 2"
                    <| fun () ->
                        let code, out, error = run [ "train"; "--sed"; "3" ]
                        Expect.equal (code, out) (2, "") "code and output"
                        Expect.stringStarts error "error: train: unknown argument '--sed'" "message"
                        Expect.equal (error.TrimEnd().Split('\n').Length) 1 "lines"
                    testCase "wrong input has exit code 2"
                    <| fun () ->
                        let code, _, error =
                            run ([ "evaluate"; "--ground-truth"; "no-such.json"; "--detections"; "x.json" ])

                        Expect.equal code 2 "code"
                        expectParts error [ "error: "; "no-such.json" ]
                    testCase "a report that cannot be written, or that has no images, has exit code 2"
                    <| fun () ->
                        for extra, part in
                            [
                                [ "--report"; "no/such/folder/r.html" ], "there is no folder"
                                [ "--report"; "." ], "is a folder"
                                [ "--report"; "r.html"; "--images-from"; "no-such-folder" ], "no such image folder"
                            ] do
                            let code, _, error = run ("evaluate" :: files @ extra)
                            Expect.equal code 2 "code"
                            expectParts error [ "error: "; part ]
                    testCase "the version is printed"
                    <| fun () ->
                        let code, out, _ = run [ "--version" ]
                        Expect.equal code 0 "code"
                        Expect.stringStarts out "deqdet " "version"
                ]
        ]
