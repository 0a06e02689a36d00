namespace DeqDet.CommandLine

open Argu

type ConvertRequest =
    {
        /// A checkpoint of this program or its work folder, a PyTorch checkpoint, or weights of a backbone.
        In: string
        /// File to write; its ending decides the format.
        Out: string
        /// Settings file of the detector; None: its own, or found by its tensors.
        Config: string option
        /// Class names, separated by commas, or an annotation file.
        Classes: string option
        /// Whether the averaged weights are taken, of a checkpoint that holds both.
        Ema: bool
        /// Whether a detector's backbone is left out.
        Decoder: bool
        /// Whether numbers are written in half precision.
        Half: bool
    }

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

/// The arguments of convert as its request.
module internal ConvertParser =

    let request (results: ParseResults<ConvertArgument>) : ConvertRequest =
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
