namespace DeqDet.Detection

open System
open System.Collections.Generic
open TorchSharp
open DeqDet.Checkpoints
open DeqDet.Model

/// Starts a detector's backbone from published weights.
module BackboneWeights =

    /// Loads the backbone from a .pth or safetensors file that `BackboneNames.convert` knows, to a device: new tensors by name, which
    /// the caller disposes. Swin classifiers have no normalisation of the levels' outputs; where the file lacks it, it is left out of
    /// the result. Counters and index tables that nothing computes with may be in the file or not.
    /// Raises CheckpointError where the file cannot be read, is of another kind, or does not fit.
    let load (path: string) (expected: ExpectedTensor seq) (device: torch.Device) : Dictionary<string, torch.Tensor> =
        use file = TensorFile.Open path

        let wanted =
            Dictionary
                [
                    for tensor in expected do
                        if tensor.Name.StartsWith(BackboneNames.prefix, StringComparison.Ordinal) then
                            KeyValuePair(tensor.Name, tensor)
                ]

        let stored =
            BackboneNames.convert file
            |> List.filter (fun tensor ->
                wanted.ContainsKey tensor.Name || not (BackboneNames.isBookkeeping tensor.Name))

        let found = HashSet [ for tensor in stored -> tensor.Name ]

        for name in List.ofSeq wanted.Keys do
            if not (found.Contains name) && BackboneNames.isOutputNorm name then
                wanted.Remove name |> ignore

        Weights.Load(path, Array.ofList stored, Array.ofSeq wanted.Values, device)

    /// Copies the backbone of a file over a detector's.
    let copyInto (detector: Detector) (path: string) (device: torch.Device) : unit =
        use _ = torch.no_grad ()
        let tensors = dict [ for spec, tensor in detector.Tensors -> spec.Name, tensor ]
        let expected = [ for spec, _ in detector.Tensors -> ExpectedWeights.ofSpec spec ]

        for entry in load path expected device do
            tensors[entry.Key].copy_ entry.Value |> ignore
            entry.Value.Dispose()
