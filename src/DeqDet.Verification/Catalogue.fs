/// Which golden files belong together, and what is to be computed from them.
module DeqDet.Verification.Catalogue

open System
open System.IO
open System.IO.Enumeration
open System.Text.Json
open System.Text.RegularExpressions
open TorchSharp
open DeqDet

/// A folder of golden files: how they are read, and where it is computed.
type Surroundings =
    {
        Folder: string
        /// Reads a tensor file of the folder, its tensors on the device.
        Tensors: string -> GoldenFile
        /// Reads a JSON file of the folder.
        Json: string -> JsonElement
        Device: torch.Device
    }

/// The verification of one file. Running it raises InputError for what cannot be read or understood.
type Job =
    {
        /// Its path, with forward slashes.
        File: string
        Run: unit -> Check list
    }

/// The files of a folder as they are.
let surroundings (device: torch.Device) (folder: string) : Surroundings =
    {
        Folder = folder
        Tensors = GoldenFile.load device folder
        Json = fun file -> GoldenJson.load (Path.Combine(folder, file))
        Device = device
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
    | "preprocess", false -> Some(fun () -> Preprocessing.check (around.Tensors file))
    | _ -> None

/// Full models and fixed-point problems are tensor files with a JSON file of the same name that says what they are.
let private described (around: Surroundings) (files: Set<string>) (file: string) =
    let json = Regex.Replace(file, @"\.safetensors$", ".json")

    if json = file || not (files.Contains json) then
        None
    else
        try
            let description = around.Json json

            if FixedPoints.describes description then
                Some(fun () -> FixedPoints.check json description (around.Tensors file))
            elif FullModel.describes description then
                Some(fun () -> FullModel.check around.Device json description (around.Tensors file))
            else
                None
        with :? InputError as error ->
            // a damaged description is this file's fault alone
            Some(fun () -> raise error)

/// What there is to verify in a folder, given the names of its files and which of them are wanted, in the order of their names.
let jobs (around: Surroundings) (files: string seq) (wanted: string -> bool) : Job list =
    let files = Set.ofSeq files

    let run file =
        if PthCase.isOne files file then
            Some(fun () -> PthCase.check around.Folder files file)
        else
            part around file |> Option.orElseWith (fun () -> described around files file)

    let found =
        if CocoCase.isOne files then
            [
                if wanted CocoCase.description then
                    CocoCase.description, fun () -> CocoCase.check around.Folder
            ]
        else
            [
                for file in files do
                    if wanted file then
                        match run file with
                        | Some run -> file, run
                        | None -> ()
            ]

    found
    |> List.sortWith (fun (a, _) (b, _) -> String.CompareOrdinal(a, b))
    |> List.map (fun (file, run) ->
        {
            File = file
            Run =
                fun () ->
                    use _ = torch.NewDisposeScope()
                    run ()
        })

/// What there is to verify in a tree of folders, by path. `wanted` decides on paths below the root, with forward slashes. Links to
/// folders are not followed: one to a folder above would never end.
/// Raises InputError where there is no such folder or it cannot be searched.
let below (device: torch.Device) (root: string) (wanted: string -> bool) : Job list =
    if not (Directory.Exists root) then
        raise (InputError $"{root}: there is no such folder; name one with golden files")

    let options =
        EnumerationOptions(
            RecurseSubdirectories = true,
            IgnoreInaccessible = false,
            AttributesToSkip = FileAttributes.ReparsePoint
        )

    let inFolder folder =
        let path (file: string) =
            Path.GetRelativePath(root, Path.Combine(folder, file)).Replace('\\', '/')

        [
            for job in
                jobs
                    (surroundings device folder)
                    [ for file in Directory.GetFiles folder -> Path.GetFileName file ]
                    (path >> wanted) do
                {
                    File = path job.File
                    // a check has the name of its file alone
                    Run = fun () -> job.Run() |> List.map (fun check -> { check with File = path check.File })
                }
        ]

    try
        [
            yield! inFolder root
            for folder in Directory.EnumerateDirectories(root, "*", options) do
                yield! inFolder folder
        ]
        |> List.sortWith (fun a b -> String.CompareOrdinal(a.File, b.File))
    with
    | :? IOException
    | :? UnauthorizedAccessException as error ->
        raise (InputError($"{root}: cannot be searched: {error.Message}", error))
