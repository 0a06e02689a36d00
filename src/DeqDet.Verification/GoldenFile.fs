namespace DeqDet.Verification

open System
open System.Collections.Generic
open System.Text.Json
open DeqDet.Model

/// A set of golden files that cannot be verified because something that it needs is missing or of the wrong form.
type GoldenError(message: string) =
    inherit Exception(message)

/// The tensors of one golden file by name, all on the device that is verified.
type GoldenFile =
    {
        Name: string
        Tensors: IReadOnlyDictionary<string, Tensor>
    }

module GoldenFile =

    /// The tensor of that name, if the file has it.
    let tryFind (name: string) (file: GoldenFile) : Tensor option =
        match file.Tensors.TryGetValue name with
        | true, tensor -> Some tensor
        | _ -> None

    /// The tensor of that name. Raises GoldenError where the file has none.
    let find (name: string) (file: GoldenFile) : Tensor =
        match tryFind name file with
        | Some tensor -> tensor
        | None -> raise (GoldenError $"{file.Name} has no tensor '{name}'")

    let has (name: string) (file: GoldenFile) = file.Tensors.ContainsKey name

    /// All numbers of a tensor as doubles, row by row.
    let floats (tensor: Tensor) : float[] =
        if tensor.numel () = 0L then
            [||]
        else
            tensor.detach().cpu().``to``(TorchSharp.torch.float64).reshape(-1L).data<float>().ToArray()

    /// All numbers of an integer tensor, row by row.
    let integers (tensor: Tensor) : int64[] =
        if tensor.numel () = 0L then
            [||]
        else
            tensor.detach().cpu().``to``(TorchSharp.torch.int64).reshape(-1L).data<int64>().ToArray()

    /// How many of `name 0`, `name 1`, ... the file has, without a gap.
    let count (name: int -> string) (file: GoldenFile) : int =
        Seq.initInfinite name |> Seq.takeWhile (fun name -> has name file) |> Seq.length

/// Numbers of a golden set's JSON file.
module GoldenJson =

    let private wrong file name kind =
        GoldenError $"{file}: '{name}' is missing or no {kind}"

    let private property (name: string) (element: JsonElement) =
        if element.ValueKind <> JsonValueKind.Object then
            None
        else
            match element.TryGetProperty name with
            | true, value -> Some value
            | _ -> None

    /// The member of an object. Raises GoldenError where there is none.
    let section (file: string) (name: string) (element: JsonElement) : JsonElement =
        match property name element with
        | Some value -> value
        | None -> raise (wrong file name "section")

    let tryNumber (name: string) (element: JsonElement) : float option =
        match property name element with
        | Some value when value.ValueKind = JsonValueKind.Number -> Some(value.GetDouble())
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

    /// The numbers of an array; empty where there is no such member.
    let numbers (file: string) (name: string) (element: JsonElement) : float list =
        match property name element with
        | None -> []
        | Some value when value.ValueKind = JsonValueKind.Array ->
            [
                for item in value.EnumerateArray() do
                    if item.ValueKind <> JsonValueKind.Number then
                        raise (wrong file name "list of numbers")

                    item.GetDouble()
            ]
        | Some _ -> raise (wrong file name "list of numbers")

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
