namespace DeqDet.CommandLine

open System
open System.Globalization
open Argu
open DeqDet

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

/// The arguments of evaluate as its request.
module internal EvaluateParser =

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

    let request (results: ParseResults<EvaluateArgument>) : EvaluateRequest =
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
