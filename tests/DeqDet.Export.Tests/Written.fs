/// Models as the bytes of a file, and run.
module DeqDet.Export.Tests.Written

open System.IO
open TorchSharp
open DeqDet.Checkpoints.Onnx
open DeqDet.Export
open DeqDet.Model
open DeqDet.Verification

/// The bytes of a file.
let bytes (model: OnnxModel) : byte[] =
    use stream = new MemoryStream()
    OnnxWriter.Write(stream, model)
    stream.ToArray()

/// A graph alone.
let ofGraph (form: Form) (graph: OnnxGraph) : OnnxModel =
    OnnxModel(Form.fileVersion form, form.Operators, "deqdet", "", "", graph, [||])

/// A graph with these inputs and outputs.
let ofValues (form: Form) (graph: Graph) (inputs: Value list) (outputs: Value list) : OnnxModel =
    ofGraph
        form
        (OnnxGraph(
            "part",
            graph.Operations,
            [| for _, tensor in graph.Initialisers.Values -> tensor |],
            [| for value in inputs -> Graph.described [ "batch" ] "" value |],
            [| for value in outputs -> Graph.described [ "batch" ] "" value |]
        ))

/// What a model makes of inputs.
let run (model: OnnxModel) (inputs: (string * Tensor) list) =
    use session = OnnxSession.OfBytes(bytes model, 1)
    session.Run inputs

/// Largest difference relative to the largest expected magnitude; infinite where shapes differ.
let difference (expected: Tensor) (actual: Tensor) : float =
    use _ = torch.NewDisposeScope()

    if expected.shape <> actual.shape then
        infinity
    else
        let expected, actual = expected.``to`` torch.float64, actual.``to`` torch.float64
        let scale = max 1e-6 (expected.abs().max().ToDouble())
        (expected - actual).abs().max().ToDouble() / scale
