using System.Text;
using DeqDet.Checkpoints;
using DeqDet.Coco.Evaluation;
using DeqDet.CommandLine;
using DeqDet.Data;
using DeqDet.Detection;
using DeqDet.Host.Devices;
using DeqDet.Host.Terminal;
using DeqDet.Model;
using DeqDet.Reports;
using DeqDet.Settings;
using static TorchSharp.torch;
using RunSettings = DeqDet.Settings.Settings;

namespace DeqDet.Host.Commands;

/// <summary>`train`: makes or reads the data, trains, validates, and leaves a work folder.</summary>
public static class TrainCommand
{
    /// <summary>Runs the command.</summary>
    /// <param name="request">What was asked for.</param>
    /// <param name="display">Where progress is shown.</param>
    /// <param name="version">The program's version, for the checkpoint.</param>
    /// <returns>0 when training came to its end; what a shell expects of an interrupted program otherwise.</returns>
    /// <exception cref="InputError">Settings, data or checkpoint are missing or malformed.</exception>
    public static int Run(TrainRequest request, TrainingDisplay display, string version)
    {
        using var checkpoint = OpenCheckpoint(request, out var resumed);
        var settings = request.Over(Load(request, checkpoint));
        var device = ComputeDevice.Choose(request.Device);
        ComputeDevice.UseThreads(request.Threads?.Value);
        using var interruption = new Interruption();
        var made = DataSets.Ensure(settings.Data, display.MakingData(), interruption.Token);
        var data = DataSets.ForTraining(settings.Data);
        settings = SettingsModule.withClasses(data.Categories.Count, settings);
        var loader = new DataLoader(data, settings.Data);
        var validation = DataSets.Validation(settings, data.Categories);
        var folder = resumed ?? WorkFolder.ForNewRun(request.WorkDir?.Value, NameOf(request));
        using var run = checkpoint is null
            ? TrainingRun.Start(settings, loader, validation, device, folder, version)
            : TrainingRun.Resume(checkpoint, settings, loader, validation, device, folder, version);
        AtomicFile.Write(
            folder.Settings,
            stream => stream.Write(Encoding.UTF8.GetBytes(SettingsFile.toJson(settings)))
        );

        using var metrics = MetricsLog.Open(folder.Metrics, run.Step);
        display.Start(
            new()
            {
                // a resumed run has its settings from the checkpoint, not from a file with a name
                Settings = resumed is null ? NameOf(request) : Path.GetFileName(folder.Path),
                TrainingImages = data.Images.Count,
                ValidationImages = validation.Data.Images.Count,
                Classes = data.Categories.Count,
                Parameters = run
                    .Detector.Tensors.Where(entry => entry.Item1.Role.IsParameter)
                    .Sum(entry => entry.Item2.numel()),
                TrainableParameters = DetectorModule.trainable(run.Detector).Sum(entry => entry.Item2.numel()),
                Device = device.ToString(),
                Threads = get_num_threads(),
                WorkFolder = folder.Path,
                FirstStep = run.Step,
                Notices = [.. made, .. data.Notices, .. validation.Data.Notices, .. Warnings(settings)],
            }
        );
        var observer = new Observer(display, metrics, folder, settings.Train.LogEvery);
        var outcome = run.Train(observer, request.MaxSteps is { Value: var steps } ? steps : null, interruption.Token);
        if (!outcome.Finished)
        {
            display.Interrupted(run.Step, folder.Path, $"train --resume {Relative(folder.Path)}");
            return interruption.ExitCode;
        }

        if (outcome.Last is { } last)
        {
            ValidationPictures.Draw(validation.Data, last.Detections, settings.Evaluation, folder.Pictures);
        }

        display.Finish(
            outcome.Last?.Evaluation,
            folder,
            $"detect {Relative(folder.Path)} {Relative(AnyImage(validation.Data))}"
        );
        return 0;
    }

    private static CheckpointFile? OpenCheckpoint(TrainRequest request, out WorkFolder? folder)
    {
        folder = null;
        switch (request.Resume)
        {
            case Resume.From from when File.Exists(from.checkpoint):
                folder = new(
                    Path.GetFullPath(
                        request.WorkDir?.Value ?? Path.GetDirectoryName(Path.GetFullPath(from.checkpoint))!
                    )
                );
                return CheckpointFile.Open(from.checkpoint);
            case Resume.From from when Directory.Exists(from.checkpoint):
                folder = WorkFolder.ToResume(from.checkpoint, "");
                return CheckpointFile.Open(folder.Latest);
            case Resume.From from:
                throw new InputError($"--resume {from.checkpoint}: no such checkpoint or work folder");
            case var resume when resume.IsLatest:
                folder = WorkFolder.ToResume(request.WorkDir?.Value, NameOf(request));
                return CheckpointFile.Open(folder.Latest);
            default:
                return null;
        }
    }

    private static RunSettings Load(TrainRequest request, CheckpointFile? checkpoint) =>
        checkpoint is not null && request.Config is null
            ? SettingsFile.parse($"{checkpoint.Path} (settings)", checkpoint.Info.Settings, request.Set)
            : SettingsFile.load(request.Config?.Value ?? RequestParser.defaultConfig, request.Set);

    private static string NameOf(TrainRequest request) =>
        Path.GetFileNameWithoutExtension(request.Config?.Value ?? RequestParser.defaultConfig);

    private static IEnumerable<string> Warnings(RunSettings settings)
    {
        var backbone = settings.Detector.Backbone;
        if (
            backbone.Weights is null
            && (backbone.FrozenStages >= 0 || backbone.Norm.IsFrozen && !IsSwin(backbone.Kind))
        )
        {
            yield return "the backbone starts from random weights, and a part of it is frozen as for pretrained ones: "
                + "give weights with --set backbone.weights=FILE, or train all of it with "
                + "--set backbone.frozen_stages=-1 --set backbone.norm=batch";
        }
    }

    private static bool IsSwin(BackboneKind kind) => kind.IsSwinT || kind.IsSwinS || kind.IsSwinB;

    private static string AnyImage(CocoDataset data) => data.PathOf(data.Images[0]);

    // Shorter to type where it lies below the current folder.
    private static string Relative(string path)
    {
        var relative = Path.GetRelativePath(Environment.CurrentDirectory, path);
        return relative.StartsWith("..", StringComparison.Ordinal) ? path : relative;
    }

    private sealed class Observer(TrainingDisplay display, MetricsLog metrics, WorkFolder folder, int logEvery)
        : ITrainingObserver
    {
        public void Stepped(StepReport report)
        {
            display.Step(report);
            if (report.Step % logEvery == 0 || report.Step == report.Steps)
            {
                metrics.Step(report);
            }
        }

        public void Validating(int done, int all) => display.Validating(done, all);

        public void Validated(int epoch, long step, ValidationResult result)
        {
            DetectionsWriter.Save(result.Detections, folder.Detections);
            metrics.Validation(epoch, step, result.Evaluation);
            display.Validated(epoch, result.Evaluation);
        }
    }
}
