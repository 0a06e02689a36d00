using DeqDet.Coco;
using DeqDet.Data;
using DeqDet.Model;
using DeqDet.Solver;
using static TorchSharp.torch;

namespace DeqDet.Detection;

/// <summary>
/// One detection of one image: class from 0, score in [0, 1], box in px of the original image, and the query it comes from with what was
/// measured of that query's refinement (null for models without equilibrium).
/// </summary>
public sealed record Finding(int Label, float Score, Box Box, int Query, Report? Refinement);

/// <summary>What a detector says of one image.</summary>
/// <param name="Findings">Detections, best first; boxes that are not finite are left out.</param>
/// <param name="Refinement">Of each query, what was measured; empty for models without equilibrium.</param>
public sealed record Prediction(IReadOnlyList<Finding> Findings, IReadOnlyList<Report> Refinement)
{
    /// <summary>What a detector finds in each image of a batch.</summary>
    /// <param name="detector">The detector.</param>
    /// <param name="batch">The images.</param>
    /// <param name="device">Where the detector lies.</param>
    /// <param name="cancellation">Ends the refinement early; what has been found by then is returned.</param>
    public static IReadOnlyList<Prediction> Of(
        Detector detector,
        Batch batch,
        Device device,
        CancellationToken cancellation
    )
    {
        using var scope = NewDisposeScope();
        var effort = Refinements.Effort(device, cancellation);
        return Read(DetectorModule.detect(effort, detector, BatchTensors.Images(batch, device)), batch);
    }

    /// <summary>Detections as plain numbers, in px of the original images.</summary>
    public static IReadOnlyList<Prediction> Read(Detections found, Batch batch)
    {
        var scores = found.Scores.cpu().data<float>().ToArray();
        var labels = found.Labels.to(int64).cpu().data<long>().ToArray();
        var queries = found.Queries.cpu().data<long>().ToArray();
        var boxes = found.Boxes.cpu().contiguous().data<float>().ToArray();
        var perImage = scores.Length / batch.Images.Count;
        var result = new List<Prediction>(batch.Images.Count);
        for (var i = 0; i < batch.Images.Count; i++)
        {
            var (x, y) = (batch.Images[i].ScaleX, batch.Images[i].ScaleY);
            var reports = found.Reports.Length == 0 ? [] : found.Reports[i];
            var list = new List<Finding>(perImage);
            for (var k = i * perImage; k < (i + 1) * perImage; k++)
            {
                var box = new Box(boxes[4 * k] / x, boxes[4 * k + 1] / y, boxes[4 * k + 2] / x, boxes[4 * k + 3] / y);
                // sizes are powers of two of what the head says, so an untrained one can make them overflow
                if (float.IsFinite(box.X1 + box.Y1 + box.X2 + box.Y2) && float.IsFinite(scores[k]))
                {
                    var query = (int)queries[k];
                    list.Add(new((int)labels[k], scores[k], box, query, reports.Length == 0 ? null : reports[query]));
                }
            }

            result.Add(new(list, reports));
        }

        return result;
    }
}
