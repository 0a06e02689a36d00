namespace DeqDet.CommandLine

open System
open System.Globalization
open Argu
open DeqDet
open DeqDet.Kernels
open DeqDet.Model
open DeqDet.Settings
open DeqDet.Settings.Schema

/// Command line to request.
module RequestParser =

    /// The settings file that `train` uses when none is named.
    let defaultConfig = "configs/shapes.json"

    let private refuse (text: string) = raise (InputError text)

    let private asksForHelp token = token = "--help" || token = "-h"

    let private invalid name value must example =
        refuse $"{name} {value}: must be {must}; for example: {name} {example}"

    let private device (value: string) =
        match value.Split ':' with
        | [| "auto" |] -> Auto
        | [| "cpu" |] -> Cpu
        | [| "cuda" |] -> Cuda 0
        | [| "cuda"; index |] ->
            match Int32.TryParse(index, NumberStyles.None, CultureInfo.InvariantCulture) with
            | true, index -> Cuda index
            | _ -> invalid "--device" value "auto, cpu, cuda or cuda:N with N counting from 0" "cuda:0"
        | _ -> invalid "--device" value "auto, cpu, cuda or cuda:N with N counting from 0" "auto"

    let private deviceOf (given: string option) =
        given |> Option.map device |> Option.defaultValue Auto

    /// The largest side of an input, px: beyond it the first maps alone take gigabytes.
    let private largestSide = 8192

    /// "800x1344": height and width of a network input.
    let private size (value: string) : ImageSize =
        let must = $"height x width in px, both multiples of 32 from 32 to {largestSide}"

        let side (text: string) =
            match Int32.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture) with
            | true, side when side >= 32 && side <= largestSide && side % 32 = 0 -> Some side
            | _ -> None

        match value.Split 'x' |> Array.map side with
        | [| Some height; Some width |] -> { Height = height; Width = width }
        | _ -> invalid "--size" value must "800x1344"

    let private items name must example (parse: string -> bool * 'T) (value: string) : 'T[] =
        value.Split ','
        |> Array.map (fun item ->
            match parse (item.Trim()) with
            | true, number -> number
            | _ -> invalid name value must example)

    /// Ids as annotation files have them: whole numbers, or texts in double quotes.
    let private ids name (value: string) : CocoId[] =
        let id (text: string) =
            match Int64.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture) with
            | true, number -> true, CocoId number
            | _ when text.Length >= 2 && text.StartsWith '"' && text.EndsWith '"' ->
                true, CocoId(text[1 .. text.Length - 2])
            | _ -> false, CocoId 0L

        items name "ids, separated by commas, texts in double quotes" "1,3" id value

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

    let private train (results: ParseResults<TrainArgument>) : TrainRequest =
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

    let private solver scheme steps tolerance budget : SolverRequest =
        let schemeOf (name: string) =
            match List.tryFind (fun (known, _) -> known = name) Words.all<SchemeKind> with
            | Some(_, scheme) -> scheme
            | None -> invalid "--solver" name "picard, anderson or broyden" "anderson"

        {
            Scheme = Option.map schemeOf scheme
            Steps = steps
            Tolerance = tolerance
            BudgetMs = budget
        }

    let private numbersOf (name: string) : NumberKind =
        match List.tryFind (fun (known, _) -> known = name) Words.all<NumberKind> with
        | Some(_, kind) -> kind
        | None -> invalid "--precision" name "fp32 or bf16" "bf16"

    /// Arguments that say nothing without another one are refused rather than ignored.
    let private needs (command: string) (name: string) (given: bool) (other: string) (there: bool) =
        if given && not there then
            refuse $"{command}: {name} says nothing without {other}; add {other}, or leave {name} out"

    let private test (results: ParseResults<TestArgument>) : TestRequest =
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

    /// The word of a case among all of them.
    let private wordOf<'T> name example (word: string) : 'T =
        match Words.all<'T> |> List.tryFind (fun (known, _) -> known = word) with
        | Some(_, case) -> case
        | None ->
            let names = Words.all<'T> |> List.map fst
            let all = String.concat ", " names
            let nearest = Nearest.find names word |> Option.get

            let meant =
                if Nearest.isClose word nearest then
                    $"; did you mean {nearest}?"
                else
                    ""

            refuse $"{name} {word}: must be one of {all}{meant}; for example: {name} {example}"

    /// Whether a path ends as those of images do, and never those of checkpoints.
    let private isImage (path: string) =
        [ ".jpg"; ".jpeg"; ".png"; ".webp"; ".bmp"; ".gif"; ".tif"; ".tiff" ]
        |> List.exists (fun ending -> path.EndsWith(ending, StringComparison.OrdinalIgnoreCase))

    let private detect (results: ParseResults<DetectArgument>) : DetectRequest =
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

    let private serve (results: ParseResults<ServeArgument>) : ServeRequest =
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

    let private trace (results: ParseResults<TraceArgument>) : TraceRequest =
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

    let private evaluate (results: ParseResults<EvaluateArgument>) : EvaluateRequest =
        let real (text: string) =
            Double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture)

        let report = results.Contains EvaluateArgument.Report
        let analysis = report || results.Contains EvaluateArgument.Json
        let needs = needs "evaluate"
        needs "--images-from" (results.Contains EvaluateArgument.Images_From) "--report" report
        needs "--report-images" (results.Contains EvaluateArgument.Report_Images) "--report" report
        needs "--at-score" (results.Contains EvaluateArgument.At_Score) "--report or --json" analysis
        needs "--at-iou" (results.Contains EvaluateArgument.At_Iou) "--report or --json" analysis

        {
            GroundTruth = results.GetResult EvaluateArgument.Ground_Truth
            Detections = results.GetResult EvaluateArgument.Detections
            Json = results.TryGetResult EvaluateArgument.Json
            IouThresholds =
                results.TryGetResult EvaluateArgument.Iou_Thresholds
                |> Option.map (items "--iou-thresholds" "numbers from 0 to 1, separated by commas" "0.5,0.75" real)
            AreaRanges =
                match results.GetResults EvaluateArgument.Area_Range with
                | [] -> None
                | ranges -> Some(Array.ofList ranges)
            MaxDetections =
                results.TryGetResult EvaluateArgument.Max_Detections
                |> Option.map (
                    items "--max-detections" "whole numbers, separated by commas" "1,10,100" (fun text ->
                        Int32.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture))
                )
            ImageIds = results.TryGetResult EvaluateArgument.Images |> Option.map (ids "--images")
            CategoryIds =
                results.TryGetResult EvaluateArgument.Categories
                |> Option.map (ids "--categories")
            ClassAgnostic = results.Contains EvaluateArgument.Class_Agnostic
            Report = results.TryGetResult EvaluateArgument.Report
            ImagesFrom = results.TryGetResult EvaluateArgument.Images_From
            ReportImages = results.TryGetResult EvaluateArgument.Report_Images
            AtScore = results.TryGetResult EvaluateArgument.At_Score
            AtIou = results.TryGetResult EvaluateArgument.At_Iou
            Strict = results.Contains EvaluateArgument.Strict
        }

    let private verify (results: ParseResults<VerifyArgument>) : VerifyRequest =
        match results.TryGetResult VerifyArgument.Folder with
        | None -> refuse "verify: name a folder with golden files; for example: verify tests/golden"
        | Some folder ->
            {
                Folder = folder
                Checkpoint = results.TryGetResult VerifyArgument.Checkpoint
                Data = results.TryGetResult VerifyArgument.Data
                Only = results.TryGetResult VerifyArgument.Only
                Device = deviceOf (results.TryGetResult VerifyArgument.Device)
                Tf32 = results.Contains VerifyArgument.Tf32
                Json = results.TryGetResult VerifyArgument.Json
            }

    let private export (results: ParseResults<ExportArgument>) : ExportRequest =
        let example = "export work/shapes work/shapes/best.onnx"

        let steps, tolerance =
            results.TryGetResult ExportArgument.Steps, results.TryGetResult ExportArgument.Tolerance

        let half, bytes =
            results.Contains ExportArgument.Fp16, results.Contains ExportArgument.Int8

        let depth =
            match steps, tolerance with
            | Some _, Some _ ->
                refuse "export: --steps writes steps out and --tolerance makes a loop; give one of the two"
            | Some steps, None when steps < 1 || steps > 10_000 ->
                invalid "--steps" (string steps) "a whole number from 1 to 10000" "5"
            | Some steps, None -> StepsDepth steps
            | None, Some tolerance when not (tolerance > 0.0 && Double.IsFinite tolerance) ->
                invalid "--tolerance" (tolerance.ToString CultureInfo.InvariantCulture) "a number above 0" "0.01"
            | None, Some tolerance -> ToleranceDepth tolerance
            | None, None -> SettingsDepth

        let opset = results.TryGetResult ExportArgument.Opset

        match opset with
        | Some version when version < 17 || version > 20 ->
            invalid "--opset" (string version) "a whole number from 17 to 20" "17"
        | _ -> ()

        let numbers =
            match half, bytes with
            | true, true -> refuse "export: --fp16 and --int8 are two kinds of numbers; give one of the two"
            | true, false -> Fp16Numbers
            | false, true -> Int8Numbers
            | false, false -> Fp32Numbers

        let runtime =
            let word = results.GetResult(ExportArgument.For, "standard")

            match List.tryFind (fun (known, _) -> known = word) Words.all<ExportRuntime> with
            | Some(_, runtime) -> runtime
            | None -> invalid "--for" word "standard, tensorrt or web" "web"

        match results.GetResults ExportArgument.Files |> List.concat with
        | [ source; target ] ->
            {
                Checkpoint = source
                Out = target
                Depth = depth
                Opset = opset
                Numbers = numbers
                Runtime = runtime
                RuntimePackage = results.TryGetResult ExportArgument.Runtime
            }
        | [] -> refuse $"export: name a checkpoint and the ONNX file to write; for example: {example}"
        | [ source ] -> refuse $"export: name the ONNX file to write after {source}; for example: {example}"
        | _ :: _ :: extra :: _ -> refuse $"export: '{extra}' is one file too many; for example: {example}"

    let private convert (results: ParseResults<ConvertArgument>) : ConvertRequest =
        let example = "convert deqdet_r50_1x.pth deqdet_r50_1x.safetensors"

        match results.GetResults ConvertArgument.Files |> List.concat with
        | [ source; target ] ->
            {
                In = source
                Out = target
                Config = results.TryGetResult ConvertArgument.Config
                Classes = results.TryGetResult ConvertArgument.Classes
                Ema = results.Contains ConvertArgument.Ema
                Decoder = results.Contains ConvertArgument.Decoder
                Half = results.Contains ConvertArgument.Fp16
            }
        | [] -> refuse $"convert: name a file to read and a file to write; for example: {example}"
        | [ source ] -> refuse $"convert: name a file to write after {source}; for example: {example}"
        | _ :: _ :: extra :: _ -> refuse $"convert: '{extra}' is one file too many; for example: {example}"

    let private info (results: ParseResults<InfoArgument>) : InfoRequest =
        let page = results.TryGetResult InfoArgument.Page

        for name, given in
            [
                "--ema", results.Contains InfoArgument.Ema
                "--size", results.Contains InfoArgument.Size
            ] do
            if given && page.IsSome then
                refuse $"info: {name} says nothing to --page, which shows a training; leave one of them out"

        match results.GetResults InfoArgument.Checkpoint |> List.concat with
        | [] -> refuse "info: name a checkpoint file or work folder; for example: info work/shapes"
        | _ :: extra :: _ when page.IsNone ->
            refuse
                $"info: '{extra}' is one argument too many; several trainings are compared on a page: add --page compared.html"
        | folders when folders.Length > 4 -> refuse $"info: a page compares up to 4 trainings, not {folders.Length}"
        | checkpoint :: others ->
            {
                Checkpoint = checkpoint
                Others = Array.ofList others
                Page = page
                Ema = results.Contains InfoArgument.Ema
                Size = results.TryGetResult InfoArgument.Size |> Option.map size
            }

    let private dataConvert (results: ParseResults<DataArgument>) (folders: string list) : DataConvertRequest =
        let example = "data convert data/bccd --to yolo data/bccd-yolo"

        match folders, results.TryGetResult DataArgument.To with
        | [ folder; out ], Some format ->
            {
                Folder = folder
                Format = wordOf<DataFormat> "--to" "yolo" format
                Out = out
                Link = results.Contains DataArgument.Link
            }
        | [ _; _ ], None -> refuse $"data convert: say the format with --to; for example: {example}"
        | _ :: _ :: extra :: _, _ -> refuse $"data convert: '{extra}' is one folder too many; for example: {example}"
        | _ -> refuse $"data convert: name the data set's folder and the folder to write; for example: {example}"

    let private dataBrowse (results: ParseResults<DataArgument>) (folders: string list) : DataBrowseRequest =
        match folders with
        | [ folder ] ->
            {
                Folder = folder
                Out = results.TryGetResult DataArgument.Out
                Images = results.TryGetResult DataArgument.Most
            }
        | [] -> refuse "data browse: name the data set's folder; for example: data browse data/bccd"
        | _ :: extra :: _ -> refuse $"data browse: '{extra}' is one folder too many"

    let private dataSplit (results: ParseResults<DataArgument>) (folders: string list) : DataSplitRequest =
        let example = "data split data/all data/divided --val 0.2"
        let share = results.GetResult(DataArgument.Val, 0.2)
        let test = results.GetResult(DataArgument.Test, 0.0)

        if share + test >= 1.0 then
            refuse $"data split: --val {share} and --test {test} leave nothing to train on; give smaller shares"

        match folders with
        | [ folder; out ] ->
            {
                Folder = folder
                Out = out
                Val = share
                Test = test
                Seed = results.GetResult(DataArgument.Seed, 0)
                By = results.TryGetResult DataArgument.By
                Link = results.Contains DataArgument.Link
            }
        | _ :: _ :: extra :: _ -> refuse $"data split: '{extra}' is one folder too many; for example: {example}"
        | _ -> refuse $"data split: name the data set's folder and the folder to write; for example: {example}"

    let private dataMerge (results: ParseResults<DataArgument>) (folders: string list) : DataMergeRequest =
        match List.rev folders with
        | out :: (_ :: _ :: _ as sets) ->
            {
                Folders = List.rev sets |> Array.ofList
                Out = out
                Link = results.Contains DataArgument.Link
            }
        | _ ->
            refuse
                "data merge: name two or more data sets and the folder to write; for example: data merge data/a data/b data/both"

    let private dataCheck (results: ParseResults<DataArgument>) : DataCheckRequest =
        let annotations = results.GetResults DataArgument.Annotations
        let images = results.GetResults DataArgument.Images
        let config = results.TryGetResult DataArgument.Config

        let folder =
            match results.GetResults DataArgument.What |> List.concat with
            | [ "check" ] -> None
            | [ "check"; folder ] -> Some folder
            | "check" :: _ :: extra :: _ -> refuse $"data check: '{extra}' is one folder too many"
            | _ -> refuse "data: say what to do with the data; for example: data check data/bccd"

        if annotations.Length <> images.Length then
            refuse
                $"data check: {annotations.Length} of --annotations and {images.Length} of --images; give one folder of images for each annotation file"

        match annotations.Length, folder, config with
        | 0, None, None ->
            refuse
                "data check: name a data folder, or --annotations FILE --images DIR; for example: data check data/bccd"
        | 0, _, _
        | _, None, None ->
            {
                Folder = folder
                Config = config
                Pairs =
                    List.map2 (fun file folder -> { Annotations = file; Images = folder }) annotations images
                    |> Array.ofList
                Decode = results.Contains DataArgument.Decode
                Json = results.TryGetResult DataArgument.Json
            }
        | _ -> refuse "data check: name either a folder (or --config), or --annotations FILE --images DIR"

    let private data (results: ParseResults<DataArgument>) : Request =
        // What a command does not look at is refused rather than ignored.
        let only (command: string) (given: (string * bool) list) =
            for name, isGiven in given do
                if isGiven then
                    refuse $"data {command}: {name} says nothing to it; data --help says what it is for"

        let ofCheck =
            [
                "--config", results.Contains DataArgument.Config
                "--annotations", results.Contains DataArgument.Annotations
                "--images", results.Contains DataArgument.Images
                "--decode", results.Contains DataArgument.Decode
                "--json", results.Contains DataArgument.Json
            ]

        let ofConvert = [ "--to", results.Contains DataArgument.To ]

        let ofWriting = [ "--link", results.Contains DataArgument.Link ]

        let ofSplit =
            [
                "--val", results.Contains DataArgument.Val
                "--test", results.Contains DataArgument.Test
                "--by", results.Contains DataArgument.By
                "--seed", results.Contains DataArgument.Seed
            ]

        let ofBrowse =
            [
                "--out", results.Contains DataArgument.Out
                "--most", results.Contains DataArgument.Most
            ]

        match results.GetResults DataArgument.What |> List.concat with
        | "convert" :: folders ->
            only "convert" (ofCheck @ ofBrowse @ ofSplit)
            Request.DataConvert(dataConvert results folders)
        | "split" :: folders ->
            only "split" (ofCheck @ ofBrowse @ ofConvert)
            Request.DataSplit(dataSplit results folders)
        | "merge" :: folders ->
            only "merge" (ofCheck @ ofBrowse @ ofConvert @ ofSplit)
            Request.DataMerge(dataMerge results folders)
        | "browse" :: folders ->
            only "browse" (ofCheck @ ofConvert @ ofWriting @ ofSplit)
            Request.DataBrowse(dataBrowse results folders)
        | _ ->
            only "check" (ofConvert @ ofWriting @ ofBrowse @ ofSplit)
            Request.DataCheck(dataCheck results)

    let private bench (results: ParseResults<BenchArgument>) : BenchRequest =
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

    let private launchUsage =
        "launch: say how many processes shall train; for example: launch -n 2 train configs/bccd.json"

    /// The arguments of launch, and those from the command on that it starts.
    let rec private splitLaunch (tokens: string list) : string list * string list =
        match tokens with
        | [] -> [], []
        | "--" :: command -> [], command
        | "-n" :: rest -> splitLaunch ("--processes" :: rest)
        | ("--processes" | "--mpirun" as name) :: value :: rest ->
            let own, command = splitLaunch rest
            name :: value :: own, command
        | token :: _ when not (token.StartsWith '-') -> [], tokens
        | token :: rest ->
            let own, command = splitLaunch rest
            token :: own, command

    let private launch (results: ParseResults<LaunchArgument>) (command: string list) (train: TrainRequest) =
        match results.TryGetResult LaunchArgument.Processes with
        | None -> refuse launchUsage
        | Some _ when train.Trial.IsSome ->
            refuse "launch: --dry-run and --overfit run in one process; call train itself"
        | Some processes ->
            {
                Processes = processes
                MpiRun = results.TryGetResult LaunchArgument.Mpirun
                Train = train
                Command = Array.ofList command
            }

    let private request (command: Command) : Request =
        match command with
        | Command.Train results -> CommandParser.within results |> train |> Request.Train
        | Command.Launch _ -> refuse launchUsage
        | Command.Test results -> CommandParser.within results |> test |> Request.Test
        | Command.Detect results -> CommandParser.within results |> detect |> Request.Detect
        | Command.Serve results -> CommandParser.within results |> serve |> Request.Serve
        | Command.Trace results -> CommandParser.within results |> trace |> Request.Trace
        | Command.Evaluate results -> CommandParser.within results |> evaluate |> Request.Evaluate
        | Command.Verify results -> CommandParser.within results |> verify |> Request.Verify
        | Command.Convert results -> CommandParser.within results |> convert |> Request.Convert
        | Command.Export results -> CommandParser.within results |> export |> Request.Export
        | Command.Info results -> CommandParser.within results |> info |> Request.Info
        | Command.Bench results -> CommandParser.within results |> bench |> Request.Bench
        | Command.Data results -> CommandParser.within results |> data
        | Command.Doctor -> Request.Doctor

    /// What a command line asks for. InputError for what cannot be understood. Help does not start Argu: it is there at once.
    let rec parse (arguments: string[]) : Request =
        match List.ofArray arguments with
        | [] -> Request.Help(HelpText.program ())
        | first :: _ when asksForHelp first || first = "help" -> Request.Help(HelpText.program ())
        | "--version" :: _ -> Request.Version
        | name :: tokens ->
            let commands = Specification.commands.Value

            match commands |> List.tryFind (fun command -> command.Name = name) with
            | Some({ Name = "launch" } as command) -> parseLaunch command tokens
            | Some command when List.exists asksForHelp tokens -> Request.Help(HelpText.command command)
            | Some { Name = name; Arguments = [] } when not tokens.IsEmpty ->
                refuse $"{name}: takes no arguments, but '{tokens.Head}' is given"
            | Some command -> CommandParser.parse command tokens request
            | None ->
                let names = commands |> List.map (fun command -> command.Name)
                let nearest = Nearest.find names name |> Option.get
                let all = String.concat ", " names
                refuse $"unknown command '{name}'; did you mean {nearest}? The commands are {all}; --help explains them"

    and private parseLaunch (specification: CommandSpecification) (tokens: string list) : Request =
        let own, command = splitLaunch tokens

        let ofTrain = List.tryHead command = Some "train"

        if List.exists asksForHelp (if ofTrain then own else tokens) then
            Request.Help(HelpText.command specification)
        else
            let results =
                CommandParser.parse specification own (function
                    | Command.Launch results -> CommandParser.within results
                    | _ -> refuse launchUsage)

            match command with
            | [] -> refuse launchUsage
            | _ ->
                match parse (Array.ofList command) with
                | Request.Train train -> Request.Launch(launch results command train)
                | Request.Help text -> Request.Help text
                | _ -> refuse $"launch: only train runs in several processes, not {command.Head}"
