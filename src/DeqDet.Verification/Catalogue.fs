/// Which files of a folder belong together, and what is to be computed from them.
module DeqDet.Verification.Catalogue

open System
open System.Text.Json
open TorchSharp
open DeqDet.Model

/// Reads a file of the folder that is verified.
type Reader =
    {
        Tensors: string -> GoldenFile
        Json: string -> JsonElement
    }

/// The verification of one file.
type Job =
    {
        File: string
        Run: unit -> Check list
    }

let private decoderChecks =
    [
        "_units", Units.check
        "_head", HeadChecks.check
        "_predict", Prediction.check
        "_train", Training.check
        "_train_accum", Training.check
        "_train_noaccum", Training.check
        "_train_perturb", Training.check
        "_assign_loss", AssignLoss.check
    ]

/// The set that a file `<set><suffix>.safetensors` is part of.
let private setOf (suffix: string) (file: string) =
    let ending = suffix + ".safetensors"

    if file.EndsWith(ending, StringComparison.Ordinal) then
        Some(file.Substring(0, file.Length - ending.Length))
    else
        None

/// The jobs of one folder, given the names of its files: those of the decoder sets and necks.
let jobs (reader: Reader) (files: string list) : Job list =
    let decoderJob (file: string) =
        decoderChecks
        |> List.tryPick (fun (suffix, check) -> setOf suffix file |> Option.map (fun set -> set, check))
        |> Option.map (fun (name, check) ->
            {
                File = file
                Run =
                    fun () ->
                        let set =
                            DecoderSet.read
                                $"{name}_config.json"
                                (reader.Json $"{name}_config.json")
                                (reader.Tensors $"{name}_state.safetensors")
                                (reader.Tensors $"{name}_inputs.safetensors")

                        check set (reader.Tensors file)
            })

    let neckJob (file: string) =
        setOf "_neck" file
        |> Option.map (fun _ ->
            {
                File = file
                Run = fun () -> Necks.check (reader.Tensors file)
            })

    files
    |> List.sortWith (fun a b -> String.CompareOrdinal(a, b))
    |> List.choose (fun file -> decoderJob file |> Option.orElse (neckJob file))
    |> List.map (fun job ->
        { job with
            Run =
                fun () ->
                    use _ = torch.NewDisposeScope()
                    job.Run()
        })
