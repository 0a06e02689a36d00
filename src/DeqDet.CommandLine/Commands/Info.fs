namespace DeqDet.CommandLine

open Argu
open DeqDet.Model

type InfoRequest =
    {
        /// A checkpoint file or a work folder.
        Checkpoint: string
        /// Work folders to compare it with on a page.
        Others: string[]
        /// HTML file for the training's page, in place of everything else.
        Page: string option
        /// Whether the averaged weights are told of, of a checkpoint that holds both.
        Ema: bool
        /// The size at which costs are counted; None: that of the model's own test images.
        Size: ImageSize option
    }

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

/// The arguments of info as its request.
module internal InfoParser =

    let request (results: ParseResults<InfoArgument>) : InfoRequest =
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
