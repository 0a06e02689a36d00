namespace DeqDet.Detection

open System
open System.Threading
open TorchSharp
open DeqDet
open DeqDet.Coco.Evaluation
open DeqDet.Data
open DeqDet.Model
open DeqDet.Solver

type private Boxes = DeqDet.Coco.Evaluation.Detections

/// Which applications of the refinement head are looked at.
module Milestones =

    /// 1, 2, 3, 5, 10, 20, 30, 50, ... before the last one, with the depth of the training and the last one among them; ascending.
    let upTo (trained: int) (last: int) : int list =
        [
            for power in 0..9 do
                for digit in [ 1L; 2L; 3L; 5L ] do
                    let at = digit * pown 10L power

                    if at < int64 last then
                        int at

            min trained last
            last
        ]
        |> List.distinct
        |> List.sort

/// Takes the measurements of a trace on an open DEQDet: `applications` of its refinement head are followed. The token ends the work with an
/// OperationCanceledException.
type Tracer(session: DetectorSession, applications: int, cancellation: CancellationToken) =

    /// Products with the Jacobian at most.
    static let spectralSteps = 300

    let model = session.Model
    let detector = model.Detector
    let trained = detector.Settings.Solver.Steps + 1

    let prepare (batch: Batch) =
        BatchTensors.images session.Device batch |> Convergence.prepare detector

    let isFinite (tensor: torch.Tensor) = tensor.isfinite().all().item<bool>()

    let add (found: Boxes) (readOut: Detections) (batch: Batch) =
        let predictions = Prediction.ofBatch model.Classes batch readOut

        for image, prediction in Seq.zip batch.Images predictions do
            EvaluatedDetections.add found model.Classes image.Id prediction.Findings

    /// Tolerances at which AP is measured.
    static member Tolerances: float list = [ 0.1; 0.03; 0.01; 0.003; 0.001 ]

    /// Relative error at which the search for the spectral radius may stop.
    static member SpectralTolerance: float = 1e-3

    /// Applications of the refinement head that are followed.
    member _.Applications: int = applications

    /// Applications for which the model's settings are made: one after its steps is read out.
    member _.Trained: int = trained

    /// Follows the queries of one image (a batch of it alone) under each scheme, and looks at the Jacobian where plain iteration ends.
    member _.Follow(name: string, batch: Batch) : TracedImage =
        use _ = torch.NewDisposeScope()
        let ready = prepare batch

        if not (isFinite ready.First.Position && isFinite ready.First.Content) then
            raise (InputError $"{name}: the init head makes numbers that are not finite of it; is the model trained?")

        let followed =
            [|
                for scheme in Convergence.schemes detector ->
                    Convergence.follow scheme applications cancellation detector ready
            |]

        cancellation.ThrowIfCancellationRequested()
        let _, last = followed[0]

        let options =
            {
                Steps = spectralSteps
                Tolerance = Tracer.SpectralTolerance
                Seed = 0L
            }

        TracedImage(
            name,
            [| for paths, _ in followed -> paths[0] |],
            (Convergence.scores detector last)[0],
            (Convergence.spectrum options detector ready last)[0]
        )

    /// AP against depth, and against tolerance and work, on the first `limit` images of a validation set whose name for people is
    /// `folder`. `progress` gets the number of images done and of all.
    member _.Judge
        (data: CocoDataset, truth: GroundTruth, folder: string, limit: int, progress: Action<int, int>)
        : TracedAccuracy =
        let part = data.First limit
        let depths = Milestones.upTo trained applications
        let readOuts = [ for depth in depths -> depth, Boxes "trace" ]

        // a tolerance within the depth of training, and one that may go on
        let stops =
            [
                for most in List.distinct [ trained; applications ] do
                    for tolerance in Tracer.Tolerances -> tolerance, most, ResizeArray<Report>(), Boxes "trace"
            ]

        use batches =
            DataLoader(part, model.Settings.Data).Evaluation(model.Settings.Evaluation.BatchSize, cancellation)

        let mutable batch = null
        let mutable images = 0

        while batches.TryNext &batch do
            use batch = batch
            use _ = torch.NewDisposeScope()
            let ready = prepare batch

            for readOut, (_, found) in Seq.zip (Convergence.readOuts depths detector ready) readOuts do
                add found readOut batch

            for tolerance, most, reports, found in stops do
                cancellation.ThrowIfCancellationRequested()
                use _ = torch.NewDisposeScope()
                let readOut = Convergence.readOutWithin tolerance most detector ready
                reports.AddRange(Array.concat readOut.Reports)
                add found readOut batch

            images <- images + batch.Images.Count

            if not (isNull progress) then
                progress.Invoke(images, part.Images.Count)

        let worth (found: Boxes) =
            let parameters =
                EvaluationParameters(ImageIds = [| for image in part.Images -> image.Id |])

            let result = Evaluator.Evaluate(truth, found, parameters)
            Accuracy(result["AP"], result["AP50"], result["AP75"])

        TracedAccuracy(
            folder,
            part.Images.Count,
            data.Images.Count,
            [| for depth, found in readOuts -> DepthAccuracy(depth, worth found) |],
            [|
                for tolerance, most, reports, found in stops ->
                    let all = float reports.Count
                    let updates = reports |> Seq.sumBy (fun report -> float report.Evaluations)

                    let settled =
                        reports |> Seq.filter (fun report -> report.Outcome = Converged) |> Seq.length

                    ToleranceAccuracy(tolerance, most, updates / all, float settled / all, worth found)
            |]
        )
