using DeqDet.Coco;
using DeqDet.Coco.Evaluation;
using DeqDet.Data;
using DeqDet.Model;
using static TorchSharp.torch;
using FoundBoxes = DeqDet.Coco.Evaluation.Detections;

namespace DeqDet.Detection;

/// <summary>A detector's detections on a data set and what they are worth.</summary>
public sealed record ValidationResult(
    FoundBoxes Detections,
    EvaluationResult Evaluation,
    Refinements Refinements,
    TimeSpan Time
);

/// <summary>Runs a detector over a validation set and judges what it finds.</summary>
public sealed class Validation(DataLoader loader, GroundTruth truth, int batchSize)
{
    /// <summary>The validation set.</summary>
    public CocoDataset Data => loader.Data;

    /// <summary>Its boxes as the evaluation takes them.</summary>
    public GroundTruth Truth => truth;

    /// <summary>Detects on every image and evaluates.</summary>
    /// <param name="detector">The detector.</param>
    /// <param name="device">Where it lies.</param>
    /// <param name="progress">Told the number of images done and the number of all.</param>
    /// <param name="cancellation">Ends the work.</param>
    public ValidationResult Run(
        Detector detector,
        Device device,
        Action<int, int>? progress,
        CancellationToken cancellation
    )
    {
        var clock = System.Diagnostics.Stopwatch.StartNew();
        var refinements = new Refinements();
        var found = Detect(detector, device, refinements, progress, cancellation);
        return new(found, Evaluator.Evaluate(truth, found), refinements, clock.Elapsed);
    }

    private FoundBoxes Detect(
        Detector detector,
        Device device,
        Refinements refinements,
        Action<int, int>? progress,
        CancellationToken cancellation
    )
    {
        var perImage = new Dictionary<CocoId, IReadOnlyList<Finding>>();
        using var batches = loader.Evaluation(batchSize, cancellation);
        while (batches.TryNext(out var batch))
        {
            using (batch)
            {
                var predictions = Prediction.Of(detector, batch!, device, cancellation);
                // a refinement that was cut short is no result
                cancellation.ThrowIfCancellationRequested();
                for (var i = 0; i < predictions.Count; i++)
                {
                    perImage.Add(batch!.Images[i].Id, predictions[i].Findings);
                    refinements.Add(predictions[i].Refinement);
                }
            }

            progress?.Invoke(perImage.Count, loader.Data.Images.Count);
        }

        // in the order of the file: the same results file whatever the batches were
        var detections = new FoundBoxes("validation");
        foreach (var image in loader.Data.Images)
        {
            foreach (var finding in perImage[image.Id])
            {
                var (box, category) = (finding.Box, loader.Data.Categories[finding.Label].Id);
                detections.Add(
                    image.Id,
                    category,
                    box.X1,
                    box.Y1,
                    box.X2 - box.X1,
                    box.Y2 - box.Y1,
                    finding.Score,
                    finding.Refinement is { } report ? new(report.Evaluations, report.RelativeResidual) : null
                );
            }
        }

        return detections;
    }
}
