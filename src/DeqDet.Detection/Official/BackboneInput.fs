namespace DeqDet.Detection

open System
open System.Collections.Generic
open System.Text.Json
open DeqDet.Checkpoints
open DeqDet.Model

/// What a backbone's weights were trained to see: (value - mean) / deviation of the channels red, green, blue in grey levels of 0 to 255.
type BackboneInput =
    {
        Mean: float list
        Std: float list
        /// Where their training put zeros around the maps.
        Padding: PaddingMode
    }

/// What a file says about the input of its weights.
module BackboneInput =

    let private meanKey = "input_mean"
    let private stdKey = "input_std"
    let private paddingKey = "padding"
    let private samePadding = "same"

    /// As metadata of a safetensors file.
    let toMetadata (input: BackboneInput) : (string * string) list =
        [
            meanKey, JsonSerializer.Serialize input.Mean
            stdKey, JsonSerializer.Serialize input.Std
            if input.Padding = Same then
                paddingKey, samePadding
        ]

    /// From metadata of a safetensors file; None where they say nothing about it. Raises CheckpointError where they are malformed.
    let ofMetadata (path: string) (metadata: IReadOnlyDictionary<string, string>) : BackboneInput option =
        let numbers (key: string) (allowed: float -> bool) =
            let wrong () =
                CheckpointError(
                    path,
                    $"its metadata are damaged: '{key}' is not a list of three numbers as pictures have them"
                )

            match metadata.TryGetValue key with
            | false, _ -> raise (wrong ())
            | true, text ->
                try
                    match JsonSerializer.Deserialize<float[]> text with
                    | [| _; _; _ |] as list when Array.forall (fun x -> Double.IsFinite x && allowed x) list ->
                        List.ofArray list
                    | _ -> raise (wrong ())
                with :? JsonException ->
                    raise (wrong ())

        if metadata.ContainsKey meanKey || metadata.ContainsKey stdKey then
            Some
                {
                    Mean = numbers meanKey (fun _ -> true)
                    Std = numbers stdKey (fun x -> x > 0.0)
                    Padding =
                        match metadata.TryGetValue paddingKey with
                        | true, text when text = samePadding -> Same
                        | _ -> Symmetric
                }
        else
            None

    let private triple (numbers: float list) =
        numbers |> List.map (fun x -> x.ToString "0.###") |> String.concat ", "

    /// For people.
    let describe (input: BackboneInput) : string =
        $"RGB minus ({triple input.Mean}), divided by ({triple input.Std})"
