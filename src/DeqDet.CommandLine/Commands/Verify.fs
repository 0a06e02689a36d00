namespace DeqDet.CommandLine

open Argu

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

/// The arguments of verify as its request.
module internal VerifyParser =

    let request (results: ParseResults<VerifyArgument>) : VerifyRequest =
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
