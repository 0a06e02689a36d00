using System.Diagnostics;
using System.Text.Json.Nodes;
using DeqDet.Checkpoints;
using DeqDet.Data;
using DeqDet.Model;
using DeqDet.Settings;
using Microsoft.FSharp.Collections;
using Microsoft.FSharp.Core;
using TorchSharp;
using static TorchSharp.torch;
using RunSettings = DeqDet.Settings.Settings;

namespace DeqDet.Detection;

/// <summary>The loss or the gradient was not a number: going on would destroy the weights.</summary>
public sealed class TrainingDivergedException(string message) : Exception(message);

/// <summary>How a training ended.</summary>
/// <param name="Finished">Whether it came to its last step; false: it was interrupted and can be resumed.</param>
/// <param name="Last">The last validation, if there was one.</param>
/// <param name="BestAp">The best AP of all validations; not a number where there was none.</param>
public sealed record TrainingOutcome(bool Finished, ValidationResult? Last, double BestAp);

/// <summary>What a training tells while it runs; called on the training thread.</summary>
public interface ITrainingObserver
{
    /// <summary>After every optimiser step.</summary>
    void Stepped(StepReport report);

    /// <summary>While validating.</summary>
    void Validating(int done, int all);

    /// <summary>After a validation.</summary>
    void Validated(int epoch, long step, ValidationResult result);
}

/// <summary>
/// One training: the detector, its optimiser and how far they have come. Everything random in step n is drawn from (seed, n), so a
/// checkpoint needs no generator's state, and a resumed run repeats the one that was not interrupted bit for bit (on one device with
/// one number of threads).
/// </summary>
public sealed class TrainingRun : IDisposable
{
    private const long StepStream = 0x57E9;

    private readonly RunSettings settings;
    private readonly Detector detector;
    private readonly Optimiser optimiser;
    private readonly DataLoader loader;
    private readonly Validation validation;
    private readonly Device device;
    private readonly WorkFolder folder;
    private readonly string version;
    private readonly int stepsPerEpoch;
    private double bestAp;

    private TrainingRun(
        RunSettings settings,
        Detector detector,
        DataLoader loader,
        Validation validation,
        Device device,
        WorkFolder folder,
        string version
    )
    {
        (this.settings, this.detector, this.loader, this.validation) = (settings, detector, loader, validation);
        (this.device, this.folder, this.version) = (device, folder, version);
        optimiser = new(detector, settings.Optimiser);
        stepsPerEpoch = loader.BatchesPerEpoch(settings.Train.BatchSize);
        bestAp = double.NaN;
    }

    /// <summary>A run from the start: weights drawn from the seed, the backbone's from a file where the settings name one.</summary>
    /// <exception cref="InputError">The backbone's file is missing, damaged or of another backbone.</exception>
    public static TrainingRun Start(
        RunSettings settings,
        DataLoader loader,
        Validation validation,
        Device device,
        WorkFolder folder,
        string version
    )
    {
        var detector = DetectorModule.initialise(settings.Detector, (ulong)settings.Train.Seed, device);
        if (settings.Detector.Backbone.Weights?.Value is { } file)
        {
            LoadBackbone(detector, file, device);
        }

        return new(settings, detector, loader, validation, device, folder, version);
    }

