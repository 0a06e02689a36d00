namespace DeqDet.Export

open System
open System.IO
open System.Security.Cryptography
open DeqDet
open DeqDet.Checkpoints.Onnx
open DeqDet.Detection
open DeqDet.Model

/// How far the refinement of an exported model goes.
type Depth =
    /// As the checkpoint's settings say: a loop, with their tolerance.
    | AsSettings
    /// So many steps, written out one after the other, and the application after them.
    | Steps of int
    /// A loop in which queries stop at this residual.
    | Tolerance of float

/// Writes a detector as an ONNX file.
module ExportFile =

    /// The iteration that a depth stands for; None for models without equilibrium. Raises InputError where such a model is given a depth.
    let iteration (settings: DetectorSettings) (depth: Depth) : Iteration option =
        if Family.hasEquilibrium settings then
            match depth with
            | AsSettings -> Some(Looped(settings.Solver.Steps + 1, settings.Solver.Tolerance))
            | Tolerance tolerance -> Some(Looped(settings.Solver.Steps + 1, Some tolerance))
            | Steps steps -> Some(Unrolled(steps + 1))
        else
            let family = (Family.ofSettings settings).Title

            match depth with
            | AsSettings -> None
            | Steps _ -> raise (InputError $"--steps: {family} has no equilibrium; its stages are what they are")
            | Tolerance _ ->
                raise (InputError $"--tolerance: {family} has no equilibrium that queries could come near to")

    /// The SHA-256 of a file, in hexadecimal digits.
    let hash (path: string) : string =
        use stream = File.OpenRead path
        Convert.ToHexStringLower(SHA256.HashData stream)

    /// The model as it is written. `info` describes it; where it has an iteration, the graph follows that.
    let model (form: Form) (info: ExportInfo) (model: TrainedModel) : OnnxModel =
        let iteration = defaultArg info.Iteration (Unrolled 1)

        OnnxModel(
            Form.fileVersion form,
            form.Operators,
            "deqdet",
            info.Version,
            info.Model,
            DetectorGraph.ofDetector form iteration model.Detector,
            Array.ofList (ExportInfo.toMetadata info)
        )

    /// Writes the file, whole or not at all. Raises InputError where it cannot be written.
    let write (path: string) (form: Form) (info: ExportInfo) (trained: TrainedModel) : unit =
        use _ = TorchSharp.torch.NewDisposeScope()
        OnnxWriter.Write(path, model form info trained)
