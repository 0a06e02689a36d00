namespace DeqDet.CommandLine

open System
open System.Globalization
open Argu
open DeqDet
open DeqDet.Settings.Schema

/// Who is to run an exported file.
type ExportRuntime =
    | [<Word "standard">] StandardRuntime
    | [<Word "tensorrt">] TensorRtRuntime
    | [<Word "web">] WebRuntime

/// In which numbers an exported file has its large layers.
type ExportNumbers =
    | Fp32Numbers
    | Fp16Numbers
    | Int8Numbers

/// How far the refinement of an exported file goes.
type ExportDepth =
    /// A loop, as the checkpoint's settings say.
    | SettingsDepth
    /// So many steps, written out.
    | StepsDepth of int
    /// A loop until queries have settled.
    | ToleranceDepth of float

type ExportRequest =
    {
        /// A checkpoint file or a work folder.
        Checkpoint: string
        /// File to write, .onnx; for a page in the browser a folder.
        Out: string
        Depth: ExportDepth
        /// Version of the standard's operators; None: the newest that is written.
        Opset: int option
        Numbers: ExportNumbers
        Runtime: ExportRuntime
        /// The package of ONNX Runtime Web for a page, an archive or a folder; None: it is fetched.
        RuntimePackage: string option
    }

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

/// The arguments of export as its request.
module internal ExportParser =

    let request (results: ParseResults<ExportArgument>) : ExportRequest =
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