    /// <summary>A run that goes on where a checkpoint stopped.</summary>
    /// <exception cref="InputError">The checkpoint is damaged, or holds no state to go on from.</exception>
    public static TrainingRun Resume(
        CheckpointFile checkpoint,
        RunSettings settings,
        DataLoader loader,
        Validation validation,
        Device device,
        WorkFolder folder,
        string version
    )
    {
        if (checkpoint.State.Count == 0)
        {
            throw new InputError(
                $"{checkpoint.Path}: holds weights but not the optimiser's state, so training cannot go on from it; resume from latest.safetensors"
            );
        }

        var specs = DetectorModule.specs(settings.Detector);
        var weights = Weights.Load(checkpoint.Path, checkpoint.Weights, [.. specs.Select(ExpectedWeights.Of)], device);
        var detector = DetectorModule.build(settings.Detector, FuncConvert.FromFunc((Spec spec) => weights[spec.Name]));
        var run = new TrainingRun(settings, detector, loader, validation, device, folder, version)
        {
            Step = checkpoint.Info.Progress.Step,
        };
        if (run.Step > run.StepsInAll)
        {
            throw new InputError(
                $"{checkpoint.Path}: was saved at step {run.Step}, but with this data and these settings training has {run.StepsInAll}; resume with the data and batch size it was started with"
            );
        }

        var state = Weights.Load(checkpoint.Path, checkpoint.State, run.optimiser.ExpectedState(), CPU);
        run.optimiser.Restore(state);
        foreach (var tensor in state.Values)
        {
            tensor.Dispose();
        }

        run.bestAp = checkpoint.Info.Training["best_ap"]?.GetValue<double>() ?? double.NaN;
        return run;
    }

    /// <summary>The detector in training.</summary>
    public Detector Detector => detector;

    /// <summary>Optimiser steps taken.</summary>
    public long Step { get; private set; }

    /// <summary>Steps of the whole training.</summary>
    public long StepsInAll => (long)stepsPerEpoch * settings.Train.Epochs;

    /// <summary>Trains to the end, validating and saving after epochs as the settings say.</summary>
    /// <param name="observer">Told everything.</param>
    /// <param name="maxSteps">Steps after which training counts as finished; at most <see cref="StepsInAll"/> are taken.</param>
    /// <param name="interruption">Asks to stop: the step in progress is finished, the state saved.</param>
    /// <exception cref="TrainingDivergedException">Loss or gradient were not finite. Nothing that was saved is changed.</exception>
    public TrainingOutcome Train(ITrainingObserver observer, long? maxSteps, CancellationToken interruption)
    {
        var end = Math.Min(StepsInAll, maxSteps ?? long.MaxValue);
        ValidationResult? last = null;
        while (Step < end && !interruption.IsCancellationRequested)
        {
            TrainEpoch(observer, end, interruption);
            if (interruption.IsCancellationRequested && Step < end)
            {
                break;
            }

            var epoch = (int)(Step / stepsPerEpoch);
            if (Step == end || epoch % settings.Train.EvaluateEvery == 0)
            {
                last = Validate(observer, interruption) ?? last;
            }

            Save(folder.Latest, withState: true);
        }

        // a run that was interrupted in its last validation, or had come to its end already
        if (Step >= end && last is null && !interruption.IsCancellationRequested)
        {
            last = Validate(observer, interruption);
        }

        var finished = Step >= end && !interruption.IsCancellationRequested;
        if (!finished)
        {
            Save(folder.Latest, withState: true);
        }

        return new(finished, last, bestAp);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        optimiser.Dispose();
        foreach (var (_, tensor) in detector.Tensors)
        {
            tensor.Dispose();
        }
    }

    private void TrainEpoch(ITrainingObserver observer, long end, CancellationToken interruption)
    {
        var position = new DataPosition((int)(Step / stepsPerEpoch), (int)(Step % stepsPerEpoch));
        using var batches = loader.Train(
            position,
            settings.Train.BatchSize,
            settings.Train.Seed,
            CancellationToken.None
        );
        var waited = TimeSpan.Zero;
        var clock = Stopwatch.StartNew();
        while (Step < end && !interruption.IsCancellationRequested && batches.TryNext(out var batch))
        {
            using (batch)
            {
                var factor = LearningRate.factor(settings.Schedule, settings.Train.Epochs, stepsPerEpoch, (int)Step);
                var (losses, norm) = TrainBatch(batch!, factor, position.Epoch);
                Step++;
                observer.Stepped(
                    new()
                    {
                        Epoch = position.Epoch + 1,
                        Epochs = settings.Train.Epochs,
                        Step = Step,
                        Steps = end,
                        LearningRate = settings.Optimiser.Lr * factor,
                        Losses = losses,
                        GradNorm = norm,
                        Images = batch!.Images.Count,
                        Time = clock.Elapsed,
                        DataTime = batches.Waited - waited,
                        MemoryBytes = Environment.WorkingSet,
                    }
                );
                waited = batches.Waited;
                clock.Restart();
            }
        }
    }

