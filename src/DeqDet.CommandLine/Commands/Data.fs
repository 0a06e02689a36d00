namespace DeqDet.CommandLine

open Argu
open DeqDet
open DeqDet.Settings
open DeqDet.Settings.Schema

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
        /// Whether images that cannot be used are left out; else they are refused.
        LeaveOutDamaged: bool
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
        /// Whether images that cannot be used are left out; else they are refused.
        LeaveOutDamaged: bool
    }

type DataMergeRequest =
    {
        /// Folders of the data sets.
        Folders: string[]
        /// Folder to write, new or empty.
        Out: string
        /// Whether images become second names of the originals.
        Link: bool
        /// Whether images that cannot be used are left out; else they are refused.
        LeaveOutDamaged: bool
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

/// What `data` is asked for.
[<RequireQualifiedAccess>]
type DataRequest =
    | Check of DataCheckRequest
    | Convert of DataConvertRequest
    | Split of DataSplitRequest
    | Merge of DataMergeRequest
    | Browse of DataBrowseRequest

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
        Explain("",
                "convert, split and merge go on without images that are missing, damaged or of another size than stated, and name them, instead of refusing the set.",
                "data split data/all data/divided --leave-out-damaged")>] Leave_Out_Damaged
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

/// The arguments of data as its request.
module internal DataParser =

    let private check (results: ParseResults<DataArgument>) : DataCheckRequest =
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

    let private convert (results: ParseResults<DataArgument>) (folders: string list) : DataConvertRequest =
        let example = "data convert data/bccd --to yolo data/bccd-yolo"

        match folders, results.TryGetResult DataArgument.To with
        | [ folder; out ], Some format ->
            {
                Folder = folder
                Format = wordOf<DataFormat> "--to" "yolo" format
                Out = out
                Link = results.Contains DataArgument.Link
                LeaveOutDamaged = results.Contains DataArgument.Leave_Out_Damaged
            }
        | [ _; _ ], None -> refuse $"data convert: say the format with --to; for example: {example}"
        | _ :: _ :: extra :: _, _ -> refuse $"data convert: '{extra}' is one folder too many; for example: {example}"
        | _ -> refuse $"data convert: name the data set's folder and the folder to write; for example: {example}"

    let private split (results: ParseResults<DataArgument>) (folders: string list) : DataSplitRequest =
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
                LeaveOutDamaged = results.Contains DataArgument.Leave_Out_Damaged
            }
        | _ :: _ :: extra :: _ -> refuse $"data split: '{extra}' is one folder too many; for example: {example}"
        | _ -> refuse $"data split: name the data set's folder and the folder to write; for example: {example}"

    let private merge (results: ParseResults<DataArgument>) (folders: string list) : DataMergeRequest =
        match List.rev folders with
        | out :: (_ :: _ :: _ as sets) ->
            {
                Folders = List.rev sets |> Array.ofList
                Out = out
                Link = results.Contains DataArgument.Link
                LeaveOutDamaged = results.Contains DataArgument.Leave_Out_Damaged
            }
        | _ ->
            refuse
                "data merge: name two or more data sets and the folder to write; for example: data merge data/a data/b data/both"

    let private browse (results: ParseResults<DataArgument>) (folders: string list) : DataBrowseRequest =
        match folders with
        | [ folder ] ->
            {
                Folder = folder
                Out = results.TryGetResult DataArgument.Out
                Images = results.TryGetResult DataArgument.Most
            }
        | [] -> refuse "data browse: name the data set's folder; for example: data browse data/bccd"
        | _ :: extra :: _ -> refuse $"data browse: '{extra}' is one folder too many"

    let request (results: ParseResults<DataArgument>) : DataRequest =
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

        let ofWriting =
            [
                "--link", results.Contains DataArgument.Link
                "--leave-out-damaged", results.Contains DataArgument.Leave_Out_Damaged
            ]

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
            DataRequest.Convert(convert results folders)
        | "split" :: folders ->
            only "split" (ofCheck @ ofBrowse @ ofConvert)
            DataRequest.Split(split results folders)
        | "merge" :: folders ->
            only "merge" (ofCheck @ ofBrowse @ ofConvert @ ofSplit)
            DataRequest.Merge(merge results folders)
        | "browse" :: folders ->
            only "browse" (ofCheck @ ofConvert @ ofWriting @ ofSplit)
            DataRequest.Browse(browse results folders)
        | _ ->
            only "check" (ofConvert @ ofWriting @ ofBrowse @ ofSplit)
            DataRequest.Check(check results)
