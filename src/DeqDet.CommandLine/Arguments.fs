namespace DeqDet.CommandLine

open System
open Argu
open DeqDet
open Microsoft.FSharp.Reflection

/// What help says about an argument: its value in capitals, an explanation, and an example of its use.
[<AttributeUsage(AttributeTargets.Property)>]
type ExplainAttribute(value: string, explanation: string, example: string) =
    inherit Attribute()
    /// The value's name, as in DIR; empty for a switch.
    member _.Value = value
    member _.Explanation = explanation
    /// A whole command line without the program's name.
    member _.Example = example

    /// What follows a name in the example.
    member _.ExampleOf(name: string) =
        let words = example.Split ' '
        words[Array.IndexOf(words, name) + 1]

    /// What a case of an argument union carries.
    static member OfCase(case: UnionCaseInfo) : ExplainAttribute =
        case.GetCustomAttributes typeof<ExplainAttribute> |> Array.exactlyOne :?> ExplainAttribute

    /// The explanation of an argument, for Argu.
    static member Usage(argument: 'T) : string =
        let case, _ = FSharpValue.GetUnionFields(argument, typeof<'T>)
        (ExplainAttribute.OfCase case).Explanation

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

[<RequireQualifiedAccess>]
type EvaluateArgument =
    | [<Mandatory;
        Unique;
        Explain("GT.json",
                "Annotations in COCO's format, plain or gzip.",
                "evaluate --ground-truth instances_val.json --detections results.json")>] Ground_Truth of string
    | [<Mandatory;
        Unique;
        Explain("DT.json",
                "Detections in COCO's results format, plain or gzip.",
                "evaluate --ground-truth instances_val.json --detections results.json")>] Detections of string
    | [<Unique; Explain("OUT", "Also writes everything that was computed.", "evaluate ... --json evaluation.json")>] Json of
        string
    | [<Unique;
        Explain("T,...", "IoU thresholds. Default: COCO's ten, 0.5 to 0.95.", "evaluate ... --iou-thresholds 0.5,0.75")>] Iou_Thresholds of
        string
    | [<Explain("LABEL=MIN:MAX",
                "A range of object sizes in square pixels, in place of COCO's; without MAX it is open. May be given again.",
                "evaluate ... --area-range tiny=0:256")>] Area_Range of string
    | [<Unique;
        Explain("N,...",
                "How many of the best detections of an image and class count. Default: 1,10,100.",
                "evaluate ... --max-detections 1,10,300")>] Max_Detections of string
    | [<Unique; Explain("ID,...", "Only these images.", "evaluate ... --images 139,285")>] Images of string
    | [<Unique; Explain("ID,...", "Only these categories.", "evaluate ... --categories 1,3")>] Categories of string
    | [<Unique; Explain("", "Treats all categories as one.", "evaluate ... --class-agnostic")>] Class_Agnostic
    | [<Unique;
        Explain("OUT.html",
                "Also writes a page for the browser: mistakes, curves, confusion, the worst images.",
                "evaluate ... --report report.html --images-from val2017")>] Report of string
    | [<Unique;
        Explain("DIR",
                "Folder of the images, to be shown on the page. Default: boxes on empty frames.",
                "evaluate ... --report report.html --images-from val2017")>] Images_From of string
    | [<Unique;
        Explain("N",
                "How many of the worst images the page shows, 0 to 200. Default: 24.",
                "evaluate ... --report report.html --report-images 50");
        AtLeast 0;
        AtMost 200>] Report_Images of int
    | [<Unique;
        Explain("S",
                "Score from which --report and --json count detections one by one. Default: where F1 is highest.",
                "evaluate ... --report report.html --at-score 0.3")>] At_Score of float
    | [<Unique;
        Explain("T",
                "IoU from which a detection is right in the analysis of --report and --json, 0.1 to 1. Default: 0.5.",
                "evaluate ... --report report.html --at-iou 0.75");
        AtLeast 0.1;
        AtMost 1>] At_Iou of float
    | [<Unique;
        Explain("",
                "Refuses detections whose boxes have a negative width or height; otherwise they count as COCO's own tool counts them, and their number is said.",
                "evaluate ... --strict")>] Strict

    interface IArgParserTemplate with
        member argument.Usage = ExplainAttribute.Usage argument

[<RequireQualifiedAccess>]
type VerifyArgument =
    | [<MainCommand;
        Unique;
        Explain("DIR|FILE.onnx",
                "Folder with golden files; folders in it are looked through too. Or a file that export wrote.",
                "verify tests/golden")>] Folder of string
    | [<Unique;
        Explain("FILE|DIR",
                "The checkpoint, or its work folder, that an ONNX file was made from. Default: the one of that name beside it.",
                "verify work/shapes/best.onnx --checkpoint work/shapes")>] Checkpoint of string
    | [<Unique;
        Explain("DIR",
                "For an ONNX file: also compares the AP on the validation part of this data set.",
                "verify work/shapes/best.onnx --data data/shapes")>] Data of string
    | [<Unique;
        Explain("PATTERN",
                "Only files whose path below DIR contains this text, or matches it where it has * or ?.",
                "verify tests/golden --only train")>] Only of string
    | [<Unique;
        Explain("auto|cpu|cuda|cuda:N",
                "Where to compute. Default: auto, a GPU where there is one.",
                "verify tests/golden --device cuda")>] Device of string
    | [<Unique;
        Explain("",
                "On a GPU: float32 products and convolutions in TF32, with 10 bits of mantissa. Faster, and numbers differ.",
                "verify tests/golden --device cuda --tf32")>] Tf32
    | [<Unique; Explain("OUT", "Also writes every error to a JSON file.", "verify tests/golden --json verified.json")>] Json of
        string

    interface IArgParserTemplate with
        member argument.Usage = ExplainAttribute.Usage argument

[<RequireQualifiedAccess>]
type ExportArgument =
    | [<MainCommand;
        Explain("CHECKPOINT OUT.onnx",
                "A checkpoint file or work folder; then the ONNX file to write, or with --for web a new folder for a page.",
                "export work/shapes work/shapes/best.onnx")>] Files of string list
    | [<Unique;
        Explain("N",
                "Writes N steps and the application after them out, one after the other, for runtimes without loops. Default: a loop.",
                "export work/shapes fixed.onnx --steps 5")>] Steps of int
    | [<Unique;
        Explain("T",
                "Residual at which a query stops in the loop. Default: the checkpoint's, or none.",
                "export work/shapes early.onnx --tolerance 0.01")>] Tolerance of float
    | [<Unique;
        Explain("N",
                "Version of the standard's operators, 17 to 20. Default: 20.",
                "export work/shapes older.onnx --opset 17")>] Opset of int
    | [<Unique;
        Explain("",
                "Large layers in float16: half the size, and fast where the hardware has it.",
                "export work/shapes half.onnx --fp16")>] Fp16
    | [<Unique;
        Explain("",
                "The decoder's large layers in whole numbers of 8 bits: a quarter of their size.",
                "export work/shapes small.onnx --int8")>] Int8
    | [<Unique;
        Explain("standard|tensorrt|web",
                "Who runs it: tensorrt samples by gathers in the place of GridSample; web also gives the states on the way, and writes a page that runs it in the browser where OUT is a folder. Default: standard.",
                "export work/shapes page --for web")>] For of string
    | [<Unique;
        Explain("PATH",
                "For a page: the package onnxruntime-web, as npm packs it (.tgz), or the folder it was unpacked or installed into. Default: fetched by npm once, and kept.",
                "export work/shapes page --for web --runtime onnxruntime-web-1.30.0.tgz")>] Runtime of string

    interface IArgParserTemplate with
        member argument.Usage = ExplainAttribute.Usage argument

[<RequireQualifiedAccess>]
type ConvertArgument =
    | [<MainCommand;
        Explain("IN OUT",
                "A checkpoint file or work folder, a PyTorch checkpoint of an official detector, or ResNet or Swin weights; then the file to write, .safetensors or .pth.",
                "convert deqdet_r50_1x.pth deqdet_r50_1x.safetensors")>] Files of string list
    | [<Unique;
        Explain("FILE",
                "Settings of the detector in IN. Default: its own, or those of configs/ that its tensors fit.",
                "convert mine.pth mine.safetensors --config mine.json")>] Config of string
    | [<Unique;
        Explain("NAME,...|FILE.json",
                "Classes in the order of the outputs, or an annotation file with them. Default: what IN says, or COCO's 80.",
                "convert mine.pth mine.safetensors --classes cat,dog")>] Classes of string
    | [<Unique;
        Explain("",
                "Takes the averaged weights (EMA) of a checkpoint that holds both.",
                "convert mine.pth mine.safetensors --ema")>] Ema
    | [<Unique;
        Explain("",
                "Leaves a detector's backbone out: a decoder from which a training starts (train --from) with a backbone of its own.",
                "convert work/shapes decoder.safetensors --decoder")>] Decoder
    | [<Unique;
        Explain("",
                "Writes the weights in half precision (float16): half the size, rounded to 11 bits.",
                "convert work/shapes small.safetensors --fp16")>] Fp16

    interface IArgParserTemplate with
        member argument.Usage = ExplainAttribute.Usage argument

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

[<RequireQualifiedAccess>]
type InfoArgument =
    | [<MainCommand;
        Explain("CHECKPOINT...",
                "Checkpoint file or work folder, or a PyTorch checkpoint; for --page up to four work folders.",
                "info work/shapes")>] Checkpoint of string list
    | [<Unique;
        Explain("OUT.html",
                "Writes the page of a training anew from its work folder, or one of several trainings side by side.",
                "info work/shapes work/shapes-2 --page compared.html")>] Page of string
    | [<Unique;
        Explain("", "Tells of the averaged weights (EMA) of a checkpoint that holds both.", "info mine.pth --ema")>] Ema
    | [<Unique;
        Explain("HxW",
                "Size of the input at which operations are counted, px, multiples of 32. Default: that of the model's test images.",
                "info work/shapes --size 800x1344")>] Size of string

    interface IArgParserTemplate with
        member argument.Usage = ExplainAttribute.Usage argument

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

[<RequireQualifiedAccess>]
type DataArgument =
    | [<MainCommand;
        Explain("check|convert|split|merge|browse DIR... [OUT]",
                "check looks a data set through, convert writes it in another format into the new folder OUT, split divides it into parts there, merge puts several together there, browse makes a page of its images. DIR is its folder, as train --data takes it; annotation files and image folders in it are found.",
                "data check data/bccd")>] What of string list
    | [<Unique;
        Explain("FILE",
                "Settings file whose data section names the parts, instead of finding them.",
                "data check data/bccd --config configs/bccd.json")>] Config of string
    | [<Explain("FILE",
                "Annotation file, in place of DIR; the --images of the same place belong to it. May be given again.",
                "data check --annotations train.json --images pictures")>] Annotations of string
    | [<Explain("DIR",
                "Folder of the images of an annotation file. May be given again.",
                "data check --annotations train.json --images pictures")>] Images of string
    | [<Unique;
        Explain("",
                "Decodes every image, to find damaged ones too; otherwise only their headers are read.",
                "data check data/bccd --decode")>] Decode
    | [<Unique; Explain("OUT", "Also writes everything that was found.", "data check data/bccd --json check.json")>] Json of
        string
    | [<Unique;
        Explain("coco|yolo|voc|labelme",
                "The format that convert writes.",
                "data convert data/bccd --to yolo data/bccd-yolo")>] To of string
    | [<Unique;
        Explain("",
                "convert, split and merge give image files a second name (a hard link) instead of copying them, where the disk can.",
                "data convert data/bccd --to yolo data/bccd-yolo --link")>] Link
    | [<Unique;
        Explain("SHARE",
                "Share of the images that split keeps for validation. Default: 0.2.",
                "data split data/all data/divided --val 0.1");
        Above 0;
        Below 1>] Val of float
    | [<Unique;
        Explain("SHARE",
                "Share of the images that split keeps for a test part. Default: none.",
                "data split data/all data/divided --val 0.1 --test 0.1");
        Above 0;
        Below 1>] Test of float
    | [<Unique;
        Explain("PATTERN",
                "split keeps images together whose names have equal matches of this regular expression, or of its first group.",
                "data split data/all data/divided --by '^[^_]+'")>] By of string
    | [<Unique;
        Explain("N", "Seed of split's draw. Default: 0.", "data split data/all data/divided --seed 1");
        AtLeast 0>] Seed of int
    | [<Unique;
        Explain("PAGE.html",
                "The page that browse writes. Default: named after DIR, in the current folder.",
                "data browse data/bccd --out bccd.html")>] Out of string
    | [<Unique;
        Explain("N",
                "How many images browse shows, spread evenly over each part. Default: 1000.",
                "data browse data/bccd --most 200");
        AtLeast 1;
        AtMost 5000>] Most of int

    interface IArgParserTemplate with
        member argument.Usage = ExplainAttribute.Usage argument

/// Those of launch itself; what follows `train` is train's.
[<RequireQualifiedAccess>]
type LaunchArgument =
    | [<MainCommand;
        Explain("[--] train [ARGUMENT]...",
                "The training, with its arguments, as for one process.",
                "launch --processes 2 train configs/bccd.json")>] What of string list
    | [<Unique;
        Explain("N",
                "How many processes; -n for short. Each has its share of the cores, unless train has --threads.",
                "launch --processes 2 train configs/bccd.json");
        AtLeast 1;
        AtMost 1024>] Processes of int
    | [<Unique;
        Explain("FILE",
                "The mpirun or mpiexec to start them by. Default: the one beside the library that DEQDET_MPI names, or on the PATH.",
                "launch -n 2 --mpirun mpiexec.hydra train")>] Mpirun of string

    interface IArgParserTemplate with
        member argument.Usage = ExplainAttribute.Usage argument

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
