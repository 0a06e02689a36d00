namespace DeqDet.Verification

open System
open TorchSharp
open DeqDet.Checkpoints.Onnx
open DeqDet.Data
open DeqDet.Detection
open DeqDet.Export
open DeqDet.Model
open DeqDet.Solver

/// An exported detector in ONNX Runtime.
[<Sealed>]
type OnnxDetector private (info: ExportInfo, session: OnnxSession) =

    let tolerance =
        match info.Iteration with
        | Some(Looped(_, tolerance)) -> tolerance
        | _ -> None

    // what the graph says of a query; how fast it came near is not among it
    let report (residual: float) (steps: int64) : Report =
        {
            Outcome =
                if not (Double.IsFinite residual) then
                    NonFinite
                elif tolerance |> Option.exists (fun tolerance -> residual <= tolerance) then
                    Converged
                else
                    StepLimit
            Steps = max 0 (int steps - 1)
            Evaluations = int steps
            Residual = residual
            RelativeResidual = residual
            ContractionRate = nan
            EmpiricalError = nan
        }

    /// Opens a file that 'export' wrote. Raises InputError where it is damaged, another program's, or ONNX Runtime is not there.
    static member Open(path: string, threads: int) : OnnxDetector =
        let info =
            use file = OnnxFile.Open path
            ExportInfo.ofMetadata path file.Metadata

        new OnnxDetector(info, OnnxSession.Open(path, threads))

    /// What the file says of itself.
    member _.Info: ExportInfo = info

    /// All results by their names for a batch of normalised images; the tensors are the caller's.
    member _.Run(batch: ImageBatch) =
        let sizes =
            [|
                for struct (w, h) in batch.Sizes do
                    float32 w
                    float32 h
            |]

        use sizes = torch.tensor(sizes).reshape(int64 batch.Sizes.Length, 2L)
        session.Run [ Names.Images, batch.Images; Names.Sizes, sizes ]

    /// What is found in a batch, as the detector itself says it; the state is the boxes alone.
    member detector.Detect(batch: ImageBatch) : Detections =
        let found = detector.Run batch

        let reports =
            match found.TryGetValue Names.Residuals, found.TryGetValue Names.Steps with
            | (true, residuals), (true, steps) ->
                let queries = int (residuals.size 1)

                Array.map2 report (GoldenFile.floats residuals) (GoldenFile.integers steps)
                |> Array.chunkBySize queries
            | _ -> [||]

        {
            Scores = found[Names.Scores]
            Labels = found[Names.Labels]
            Boxes = found[Names.Boxes]
            Queries = found[Names.Queries]
            Reports = reports
            State =
                {
                    Position = found[Names.Boxes]
                    Content = found[Names.Boxes]
                    Box = found[Names.Boxes]
                }
            Warm = false
        }

    /// What is found in each image of a loader's batch.
    member detector.Predict(batch: Batch) : Prediction[] =
        use _ = torch.NewDisposeScope()

        BatchTensors.images torch.CPU batch
        |> detector.Detect
        |> Prediction.ofBatch (Array.ofList info.Classes) batch

    interface IDisposable with

        /// Frees the session.
        member _.Dispose() = (session :> IDisposable).Dispose()
