using System.Text;
using DeqDet.Checkpoints;
using DeqDet.Coco.Evaluation;
using DeqDet.CommandLine;
using DeqDet.Communication;
using DeqDet.Data;
using DeqDet.Detection;
using DeqDet.Host.Devices;
using DeqDet.Host.Terminal;
using DeqDet.Model;
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
    /// <summary>Runs the command; as one of several processes where a launcher has started it so.</summary>
    /// <param name="request">What was asked for.</param>
    /// <param name="display">Where progress is shown.</param>
    /// <param name="version">The program's version, for the checkpoint.</param>
    /// <returns>0 when training came to its end; what a shell expects of an interrupted program otherwise.</returns>
    /// <exception cref="InputError">Settings, data or checkpoint are missing or malformed.</exception>
    public static int Run(TrainRequest request, TrainingDisplay display, string version)
    {
        using var communicator = Communicators.Open(display.Notice);
        var processes = new Processes(communicator);
        try
        {
            return Train(request, processes, processes.IsFirst ? display : TrainingDisplay.Silent(), version);
        }
        catch (ProcessLostException lost)
        {
            // the process that failed says so itself; of the others the first one speaks
            if (processes.IsFirst)
            {
                Console.Error.WriteLine($"error: {lost.Message}");
            }

            return lost.ExitCode;
        }
        catch (Exception error)
        {
            communicator.Fail(ExitCode.Of(error), error.Message);
            throw;
        }
    }

    private static int Train(TrainRequest request, Processes processes, TrainingDisplay display, string version)
    {
        using var interruption = new Interruption();
        var checkpoint = processes.Together(ExitCode.Of, () => Checkpoint(request));
        // held before the checkpoint is read: nobody else may be writing it
        using var resumed = processes.Together(
            ExitCode.Of,
            () =>
            {
                if (!processes.IsFirst)
                {
                    return null;
                }

                if (checkpoint is null)
                {
                    RunFolder.checkNew(request.WorkDir);
                    return null;
                }

                return RunFolder.ofResumed(request.WorkDir, checkpoint);
            }
        );
        var (settings, device, made) = processes.Together(
            ExitCode.Of,
            () =>
            {
                var settings = request.Over(Load(request, checkpoint));
                if (checkpoint is not null)
                {
                    // before data are made, as all of this: what is refused must not make any
                    using var file = CheckpointFile.Open(checkpoint);
                    Resumption.ofSettings(file, settings);
                }
                else
                {
                    DetectorStartModule.check(settings);
                }

                var device = ComputeDevice.Choose(request.Device, request.Tf32, processes.Communicator.LocalRank);
                ComputeDevice.UseThreads(request.Threads?.Value, processes.Communicator.LocalSize);
                TrainingPrecision.check(device, settings.Train.Precision);
                settings = TrainingPrecision.settled(device, settings);
                // one process of each machine fetches its weights and makes its data, and the others find them there
                if (processes.Communicator.LocalRank > 0)
                {
                    return (settings, device, []);
                }

                Backbone(settings);
                return (settings, device, Make(settings));
            }
        );
        var maxSteps = request.MaxSteps is { Value: var most } ? FSharpOption<long>.Some(most) : null;
        var (setup, changed, started) = processes.Together(
            ExitCode.Of,
            () =>
            {
                if (processes.Communicator.LocalRank > 0)
                {
                    Make(settings);
                }

                var data = DataSets.ForTraining(settings.Data);
                var complete = SettingsModule.withClasses(data.Categories.Count, settings);
                var backbone = Backbone(settings);
                var setup = new TrainingSetup(
                    complete,
                    new DataLoader(data, complete.Data),
                    Validation.Of(complete, data.Categories),
                    device,
                    processes,
                    backbone,
                    version
                );
                return (
                    setup,
                    checkpoint is not null ? TrainingStateModule.notices(setup, checkpoint)
                    : backbone is { Value: var file }
                        ? Detection.BackboneWeights.notices(
                            file,
                            complete.Detector.Backbone.Padding,
                            complete.Data.Normalise
                        )
                    : [],
                    checkpoint is null
                        ? TrainingRun.Start(setup, maxSteps)
                        : TrainingRun.Resume(setup, maxSteps, checkpoint)
                );
            }
        );
        using var run = started;
        run.Agree();
        // taken only now: what cannot be started leaves no folder behind
        using var fresh = processes.Together(
            ExitCode.Of,
            () => processes.IsFirst && resumed is null ? RunFolder.ofNew(request.WorkDir, NameOf(request)) : null
        );
        var folder = WorkFolderModule.at(processes.OfFirst((resumed ?? fresh)?.Folder.Path ?? ""));
        using var metrics = processes.Together(
            ExitCode.Of,
            () =>
            {
                if (!processes.IsFirst)
                {
                    return null;
                }

                if (checkpoint is not null)
                {
                    RunFolder.bringAlong(checkpoint, folder);
                }

                AtomicFile.Write(
                    folder.Settings,
                    stream => stream.Write(Encoding.UTF8.GetBytes(SettingsFile.toJson(setup.Settings)))
                );
                return MetricsLog.Open(folder.Metrics, run.Progress.Step, run.Progress.Validated);
            }
        );
        // a run that goes on has all weights in its own state
        var start = checkpoint is null ? DetectorStartModule.plan(setup.Settings, setup.Classes)?.Value : null;
        display.Start(Summary(request, setup, run, folder, [.. changed, .. made], start));
        var observer = new TrainingObserver(display, metrics, folder, setup.Settings.Train.LogEvery);
        var tracked = processes.IsFirst ? TrackedTraining.Start(observer, setup, folder, run.Progress) : null;
        var outcome = run.Train(folder, (ITrainingObserver?)tracked ?? observer, interruption.Token);
        if (!outcome.Finished)
        {
            display.Interrupted(run.Progress.Step, folder.Path, ResumeArguments(request, processes, folder));
            // the signal may have come to another process
            return processes.Largest(interruption.ExitCode);
        }

        if (outcome.EndedEarly is { Value: var reason })
        {
            var epoch = (int)(run.Progress.Step / setup.StepsPerEpoch);
            metrics?.Ended(epoch, run.Progress.Step, reason);
            metrics?.Save();
            display.Notice($"training ends after epoch {epoch} of {setup.Settings.Train.Epochs}: {reason}");
        }

        if (tracked is not null)
        {
            Finish(setup, outcome, folder, display, tracked);
        }

        return 0;

        // a run that goes on has them already
        FSharpOption<string>? Backbone(RunSettings settings) =>
            checkpoint is null ? BackboneFile(settings, display, interruption.Token) : null;

        IReadOnlyList<string> Make(RunSettings settings) =>
            DataSets.Ensure(settings.Data, display.MakingData(), interruption.Token);
    }

    /// <summary>The file with the weights from which a backbone starts, fetched where they are asked for by a name; null: there are none.</summary>
    /// <exception cref="InputError">They cannot be had.</exception>
    internal static FSharpOption<string>? BackboneFile(
        RunSettings settings,
        TrainingDisplay display,
        CancellationToken cancellation
    ) =>
        // a whole detector brings its own
        !DetectorStartModule.bringsBackbone(settings)
            ? WeightsByName.file(
                PackageSourceModule.ofMachine(cancellation),
                FuncConvert.FromAction<string>(display.Notice),
                settings.Detector.Backbone
            )
            : null;

    private static void Finish(
        TrainingSetup setup,
        TrainingOutcome outcome,
        WorkFolder folder,
        TrainingDisplay display,
        TrackedTraining tracked
    )
    {
        var validation = setup.Validation;
        if (outcome.Last is { Value: var last })
        {
            try
            {
                ValidationPictures.Draw(validation.Data, last.Detections, setup.Settings.Evaluation, folder.Pictures);
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

        // once more, now with the pictures
        tracked.WritePage();
        display.Finish(
            outcome.Last?.Value.Evaluation?.Value,
            folder,
            $"detect {Quoted(folder.Path)} {Quoted(validation.Data.PathOf(validation.Data.Images[0]))}"
        );
    }

    private static TrainingSummary Summary(
        TrainRequest request,
        TrainingSetup setup,
        TrainingRun run,
        WorkFolder folder,
        IReadOnlyList<string> notices,
        DetectorStart? start
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
            Processes = setup.Processes.Communicator.Size,
            WorkFolder = folder.Path,
            FirstStep = run.Progress.Step,
            Start = start,
            Notices =
            [
                .. notices,
                .. start?.Notices ?? [],
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

    /// <summary>The settings that a request names, with its assignments: those of a checkpoint where it goes on from one.</summary>
    internal static RunSettings Load(TrainRequest request, string? checkpoint)
    {
        if (request is { Config: null, From.Value: var start })
        {
            return DetectorStartModule.settingsOf(start, request.Data is not null, request.Set);
        }

        if (checkpoint is null || request.Config is not null)
        {
            return SettingsFile.load(request.Config?.Value ?? RequestParser.defaultConfig, request.Set);
        }

        using var file = CheckpointFile.Open(checkpoint);
        return SettingsFile.parse($"{checkpoint} (settings)", file.Info.Settings, request.Set);
    }

    // After the settings file, else after the run that a detector comes from.
    private static string NameOf(TrainRequest request)
    {
        var named = Path.GetFileNameWithoutExtension(request.Config?.Value ?? RequestParser.defaultConfig);
        if (request is not { Config: null, From.Value: var start })
        {
            return named;
        }

        var full = Path.TrimEndingDirectorySeparator(Path.GetFullPath(start));
        var isOfRun = WorkFolderModule.at(Path.GetDirectoryName(full) ?? full).HasRun;
        return Directory.Exists(full) ? Path.GetFileName(full)
            : isOfRun ? Path.GetFileName(Path.GetDirectoryName(full)!)
            : Path.GetFileNameWithoutExtension(full);
    }

    // What computes the same numbers again: another number of threads or another device would round differently.
    private static string ResumeArguments(TrainRequest request, Processes processes, WorkFolder folder) =>
        (processes.IsAlone ? "" : $"launch -n {processes.Communicator.Size} ")
        + $"train --resume {Quoted(folder.Path)}"
        + (request.Threads is { Value: var threads } ? $" --threads {threads}" : "")
        + (request.Device.IsAuto ? "" : $" --device {request.Device}")
        + (request.MaxSteps is { Value: var steps } ? $" --max-steps {steps}" : "");

    /// <summary>What in the settings will hardly be meant.</summary>
    internal static IEnumerable<string> Warnings(RunSettings settings)
    {
        if (Overfit.isRandomAndFrozen(settings))
        {
            yield return "the backbone starts from random weights, and a part of it is frozen as for pretrained ones: "
                + "give weights with --set backbone.weights=FILE (or imagenet for resnet18), or train all of it with "
                + "--set backbone.frozen_stages=-1 --set backbone.norm=batch";
        }
    }

    // Shorter to type where it lies below the current folder.
    private static string Quoted(string path) => Shell.quote(Human.Path(path));
}
