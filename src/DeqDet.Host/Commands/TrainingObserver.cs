using DeqDet.Coco.Evaluation;
using DeqDet.Detection;
using DeqDet.Host.Terminal;
using Microsoft.FSharp.Collections;

namespace DeqDet.Host.Commands;

/// <summary>Shows a training and writes down what it reports.</summary>
/// <param name="display">Where it is shown.</param>
/// <param name="metrics">Where it is written; null in a process that writes nothing.</param>
/// <param name="folder">The work folder.</param>
/// <param name="logEvery">Steps between lines of metrics.</param>
public sealed class TrainingObserver(TrainingDisplay display, MetricsLog? metrics, WorkFolder folder, int logEvery)
    : ITrainingObserver
{
    /// <inheritdoc/>
    public void Stepped(StepReport report)
    {
        display.Step(report);
        if (report.Step % logEvery == 0 || report.Step == report.Steps)
        {
            metrics?.Step(report);
        }
    }

    /// <inheritdoc/>
    public void Skipped(StepReport report, FSharpList<string> faults, IReadOnlyList<string> images)
    {
        display.Notice(
            $"step {report.Step:N0} changed nothing: not finite: {string.Join(", ", faults)}; images {string.Join(", ", images)}"
        );
        metrics?.Skipped(report, images);
    }

    /// <inheritdoc/>
    public void Noticed(string notice) => display.Notice(notice);

    /// <inheritdoc/>
    public void Saving() => metrics?.Save();

    /// <inheritdoc/>
    public void Validating(int images, int all) => display.Validating(images, all);

    /// <inheritdoc/>
    public void Validated(int epoch, long step, ValidationResult result)
    {
        // training validates on annotated images only
        var evaluation = result.Evaluation!.Value;
        if (metrics is not null)
        {
            DetectionsWriter.Save(result.Detections, folder.Detections);
            metrics.Validation(epoch, step, evaluation, result.Time);
        }

        display.Validated(epoch, evaluation);
    }
}
