/// A PyTorch checkpoint with what reading it must give: the tensors of NAME_expected.safetensors (NAME_legacy.pth holds the same), the
/// metadata of NAME_expected.json; for hostile_*.pth that nothing in it is run; for truncated*.pth that it is refused.
module DeqDet.Verification.PthCase

open System
open System.IO
open System.Text.Json.Nodes
open TorchSharp
open DeqDet.Checkpoints

/// What the hostile files would make if something in them ran.
let private trace = "/tmp/pwned"

let private isHostile (file: string) =
    file.StartsWith("hostile_", StringComparison.Ordinal)

let private isTruncated (file: string) =
    file.StartsWith("truncated", StringComparison.Ordinal)

/// The name whose `_expected` files say what is in a checkpoint.
let private expectation (files: Set<string>) (file: string) =
    let name = Path.GetFileNameWithoutExtension file

    let general =
        if name.EndsWith("_legacy", StringComparison.Ordinal) then
            name[.. name.Length - "_legacy".Length - 1]
        else
            name

    [ name; general ]
    |> List.tryFind (fun name -> files.Contains $"{name}_expected.safetensors")

/// Whether something says what to expect of a file, given the names of all files beside it.
let isOne (files: Set<string>) (file: string) : bool =
    file.EndsWith(".pth", StringComparison.Ordinal)
    && (isHostile file || isTruncated file || (expectation files file).IsSome)

let private holds file what truth =
    Check.known Count 0.0 file what (if truth then 0.0 else 1.0)

/// Reads everything in the file; whether that was refused.
let private refused path =
    try
        use file = PthFile.Open path

        for tensor in file.Tensors do
            Tensors.Load(tensor).Dispose()

        false
    with :? CheckpointError ->
        true

let private tensors folder expected name (file: PthFile) =
    use _ = torch.NewDisposeScope()

    use golden =
        SafetensorsFile.Open(Path.Combine(folder, $"{expected}_expected.safetensors"))

    let names (tensors: StoredTensor seq) =
        set [ for tensor in tensors -> tensor.Name ]

    [
        holds name "names" (names file.Tensors = names golden.Tensors)
        for tensor in golden.Tensors do
            match file.Find tensor.Name with
            | null -> ()
            | stored -> Check.exact name tensor.Name (Tensors.Load tensor) (Tensors.Load stored)
    ]

let private metadata folder expected name (file: PthFile) =
    let path = Path.Combine(folder, $"{expected}_expected.json")
    let golden = GoldenJson.load path

    [
        holds name "number of tensors" (GoldenJson.integer path "n_state" golden = file.Tensors.Count)
        holds name "top-level keys" (GoldenJson.strings "top_level_keys" golden = List.ofSeq file.TopLevelKeys)
        for entry in (GoldenJson.section path "meta_expect" golden).EnumerateObject() do
            let ours =
                match file.Metadata["meta"] with
                | null -> null
                | meta -> meta[entry.Name]

            holds name $"meta.{entry.Name}" (JsonNode.DeepEquals(JsonNode.Parse(entry.Value.GetRawText()), ours))
    ]

/// Opens a checkpoint of a folder and compares, given the names of all files beside it. Raises InputError for what cannot be read.
let check (folder: string) (files: Set<string>) (name: string) : Check list =
    let path = Path.Combine(folder, name)
    // what another program left there is not ours
    let before = Path.Exists trace
    let ran () = Path.Exists trace && not before

    [
        if isHostile name then
            refused path |> ignore
            holds name "refused or inert" (not (ran ()))
        elif isTruncated name then
            holds name "refused" (refused path)

        match expectation files name with
        | Some expected ->
            use file = PthFile.Open path
            yield! tensors folder expected name file

            if files.Contains $"{expected}_expected.json" then
                yield! metadata folder expected name file
        | None -> ()
    ]