    private (IReadOnlyList<KeyValuePair<string, double>> Losses, double Norm) TrainBatch(
        Batch batch,
        double factor,
        int epoch
    )
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(SplitMix64.For(settings.Train.Seed, StepStream, Step).Next(), CPU);
        optimiser.ZeroGradients();
        var entries = DetectorModule.trainStep(
            detector,
            BatchTensors.Images(batch, device),
            BatchTensors.Targets(batch, device),
            generator
        );
        var losses = Read(entries);
        var norm = optimiser.ClipGradients();
        if (!double.IsFinite(norm) || losses.Any(entry => !double.IsFinite(entry.Value)))
        {
            var parts = string.Join(
                ", ",
                losses.Where(entry => !double.IsFinite(entry.Value)).Select(entry => entry.Key)
            );
            throw new TrainingDivergedException(
                $"training diverged at step {Step + 1} (epoch {epoch + 1}): "
                    + (parts == "" ? $"the gradient's norm is {norm}" : $"not finite: {parts}")
                    + $"; images {string.Join(", ", batch.Images.Select(image => image.FileName))}. "
                    + $"Nothing was saved after the last checkpoint; try a lower rate (--set optimiser.lr={settings.Optimiser.Lr / 2:g3}) or a longer warm-up"
            );
        }

        optimiser.Step(factor);
        return (losses, norm);
    }

    // One transfer for all numbers of a step.
    private static IReadOnlyList<KeyValuePair<string, double>> Read(FSharpList<LossEntry> entries)
    {
        var values = stack(entries.Select(entry => entry.Value.to(float64)).ToArray()).cpu().data<double>().ToArray();
        return [.. entries.Select((entry, i) => KeyValuePair.Create(entry.Name, values[i]))];
    }

    private ValidationResult? Validate(ITrainingObserver observer, CancellationToken interruption)
    {
        try
        {
            var result = validation.Run(detector, device, observer.Validating, interruption);
            // an epoch that --max-steps cuts short counts as well
            observer.Validated((int)((Step + stepsPerEpoch - 1) / stepsPerEpoch), Step, result);
            var ap = result.Evaluation["AP"];
            if (!(ap <= bestAp))
            {
                bestAp = ap;
                Save(folder.Best, withState: false);
            }

            return result;
        }
        catch (OperationCanceledException) when (interruption.IsCancellationRequested)
        {
            return null;
        }
    }

    private void Save(string path, bool withState)
    {
        using var scope = NewDisposeScope();
        var weights = detector.Tensors.Select(entry => (entry.Item1.Name, entry.Item2));
        var training = new JsonObject
        {
            ["data"] = loader.Data.ImageFolder,
            ["images"] = loader.Data.Images.Count,
            ["epochs"] = (double)Step / stepsPerEpoch,
            ["best_ap"] = double.IsFinite(bestAp) ? bestAp : null,
        };
        CheckpointFile.Write(
            path,
            withState ? weights.Concat(optimiser.State()) : weights,
            new(
                SettingsFile.toJson(settings),
                loader.Data.Categories,
                new((int)(Step / stepsPerEpoch), Step),
                (ulong)settings.Train.Seed,
                version,
                training
            )
        );
    }

    private static void LoadBackbone(Detector detector, string file, Device device)
    {
        var tensors = detector.Tensors.ToDictionary(entry => entry.Item1.Name, entry => entry.Item2);
        using var noGradient = no_grad();
        var expected = detector.Tensors.Select(entry => ExpectedWeights.Of(entry.Item1));
        foreach (var (name, weight) in BackboneWeights.Load(file, expected, device))
        {
            tensors[name].copy_(weight);
            weight.Dispose();
        }
    }
}
