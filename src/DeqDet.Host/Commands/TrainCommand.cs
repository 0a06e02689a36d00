using System.Text;
using DeqDet.Checkpoints;
using DeqDet.Coco.Evaluation;
using DeqDet.CommandLine;
using DeqDet.Data;
using DeqDet.Detection;
using DeqDet.Host.Devices;
using DeqDet.Host.Terminal;
using DeqDet.Model;
using DeqDet.Model.Backbones;
using DeqDet.Reports;
using DeqDet.Settings;
using Microsoft.FSharp.Collections;
using Microsoft.FSharp.Core;
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
        var checkpoint = Checkpoint(request);
        // held before the checkpoint is read: nobody else may be writing it
        using var resumed = checkpoint is null ? null : RunFolder.ofResumed(request.WorkDir, checkpoint);
        if (checkpoint is null)
        {
            RunFolder.checkNew(request.WorkDir);
        }

        var settings = request.Over(Load(request, checkpoint));
        if (checkpoint is not null)
        {
            // before data are made: settings that are refused must not make others
            using var file = CheckpointFile.Open(checkpoint);
            Resumption.ofSettings(file, settings);
        }

        var device = ComputeDevice.Choose(request.Device, request.Tf32);
        ComputeDevice.UseThreads(request.Threads?.Value);
        TrainingPrecision.check(device, settings.Train.Precision);
        using var interruption = new Interruption();
        var made = DataSets.Ensure(settings.Data, display.MakingData(), interruption.Token);
        var data = DataSets.ForTraining(settings.Data);
        settings = SettingsModule.withClasses(data.Categories.Count, settings);
        var setup = new TrainingSetup(
            settings,
            new DataLoader(data, settings.Data),
            Validation.Of(settings, data.Categories),
            device,
            Processes.Alone,
            version
        );
        var maxSteps = request.MaxSteps is { Value: var most } ? FSharpOption<long>.Some(most) : null;
        var changed = checkpoint is null ? [] : TrainingStateModule.notices(setup, checkpoint);
        using var run = checkpoint is null
            ? TrainingRun.Start(setup, maxSteps)
            : TrainingRun.Resume(setup, maxSteps, checkpoint);
        // taken only now: what cannot be started leaves no folder behind
        using var fresh = resumed is null ? RunFolder.ofNew(request.WorkDir, NameOf(request)) : null;
        var folder = (resumed ?? fresh)!.Folder;
        if (checkpoint is not null)
        {
            RunFolder.bringAlong(checkpoint, folder);
        }

        AtomicFile.Write(
            folder.Settings,
            stream => stream.Write(Encoding.UTF8.GetBytes(SettingsFile.toJson(settings)))
        );
        using var metrics = MetricsLog.Open(folder.Metrics, run.Progress.Step, run.Progress.Validated);
        display.Start(Summary(request, setup, run, folder, [.. changed, .. made]));
        var observer = new Observer(display, metrics, folder, settings.Train.LogEvery);
        var outcome = run.Train(folder, observer, interruption.Token);
        if (!outcome.Finished)
        {
            display.Interrupted(run.Progress.Step, folder.Path, ResumeArguments(request, folder));
            return interruption.ExitCode;
        }

        var validation = setup.Validation;
        if (outcome.Last is { Value: var last })
        {
            try
            {
                ValidationPictures.Draw(validation.Data, last.Detections, settings.Evaluation, folder.Pictures);
            }
            catch (InputError error)
            {
                throw new InputError(
                    $"{error.Message}; training is finished and saved in {folder.Path}, only its pictures are missing: "
                        + "train --resume draws them again",
                    error
                );
            }
        }

        display.Finish(
            outcome.Last?.Value.Evaluation?.Value,
            folder,
            $"detect {Quoted(folder.Path)} {Quoted(validation.Data.PathOf(validation.Data.Images[0]))}"
        );
        return 0;
    }

    private static TrainingSummary Summary(
        TrainRequest request,
        TrainingSetup setup,
        TrainingRun run,
        WorkFolder folder,
        IReadOnlyList<string> notices
    ) =>
        new()
        {
            // a resumed run has its settings from the checkpoint, not from a file with a name
            Settings = request.Resume.IsFresh ? NameOf(request) : Path.GetFileName(folder.Path),
            TrainingImages = setup.Loader.Data.Images.Count,
            ValidationImages = setup.Validation.Data.Images.Count,
            Classes = setup.Classes.Length,
            Parameters = run
                .Detector.Tensors.Where(entry => entry.Item1.Role.IsParameter)
                .Sum(entry => entry.Item2.numel()),
            TrainableParameters = DetectorModule.trainable(run.Detector).Sum(entry => entry.Item2.numel()),
            Device = setup.Device.ToString(),
            Threads = get_num_threads(),
            Precision = TrainingPrecision.describe(setup.Device, setup.Settings.Train.Precision),
            WorkFolder = folder.Path,
            FirstStep = run.Progress.Step,
            Notices =
            [
                .. notices,
                .. setup.Loader.Data.Notices,
                .. setup.Validation.Data.Notices,
                .. Warnings(setup.Settings),
            ],
        };

    // The file to go on from; null for a new run.
    private static string? Checkpoint(TrainRequest request)
    {
        switch (request.Resume)
        {
            case Resume.From from when File.Exists(from.checkpoint):
                return Path.GetFileName(from.checkpoint) == Path.GetFileName(WorkFolderModule.at(".").Latest)
                    ? SavedStates.toResume(Path.GetDirectoryName(Path.GetFullPath(from.checkpoint))!, "")
                    : from.checkpoint;
            case Resume.From from when Directory.Exists(from.checkpoint):
                return SavedStates.toResume(from.checkpoint, "");
            case Resume.From from:
                throw new InputError($"--resume {from.checkpoint}: no such checkpoint or work folder");
            case var resume when resume.IsLatest:
                return SavedStates.toResume(request.WorkDir, NameOf(request));
            default:
                return null;
        }
    }

    private static RunSettings Load(TrainRequest request, string? checkpoint)
    {
        if (checkpoint is null || request.Config is not null)
        {
            return SettingsFile.load(request.Config?.Value ?? RequestParser.defaultConfig, request.Set);
        }

        using var file = CheckpointFile.Open(checkpoint);
        return SettingsFile.parse($"{checkpoint} (settings)", file.Info.Settings, request.Set);
    }

    private static string NameOf(TrainRequest request) =>
        Path.GetFileNameWithoutExtension(request.Config?.Value ?? RequestParser.defaultConfig);

    // What computes the same numbers again: another number of threads or another device would round differently.
    private static string ResumeArguments(TrainRequest request, WorkFolder folder) =>
        $"train --resume {Quoted(folder.Path)}"
        + (request.Threads is { Value: var threads } ? $" --threads {threads}" : "")
        + (request.Device.IsAuto ? "" : $" --device {request.Device}")
        + (request.MaxSteps is { Value: var steps } ? $" --max-steps {steps}" : "");

    private static IEnumerable<string> Warnings(RunSettings settings)
    {
        var backbone = settings.Detector.Backbone;
        if (
            backbone.Weights is null
            && (
                backbone.FrozenStages >= 0
                || backbone.Norm.IsFrozen && BackboneFormModule.ofKind(backbone.Kind).IsResidual
            )
        )
        {
            yield return "the backbone starts from random weights, and a part of it is frozen as for pretrained ones: "
                + "give weights with --set backbone.weights=FILE, or train all of it with "
                + "--set backbone.frozen_stages=-1 --set backbone.norm=batch";
        }
    }

    // Shorter to type where it lies below the current folder.
    private static string Quoted(string path) => Shell.quote(Human.Path(path));

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

        public void Skipped(StepReport report, FSharpList<string> faults, IReadOnlyList<string> images)
        {
            display.Notice(
                $"step {report.Step:N0} changed nothing: not finite: {string.Join(", ", faults)}; images {string.Join(", ", images)}"
            );
            metrics.Skipped(report, images);
        }

        public void Noticed(string notice) => display.Notice(notice);

        public void Saving() => metrics.Save();

        public void Validating(int images, int all) => display.Validating(images, all);

        public void Validated(int epoch, long step, ValidationResult result)
        {
            DetectionsWriter.Save(result.Detections, folder.Detections);
            // training validates on annotated images only
            var evaluation = result.Evaluation!.Value;
            metrics.Validation(epoch, step, evaluation);
            display.Validated(epoch, evaluation);
        }
    }
}
