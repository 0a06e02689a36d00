/// Which files of a folder belong together, and what is to be computed from them.
module DeqDet.Verification.Catalogue

open System
open System.Text.Json
open System.Text.RegularExpressions
open TorchSharp

/// What verifying a folder needs of the world.
type Surroundings =
    {
        /// Reads a tensor file of the folder, its tensors on the device.
        Tensors: string -> GoldenFile
        /// Reads a JSON file of the folder.
        Json: string -> JsonElement
        Device: torch.Device
        /// Pictures and full models are left out without it.
        Preprocessing: IPreprocessing option
    }

/// The verification of one file.
type Job =
    {
        File: string
        Run: unit -> Check list
    }

/// `<set>_<part>.safetensors`; a training may have a variant.
let private name =
    Regex(
        @"^(?<set>.+)_(?<part>units|head|predict|train|assign_loss|neck|preprocess)(?<variant>_[A-Za-z0-9]+)?\.safetensors$"
    )

let private decoder (around: Surroundings) (set: string) check (file: string) =
    let config = $"{set}_config.json"

    let set =
        DecoderSet.read
            config
            (around.Json config)
            (around.Tensors $"{set}_state.safetensors")
            (around.Tensors $"{set}_inputs.safetensors")

    check set (around.Tensors file)

let private part (around: Surroundings) (file: string) =
    let found = name.Match file

    let decoder check =
        Some(fun () -> decoder around found.Groups["set"].Value check file)

    match found.Groups["part"].Value, found.Groups["variant"].Success with
    | "units", false -> decoder Units.check
    | "head", false -> decoder HeadChecks.check
    | "predict", false -> decoder Prediction.check
    | "train", _ -> decoder Training.check
    | "assign_loss", false -> decoder AssignLoss.check
    | "neck", false -> Some(fun () -> Necks.check (around.Tensors file))
    | "preprocess", false ->
        around.Preprocessing
        |> Option.map (fun preprocessing -> fun () -> Preprocessing.check preprocessing (around.Tensors file))
    | _ -> None

/// Full models and fixed-point problems are tensor files with a JSON file of the same name that says what they are.
let private described (around: Surroundings) (files: Set<string>) (file: string) =
    let json = Regex.Replace(file, @"\.safetensors$", ".json")

    if json = file || not (files.Contains json) then
        None
    else
        let description = around.Json json

        if FixedPoints.describes description then
            Some(fun () -> FixedPoints.check json description (around.Tensors file))
        elif FullModel.describes description then
            around.Preprocessing
            |> Option.map (fun preprocessing ->
                fun () -> FullModel.check preprocessing around.Device json description (around.Tensors file))
        else
            None

/// What there is to verify in a folder, given the names of its files, in the order of their names. Running a job may raise
/// GoldenError, and whatever reading raises.
let jobs (around: Surroundings) (files: string seq) : Job list =
    let files = Set.ofSeq files

    files
    |> List.ofSeq
    |> List.sortWith (fun a b -> String.CompareOrdinal(a, b))
    |> List.choose (fun file ->
        part around file
        |> Option.orElseWith (fun () -> described around files file)
        |> Option.map (fun run ->
            {
                File = file
                Run =
                    fun () ->
                        use _ = torch.NewDisposeScope()
                        run ()
            }))
