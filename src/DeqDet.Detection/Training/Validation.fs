namespace DeqDet.Detection

open System
open System.Collections.Generic
open System.Diagnostics
open System.Threading
open DeqDet
open DeqDet.Coco
open DeqDet.Coco.Evaluation
open DeqDet.Data
open DeqDet.Settings

/// The boxes of predictions as an evaluation takes them.
module EvaluatedDetections =

    /// Adds what was found in an image: its boxes, best first, with what is known of their queries' refinement.
    let add (found: Detections) (classes: IReadOnlyList<ObjectClass>) (image: CocoId) (findings: Finding seq) : unit =
        for finding in findings do
            let box = finding.Box

            let refinement =
                match finding.Report with
                | Some report -> QueryRefinement(report.Evaluations, report.RelativeResidual)
                | None -> null

            found.Add(
                image,
                classes[finding.Label].Id,
                float box.X1,
                float box.Y1,
                float (box.X2 - box.X1),
                float (box.Y2 - box.Y1),
                float finding.Score,
                refinement
            )

    /// Runs `predict` on the batches of a data set that a share has, and gives what was found by the numbers of the images, from 0.
    /// `progress` gets the number of images done. Raises OperationCanceledException when cancelled.
    let ofBatches
        (predict: Batch -> Prediction[])
        (loader: DataLoader)
        (batchSize: int)
        (share: BatchShare)
        (progress: int -> unit)
        (cancellation: CancellationToken)
        : (int * Prediction) list =
        let numbers =
            dict [ for number, image in Seq.indexed loader.Data.Images -> image.Id, number ]

        let found = List<int * Prediction>()
        use batches = loader.Evaluation(batchSize, share, cancellation)
        let mutable batch = null

        while batches.TryNext &batch do
            use batch = batch

            for image, prediction in Seq.zip batch.Images (predict batch) do
                found.Add(numbers[image.Id], prediction)

            progress found.Count

        List.ofSeq found

    /// What was found as the evaluation takes it, in the order of the file whatever the batches were.
    let ofPredictions (data: CocoDataset) (predictions: (int * Prediction) list) : Detections =
        let found = Detections "validation"

        for number, prediction in List.sortBy fst predictions do
            add found data.Categories data.Images[number].Id prediction.Findings

        found

/// A detector's detections on a data set and what they are worth.
type ValidationResult =
    {
        Detections: Detections
        /// None where the set has no annotations to compare with.
        Evaluation: EvaluationResult option
        Refinements: Refinements
        Time: TimeSpan
    }

/// Runs a detector over a validation set and evaluates what it finds. `truth`: the boxes to be found; None: there is nothing to compare with.
type Validation(loader: DataLoader, truth: GroundTruth option, batchSize: int) =

    let evaluated (clock: Stopwatch) (predictions: (int * Prediction) list) : ValidationResult =
        let refinements = Refinements()

        for _, prediction in predictions do
            refinements.Add prediction.Refinement

        let found = EvaluatedDetections.ofPredictions loader.Data predictions

        {
            Detections = found
            Evaluation = truth |> Option.map (fun truth -> Evaluator.Evaluate(truth, found))
            Refinements = refinements
            Time = clock.Elapsed
        }

    /// The validation set that settings name, for a model with these classes. Raises InputError where it is missing or malformed, or its
    /// classes differ.
    static member Of(settings: Settings, classes: IReadOnlyList<ObjectClass>) : Validation =
        let struct (data, truth) = DataSets.ForValidation(settings.Data, classes)
        Validation(DataLoader(data, settings.Data), Some truth, settings.Evaluation.BatchSize)

    /// Images that somebody names, which need no annotations. Raises InputError where they are missing or malformed, or their classes differ.
    static member OfPart(part: DataPart, settings: Settings, classes: IReadOnlyList<ObjectClass>) : Validation =
        let struct (data, truth) =
            DataSets.ForTest(part, classes, annotationsOptional = true)

        Validation(DataLoader(data, settings.Data), Option.ofObj truth, settings.Evaluation.BatchSize)

    /// The validation set.
    member _.Data: CocoDataset = loader.Data

    /// What it is, in short.
    member _.Fingerprint: DataFingerprint = loader.Fingerprint

    /// Its boxes as the evaluation takes them; None where it has no annotations.
    member _.Truth: GroundTruth option = truth

    /// Detects on every image and evaluates. `progress` (may be null) gets the number of images done and of all. Raises
    /// OperationCanceledException when cancelled.
    member validation.Run
        (session: DetectorSession, progress: Action<int, int>, cancellation: CancellationToken)
        : ValidationResult =
        validation.Run(session, Processes.Alone, progress, cancellation)

    /// The same shared out over processes: each detects on its share, all evaluate what all have found. Where it is cancelled in any, it is in all.
    member _.Run
        (session: DetectorSession, processes: Processes, progress: Action<int, int>, cancellation: CancellationToken)
        : ValidationResult =
        let clock = Stopwatch.StartNew()
        let all = loader.Data.Images.Count

        let report done' =
            if not (isNull progress) then
                // the others are about as far
                progress.Invoke(min all (done' * processes.Share.Size), all)

        let own =
            try
                let predict batch = session.Predict(batch, cancellation)
                Some(EvaluatedDetections.ofBatches predict loader batchSize processes.Share report cancellation)
            with :? OperationCanceledException when cancellation.IsCancellationRequested ->
                None

        if processes.Any own.IsNone then
            raise (OperationCanceledException cancellation)

        let predictions =
            if processes.IsAlone then
                own.Value
            else
                processes.Communicator.Gather(PredictionBytes.write own.Value)
                |> List.ofArray
                |> List.collect (PredictionBytes.read session.Model.Classes)

        evaluated clock predictions

    /// The same for another way to detect on a batch, such as an exported model's; no progress is shown.
    member _.RunWith(predict: Batch -> Prediction[], cancellation: CancellationToken) : ValidationResult =
        let clock = Stopwatch.StartNew()

        EvaluatedDetections.ofBatches predict loader batchSize Processes.Alone.Share ignore cancellation
        |> evaluated clock
