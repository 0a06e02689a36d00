using DeqDet.Detection;
using DeqDet.Reports.Training;
using Microsoft.FSharp.Collections;

namespace DeqDet.Host.Commands;

/// <summary>
/// A training's observer that also keeps its page up to date, and its event files where they are asked for. Neither is worth a training: what
/// cannot be written is said, and training goes on.
/// </summary>
/// <param name="inner">Shows and writes down what is reported.</param>
/// <param name="folder">The work folder.</param>
/// <param name="events">Event files; null where they are not wanted.</param>
/// <param name="logEvery">Steps between numbers in them.</param>
public sealed class TrackedTraining(ITrainingObserver inner, WorkFolder folder, EventLog? events, int logEvery)
    : ITrainingObserver
{
    /// <summary>Observes the training of a process that writes; writes down that it starts.</summary>
    /// <param name="inner">Shows and writes down what is reported.</param>
    /// <param name="setup">The training.</param>
    /// <param name="folder">The work folder, with the metrics up to the start.</param>
    /// <param name="progress">Where it starts.</param>
    public static TrackedTraining Start(
        ITrainingObserver inner,
        TrainingSetup setup,
        WorkFolder folder,
        Progress progress
    )
    {
        var train = setup.Settings.Train;
        try
        {
            RunStarts.append(
                folder.Starts,
                new RunStart(DateTimeOffset.UtcNow, progress.Step, setup.Device.ToString(), setup.Version)
            );
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            inner.Noticed(
                $"{folder.Starts} cannot be written ({error.Message}); the training's page will not show this start"
            );
        }

        return new(
            inner,
            folder,
            train.Tensorboard
                ? EventLog.Open(
                    folder.Events,
                    progress.Step,
                    progress.Validated,
                    TrainingHistoryModule.read(folder.Metrics),
                    inner.Noticed
                )
                : null,
            train.LogEvery
        );
    }

    /// <summary>Writes the page anew.</summary>
    public void WritePage()
    {
        try
        {
            TrainingPage.Save([folder.Path], folder.Page);
        }
        catch (InputError error)
        {
            inner.Noticed($"the training's page is not up to date: {error.Message}");
        }
    }

    /// <inheritdoc/>
    public void Stepped(StepReport report)
    {
        inner.Stepped(report);
        if (report.Step % logEvery == 0 || report.Step == report.Steps)
        {
            events?.Step(report);
        }
    }

    /// <inheritdoc/>
    public void Skipped(StepReport report, FSharpList<string> faults, IReadOnlyList<string> images) =>
        inner.Skipped(report, faults, images);

    /// <inheritdoc/>
    public void Noticed(string notice) => inner.Noticed(notice);

    /// <inheritdoc/>
    public void Saving() => inner.Saving();

    /// <inheritdoc/>
    public void Validating(int images, int all) => inner.Validating(images, all);

    /// <inheritdoc/>
    public void Validated(int epoch, long step, ValidationResult result)
    {
        inner.Validated(epoch, step, result);
        events?.Validation(step, result.Evaluation!.Value);
        WritePage();
    }
}
