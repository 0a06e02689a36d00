namespace DeqDet.Verification

open System
open System.Collections.Generic
open System.IO
open System.Text.Json
open TorchSharp
open DeqDet
open DeqDet.Checkpoints
open DeqDet.Model

/// The tensors of one golden file by name, all on the device that is verified.
type GoldenFile =
    {
        Name: string
        Tensors: IReadOnlyDictionary<string, Tensor>
    }

module GoldenFile =

    /// Reads `folder/name`, a safetensors file. Raises CheckpointError (an InputError) where that cannot be done.
    let load (device: torch.Device) (folder: string) (name: string) : GoldenFile =
        use file = SafetensorsFile.Open(Path.Combine(folder, name))

        {
            Name = name
            Tensors =
                dict [ for tensor in file.Tensors -> tensor.Name, Tensors.Load(tensor, device) ]
                |> Dictionary
        }

    /// The tensor of that name, if the file has it.
    let tryFind (name: string) (file: GoldenFile) : Tensor option =
        match file.Tensors.TryGetValue name with
        | true, tensor -> Some tensor
        | _ -> None

    /// The tensor of that name. Raises InputError where the file has none.
    let find (name: string) (file: GoldenFile) : Tensor =
        match tryFind name file with
        | Some tensor -> tensor
        | None -> raise (InputError $"{file.Name} has no tensor '{name}'")

    let has (name: string) (file: GoldenFile) = file.Tensors.ContainsKey name

    /// All numbers of a tensor as doubles, row by row.
    let floats (tensor: Tensor) : float[] =
        if tensor.numel () = 0L then
            [||]
        else
            tensor.detach().cpu().``to``(torch.float64).reshape(-1L).data<float>().ToArray()

    /// All numbers of an integer tensor, row by row.
    let integers (tensor: Tensor) : int64[] =
        if tensor.numel () = 0L then
            [||]
        else
            tensor.detach().cpu().``to``(torch.int64).reshape(-1L).data<int64>().ToArray()

    /// How many of `name 0`, `name 1`, ... the file has, without a gap.
    let count (name: int -> string) (file: GoldenFile) : int =
        Seq.initInfinite name |> Seq.takeWhile (fun name -> has name file) |> Seq.length

/// Members of the JSON files among the goldens; `file` names the file in errors.
module GoldenJson =

    /// The whole file. Raises InputError where it is missing, cannot be read, or is no JSON.
    let load (path: string) : JsonElement =
        try
            use document = JsonDocument.Parse(File.ReadAllBytes path)
            document.RootElement.Clone()
        with
        | :? IOException
        | :? UnauthorizedAccessException as error ->
            raise (InputError($"{path}: cannot be read: {error.Message}", error))
        | :? JsonException as error -> raise (InputError($"{path}: is no JSON: {error.Message}", error))

    let private wrong file name kind =
        InputError $"{file}: '{name}' is missing or no {kind}"

    let private property (name: string) (element: JsonElement) =
        if element.ValueKind <> JsonValueKind.Object then
            None
        else
            match element.TryGetProperty name with
            | true, value -> Some value
            | _ -> None

    /// The member of an object. Raises InputError where there is none.
    let section (file: string) (name: string) (element: JsonElement) : JsonElement =
        match property name element with
        | Some value -> value
        | None -> raise (wrong file name "section")

    let private isNumber (item: JsonElement) = item.ValueKind = JsonValueKind.Number

    let tryNumber (name: string) (element: JsonElement) : float option =
        match property name element with
        | Some value when isNumber value -> Some(value.GetDouble())
        | _ -> None

    let number (file: string) (name: string) (element: JsonElement) : float =
        match tryNumber name element with
        | Some value -> value
        | None -> raise (wrong file name "number")

    let integer (file: string) (name: string) (element: JsonElement) : int =
        let value = number file name element

        if value = Math.Floor value && abs value < 1e9 then
            int value
        else
            raise (wrong file name "whole number")

    /// The items of an array. Raises InputError where there is none.
    let items (file: string) (name: string) (element: JsonElement) : JsonElement list =
        match property name element with
        | Some value when value.ValueKind = JsonValueKind.Array -> List.ofSeq (value.EnumerateArray())
        | _ -> raise (wrong file name "list")

    /// The numbers of an array; empty where there is no such member.
    let numbers (file: string) (name: string) (element: JsonElement) : float list =
        match property name element with
        | None -> []
        | Some value when
            value.ValueKind = JsonValueKind.Array
            && Seq.forall isNumber (value.EnumerateArray())
            ->
            [ for item in value.EnumerateArray() -> item.GetDouble() ]
        | Some _ -> raise (wrong file name "list of numbers")

    /// The rows of an array of arrays of numbers. Raises InputError where there is none.
    let rows (file: string) (name: string) (element: JsonElement) : float list list =
        [
            for row in items file name element do
                if
                    row.ValueKind <> JsonValueKind.Array
                    || not (Seq.forall isNumber (row.EnumerateArray()))
                then
                    raise (wrong file name "list of lists of numbers")

                [ for item in row.EnumerateArray() -> item.GetDouble() ]
        ]

    /// The strings of an array; empty where there is no such member.
    let strings (name: string) (element: JsonElement) : string list =
        match property name element with
        | Some value when value.ValueKind = JsonValueKind.Array ->
            [
                for item in value.EnumerateArray() do
                    if item.ValueKind = JsonValueKind.String then
                        item.GetString()
            ]
        | _ -> []
