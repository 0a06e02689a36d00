namespace DeqDet.Detection

open System
open System.Collections.Generic
open TorchSharp
open DeqDet.Checkpoints
open DeqDet.Model
open DeqDet.Settings

/// Starts a detector's backbone from published weights.
module BackboneWeights =

    // where a backbone's first convolution is, and what takes in a constant that its results lack: added to a bias, or taken from the mean
    // that is subtracted next
    let private firstLayers =
        [
            "backbone.conv1.weight", "backbone.bn1.running_mean", -1.0
            "backbone.features.0.0.weight", "backbone.features.0.1.running_mean", -1.0
            "backbone.patch_embed.projection.weight", "backbone.patch_embed.projection.bias", 1.0
        ]

    let private select (file: ITensorFile) (expected: ExpectedTensor seq) (device: torch.Device) =
        let wanted =
            Dictionary
                [
                    for tensor in expected do
                        if tensor.Name.StartsWith(BackboneNames.prefix, StringComparison.Ordinal) then
                            KeyValuePair(tensor.Name, tensor)
                ]

        let backbone = BackboneNames.convert file

        let stored =
            backbone.Tensors
            |> List.filter (fun tensor ->
                wanted.ContainsKey tensor.Name || not (BackboneNames.isBookkeeping tensor.Name))

        let found = HashSet [ for tensor in stored -> tensor.Name ]

        for name in List.ofSeq wanted.Keys do
            if not (found.Contains name) && BackboneNames.isOutputNorm name then
                wanted.Remove name |> ignore

        Weights.Load(file.Path, Array.ofList stored, Array.ofSeq wanted.Values, device), backbone.Input

    /// Loads the backbone from a file that `BackboneNames.convert` knows, to a device: new tensors by name, which
    /// the caller disposes. Swin classifiers have no normalisation of the levels' outputs; where the file lacks it, it is left out of
    /// the result. Counters and index tables that nothing computes with may be in the file or not.
    /// Raises CheckpointError where the file cannot be read, is of another kind, or does not fit.
    let load (path: string) (expected: ExpectedTensor seq) (device: torch.Device) : Dictionary<string, torch.Tensor> =
        use file = TensorFile.Open path
        fst (select file expected device)

    /// Makes a backbone's first layer see what a detector gives it as if it were what it was trained with. Images are given as
    /// (v - m) / s, and wanted as (v - M) / S: that is the given one times s / S, which its weights take in, and (m - M) / S more, a constant,
    /// which the layer after it takes in. Exact but at the outermost pixels, where the convolution reads zeros from outside the image.
    let private adapt (given: NormaliseSettings) (wanted: BackboneInput) (tensors: Dictionary<string, torch.Tensor>) =
        let layer =
            firstLayers
            |> List.tryFind (fun (weight, offset, _) -> tensors.ContainsKey weight && tensors.ContainsKey offset)

        for weight, offset, sign in Option.toList layer do
            use _ = torch.NewDisposeScope()
            let kernel, offset = tensors[weight], tensors[offset]

            let perChannel (numbers: float list) =
                torch.tensor(Array.ofList numbers, dtype = torch.float64, device = kernel.device).view(1L, -1L, 1L, 1L)

            let exact = kernel.``to`` torch.float64
            let scale = List.map2 (/) given.Std wanted.Std |> perChannel

            let shift =
                List.map3 (fun m mean std -> (m - mean) / std) given.Mean wanted.Mean wanted.Std
                |> perChannel

            let missing = (exact * shift).sum([| 1L; 2L; 3L |])
            kernel.copy_ (exact * scale) |> ignore
            offset.copy_ (offset.``to`` torch.float64 .+ missing * scalar sign) |> ignore

    /// Copies the backbone of a file over a detector's. Where the file says what input it was trained with, its first layer is made to fit
    /// images that are normalised as given.
    let copyInto (detector: Detector) (path: string) (normalise: NormaliseSettings) (device: torch.Device) : unit =
        use _ = torch.no_grad ()
        use file = TensorFile.Open path
        let tensors = dict [ for spec, tensor in detector.Tensors -> spec.Name, tensor ]
        let expected = [ for spec, _ in detector.Tensors -> ExpectedWeights.ofSpec spec ]
        let loaded, input = select file expected device
        input |> Option.iter (fun input -> adapt normalise input loaded)

        for entry in loaded do
            tensors[entry.Key].copy_ entry.Value |> ignore
            entry.Value.Dispose()

    /// What a person should know about a file before it is copied into a detector: what was left out of it, and that its weights have seen
    /// images with other means, grey levels further away than 1, or zeros at other edges. Raises CheckpointError where it cannot be read.
    let notices (path: string) (padding: PaddingMode) (normalise: NormaliseSettings) : string list =
        use file = TensorFile.Open path
        let backbone = BackboneNames.convert file

        let isFar (input: BackboneInput) =
            List.exists2 (fun (a: float) b -> abs (a - b) > 1.0) input.Mean normalise.Mean

        [
            for notice in Seq.append file.Notices backbone.Notices do
                $"{path}: {notice}"

            match backbone.Input with
            | Some input when isFar input ->
                let mean = input.Mean |> List.map string |> String.concat ","

                $"{path}: these weights were trained with {BackboneInput.describe input}; their first layer is fitted to data.normalise, "
                + $"which leaves a difference at the edges of images; --set data.normalise.mean=[{mean}] leaves none"
            | _ -> ()

            match backbone.Input with
            | Some { Padding = Same } when padding <> Same ->
                $"{path}: these weights were trained with zeros at the right and the bottom alone; --set backbone.padding=same puts them there"
            | _ -> ()
        ]
