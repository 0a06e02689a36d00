using DeqDet.Coco;
using DeqDet.Coco.Evaluation;
using DeqDet.Data;
using DeqDet.Detection;
using DeqDet.Model;
using DeqDet.Settings;
using DeqDet.Solver;
using Microsoft.FSharp.Collections;
using static TorchSharp.torch;
using FoundBoxes = DeqDet.Coco.Evaluation.Detections;

namespace DeqDet.Reports.Tracing;

/// <summary>Takes the measurements of a trace.</summary>
/// <param name="model">A DEQDet.</param>
/// <param name="device">Where it lies.</param>
/// <param name="applications">Applications of the refinement head to follow.</param>
/// <param name="cancellation">Ends the work with an OperationCanceledException.</param>
public sealed class Tracer(TrainedModel model, Device device, int applications, CancellationToken cancellation)
{
    /// <summary>Tolerances at which AP is measured.</summary>
    public static IReadOnlyList<double> Tolerances { get; } = [0.1, 0.03, 0.01, 0.003, 0.001];

    /// <summary>Relative error at which the search for the spectral radius may stop.</summary>
    public const double SpectralTolerance = 1e-3;

    private const int SpectralSteps = 300;

    private readonly Detector detector = model.Detector;

    /// <summary>Applications of the refinement head that are followed.</summary>
    public int Applications => applications;

    /// <summary>Applications for which the model's settings are made: one after its steps is read out.</summary>
    public int Trained => detector.Settings.Solver.Steps + 1;

    /// <summary>Follows the queries of one image under each scheme, and looks at the Jacobian where plain iteration ends.</summary>
    /// <param name="name">The image as people call it.</param>
    /// <param name="batch">That image alone.</param>
    public TracedImage Follow(string name, Batch batch)
    {
        using var scope = NewDisposeScope();
        var ready = Convergence.prepare(detector, BatchTensors.Images(batch, device));
        if (!Finite(ready.First.Position) || !Finite(ready.First.Content))
        {
            throw new InputError(
                $"{name}: the init head makes numbers that are not finite of it; is the model trained?"
            );
        }

        var paths = new List<ResidualPath>();
        Query? end = null;
        foreach (var (scheme, method) in Convergence.schemes(detector))
        {
            var (path, query) = Convergence.follow(scheme, method, applications, cancellation, detector, ready);
            paths.Add(path[0]);
            end ??= query;
        }

        cancellation.ThrowIfCancellationRequested();
        var options = new SpectralOptions(SpectralSteps, SpectralTolerance, seed: 0);
        return new(
            name,
            paths,
            Convergence.scores(detector, end!)[0],
            Convergence.spectrum(options, detector, ready, end!)[0]
        );
    }

    /// <summary>AP against depth, and against tolerance and work, on the first images of a validation set.</summary>
    /// <param name="data">The validation set.</param>
    /// <param name="truth">Its boxes.</param>
    /// <param name="folder">Its name for people.</param>
    /// <param name="limit">Images to judge at most.</param>
    /// <param name="progress">Told the number of images done and the number of all.</param>
    public TracedAccuracy Judge(
        CocoDataset data,
        GroundTruth truth,
        string folder,
        int limit,
        Action<int, int>? progress
    )
    {
        var part = data with { Images = [.. data.Images.Take(limit)] };
        var depths = TraceStatistics.Milestones(Trained, applications);
        // a tolerance within the depth of training, and one that may go on
        var stops = new[] { Trained, applications }
            .Distinct()
            .SelectMany(most => Tolerances.Select(tolerance => new Stop(tolerance, most)))
            .ToList();
        var found = depths.Select(_ => new FoundBoxes("trace")).ToList();
        var stopped = stops.Select(_ => new FoundBoxes("trace")).ToList();
        using var batches = new DataLoader(part, model.Settings.Data).Evaluation(
            model.Settings.Evaluation.BatchSize,
            cancellation
        );
        var done = 0;
        while (batches.TryNext(out var batch))
        {
            using var owned = batch;
            using var scope = NewDisposeScope();
            var ready = Convergence.prepare(detector, BatchTensors.Images(batch!, device));
            foreach (var (readOut, boxes) in Convergence.readOuts(ListModule.OfSeq(depths), detector, ready).Zip(found))
            {
                Add(readOut, batch!, part, boxes);
            }

            foreach (var (stop, boxes) in stops.Zip(stopped))
            {
                cancellation.ThrowIfCancellationRequested();
                using var inner = NewDisposeScope();
                var readOut = Convergence.readOutWithin(stop.Tolerance, stop.Most, detector, ready);
                stop.Add(readOut.Reports);
                Add(readOut, batch!, part, boxes);
            }

            done += batch!.Images.Count;
            progress?.Invoke(done, part.Images.Count);
        }

        var parameters = EvaluationParameters.Coco with { ImageIds = [.. part.Images.Select(image => image.Id)] };
        return new(
            folder,
            part.Images.Count,
            data.Images.Count,
            [.. depths.Zip(found, (depth, boxes) => new DepthAccuracy(depth, Worth(boxes)))],
            [
                .. stops.Zip(
                    stopped,
                    (stop, boxes) =>
                        new ToleranceAccuracy(stop.Tolerance, stop.Most, stop.Updates, stop.Settled, Worth(boxes))
                ),
            ]
        );

        Accuracy Worth(FoundBoxes boxes)
        {
            var result = Evaluator.Evaluate(truth, boxes, parameters);
            return new(result["AP"], result["AP50"], result["AP75"]);
        }
    }

    private static bool Finite(Tensor tensor) => isfinite(tensor).all().item<bool>();

    private static void Add(Model.Detections found, Batch batch, CocoDataset data, FoundBoxes boxes)
    {
        var predictions = Prediction.Read(found, batch);
        for (var i = 0; i < predictions.Count; i++)
        {
            foreach (var finding in predictions[i].Findings)
            {
                var (box, category) = (finding.Box, data.Categories[finding.Label].Id);
                boxes.Add(
                    batch.Images[i].Id,
                    category,
                    box.X1,
                    box.Y1,
                    box.X2 - box.X1,
                    box.Y2 - box.Y1,
                    finding.Score
                );
            }
        }
    }

    /// <summary>A rule for stopping, with what it cost.</summary>
    private sealed class Stop(double tolerance, int most)
    {
        private long queries;
        private long updates;
        private long settled;

        public double Tolerance => tolerance;

        public int Most => most;

        public double Updates => updates / (double)queries;

        public double Settled => settled / (double)queries;

        public void Add(Report[][] reports)
        {
            foreach (var report in reports.SelectMany(image => image))
            {
                queries++;
                updates += report.Evaluations;
                settled += report.Outcome.IsConverged ? 1 : 0;
            }
        }
    }
}
