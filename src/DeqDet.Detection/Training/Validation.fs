namespace DeqDet.Detection

open System
open System.Collections.Generic
open System.Diagnostics
open System.Threading
open DeqDet
open DeqDet.Coco.Evaluation
open DeqDet.Data
open DeqDet.Settings

/// The boxes of predictions as an evaluation takes them.
module EvaluatedDetections =

    /// Adds what was found in an image: its boxes, best first, with what is known of their queries' refinement.
    let add
        (found: Detections)
        (classes: IReadOnlyList<ObjectClass>)
        (image: BatchImage)
        (findings: Finding seq)
        : unit =
        for finding in findings do
            let box = finding.Box

            let refinement =
                match finding.Report with
                | Some report -> QueryRefinement(report.Evaluations, report.RelativeResidual)
                | None -> null

            found.Add(
                image.Id,
                classes[finding.Label].Id,
                float box.X1,
                float box.Y1,
                float (box.X2 - box.X1),
                float (box.Y2 - box.Y1),
                float finding.Score,
                refinement
            )

    /// Runs `predict` on all batches of a data set and gives what was found as the evaluation takes it, in the order of the file whatever
    /// the batches were. `progress` gets the number of images done and of all. Raises OperationCanceledException when cancelled.
    let ofBatches
        (predict: Batch -> Prediction[])
        (loader: DataLoader)
        (batchSize: int)
        (progress: int -> int -> unit)
        (cancellation: CancellationToken)
        : Detections =
        let perImage = Dictionary<_, BatchImage * IReadOnlyList<Finding>>()
        let all = loader.Data.Images.Count
        use batches = loader.Evaluation(batchSize, cancellation)
        let mutable batch = null

        while batches.TryNext &batch do
            use batch = batch

            for image, prediction in Seq.zip batch.Images (predict batch) do
                perImage.Add(image.Id, (image, prediction.Findings))

            progress perImage.Count all

        let found = Detections "validation"

        for image in loader.Data.Images do
            let image, findings = perImage[image.Id]
            add found loader.Data.Categories image findings

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
    member _.Run
        (session: DetectorSession, progress: Action<int, int>, cancellation: CancellationToken)
        : ValidationResult =
        let clock = Stopwatch.StartNew()
        let refinements = Refinements()

        let predict batch =
            let predictions = session.Predict(batch, cancellation)

            for prediction in predictions do
                refinements.Add prediction.Refinement

            predictions

        let report done' all =
            if not (isNull progress) then
                progress.Invoke(done', all)

        let found =
            EvaluatedDetections.ofBatches predict loader batchSize report cancellation

        {
            Detections = found
            Evaluation = truth |> Option.map (fun truth -> Evaluator.Evaluate(truth, found))
            Refinements = refinements
            Time = clock.Elapsed
        }
