using DeqDet.Host.Data;
using DeqDet.Host.Evaluation;
using DeqDet.Model;
using static TorchSharp.torch;
using FoundBoxes = DeqDet.Host.Evaluation.Detections;

namespace DeqDet.Host.Training;

/// <summary>A detector's detections on a data set and what they are worth.</summary>
public sealed record ValidationResult(FoundBoxes Detections, EvaluationResult Evaluation, TimeSpan Time);

/// <summary>Runs a detector over a validation set and judges what it finds.</summary>
public sealed class Validation(DataLoader loader, GroundTruth truth, int batchSize)
{
    /// <summary>The validation set.</summary>
    public CocoDataset Data => loader.Data;

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
        var found = Detect(detector, device, progress, cancellation);
        return new(found, Evaluator.Evaluate(truth, found), clock.Elapsed);
    }

    private FoundBoxes Detect(
        Detector detector,
        Device device,
        Action<int, int>? progress,
        CancellationToken cancellation
    )
    {
        var perImage = new Dictionary<long, List<Finding>>();
        using var batches = loader.Evaluation(batchSize, cancellation);
        while (batches.TryNext(out var batch))
        {
            using (batch)
            {
                var findings = Finding.Of(detector, batch!, device);
                for (var i = 0; i < findings.Count; i++)
                {
                    perImage.Add(batch!.Images[i].Id, findings[i]);
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
                detections.Add(image.Id, category, box.X1, box.Y1, box.X2 - box.X1, box.Y2 - box.Y1, finding.Score);
            }
        }

        return detections;
    }
}

/// <summary>One detection of one image: class from 0, score in [0, 1], box in px of the original image.</summary>
public readonly record struct Finding(int Label, float Score, Box Box)
{
    /// <summary>What a detector finds in each image of a batch, best first; boxes that are not finite are left out.</summary>
    public static List<List<Finding>> Of(Detector detector, Batch batch, Device device)
    {
        using var scope = NewDisposeScope();
        var found = DetectorModule.detect(detector, BatchTensors.Images(batch, device));
        var scores = found.Scores.cpu().data<float>().ToArray();
        var labels = found.Labels.to(int64).cpu().data<long>().ToArray();
        var boxes = found.Boxes.cpu().contiguous().data<float>().ToArray();
        var perImage = scores.Length / batch.Images.Count;
        var result = new List<List<Finding>>(batch.Images.Count);
        for (var i = 0; i < batch.Images.Count; i++)
        {
            var (x, y) = (batch.Images[i].ScaleX, batch.Images[i].ScaleY);
            var list = new List<Finding>(perImage);
            for (var k = i * perImage; k < (i + 1) * perImage; k++)
            {
                var box = new Box(boxes[4 * k] / x, boxes[4 * k + 1] / y, boxes[4 * k + 2] / x, boxes[4 * k + 3] / y);
                // sizes are powers of two of what the head says, so an untrained one can make them overflow
                if (float.IsFinite(box.X1 + box.Y1 + box.X2 + box.Y2) && float.IsFinite(scores[k]))
                {
                    list.Add(new((int)labels[k], scores[k], box));
                }
            }

            result.Add(list);
        }

        return result;
    }
}
