using DeqDet.Detection;

namespace DeqDet.Reports.Training;

/// <summary>An epoch of a training in numbers; NaN where nothing is known.</summary>
/// <param name="Epoch">From 1.</param>
/// <param name="Loss">Mean of the losses that were written down.</param>
/// <param name="LearningRate">The last one.</param>
/// <param name="GradNorm">Median of the gradients' norms.</param>
/// <param name="StepTime">Mean time of a step, s.</param>
/// <param name="Waiting">Share of it spent waiting for data.</param>
/// <param name="Memory">The most, MiB.</param>
/// <param name="Bad">Steps that changed nothing.</param>
/// <param name="Validation">The validation after it; null where there was none.</param>
public sealed record EpochNumbers(
    int Epoch,
    double Loss,
    double LearningRate,
    double GradNorm,
    double StepTime,
    double Waiting,
    double Memory,
    int Bad,
    RecordedValidation? Validation
);

/// <summary>What the lines of a training's metrics come to.</summary>
public static class TrainingNumbers
{
    /// <summary>Steps that moved the weights.</summary>
    public static IEnumerable<RecordedStep> Good(TrainingHistory history) =>
        history.Steps.Where(step => step.Skipped is null);

    /// <summary>Steps that were bad and changed nothing.</summary>
    public static IReadOnlyList<RecordedStep> Bad(TrainingHistory history) =>
        [.. history.Steps.Where(step => step.Skipped is not null)];

    /// <summary>All epochs of which something is known.</summary>
    public static IReadOnlyList<EpochNumbers> ByEpoch(TrainingHistory history)
    {
        var steps = history.Steps.ToLookup(step => step.Epoch);
        // of an epoch that a resumed run validated again the last line counts
        var validations = history
            .Validations.GroupBy(validation => validation.Epoch)
            .ToDictionary(group => group.Key, group => group.Last());
        return
        [
            .. steps
                .Select(group => group.Key)
                .Union(validations.Keys)
                .Order()
                .Select(epoch =>
                {
                    var good = steps[epoch].Where(step => step.Skipped is null).ToList();
                    return new EpochNumbers(
                        epoch,
                        Mean(good.Select(step => step.Loss)),
                        good.Count == 0 ? double.NaN : good[^1].LearningRate,
                        Median(good.Select(step => step.GradNorm)),
                        Mean(good.Select(step => step.Time)),
                        Waiting(good),
                        Most(good.Select(step => step.Memory)),
                        steps[epoch].Count(step => step.Skipped is not null),
                        validations.GetValueOrDefault(epoch)
                    );
                }),
        ];
    }

    /// <summary>The validation with the best AP; null where none has one.</summary>
    public static RecordedValidation? Best(TrainingHistory history) =>
        history.Validations.Where(validation => !double.IsNaN(validation.Score("AP"))).MaxBy(v => v.Score("AP"));

    /// <summary>The last step of which something is known; 0 for none.</summary>
    public static long LastStep(TrainingHistory history) =>
        Math.Max(
            history.Steps.Select(step => step.Step).DefaultIfEmpty().Max(),
            history.Validations.Select(validation => validation.Step).DefaultIfEmpty().Max()
        );

    /// <summary>
    /// About how long all steps and validations took together, s: the mean of the steps that were written down times their number, and the
    /// sum of the validations whose time is known.
    /// </summary>
    public static double Seconds(TrainingHistory history)
    {
        var step = Mean(Good(history).Select(entry => entry.Time));
        var validations = history.Validations.Where(validation => double.IsFinite(validation.Time)).Sum(v => v.Time);
        return (double.IsFinite(step) ? step * LastStep(history) : 0) + validations;
    }

    /// <summary>Share of the time of steps that was spent waiting for data.</summary>
    public static double Waiting(IEnumerable<RecordedStep> steps)
    {
        var known = steps.Where(step => double.IsFinite(step.Time) && double.IsFinite(step.DataTime)).ToList();
        var time = known.Sum(step => step.Time);
        return time > 0 ? known.Sum(step => step.DataTime) / time : double.NaN;
    }

    /// <summary>Mean of those that are finite; NaN where none is.</summary>
    public static double Mean(IEnumerable<double> numbers) =>
        numbers.Where(double.IsFinite).DefaultIfEmpty(double.NaN).Average();

    /// <summary>The largest of those that are finite; NaN where none is.</summary>
    public static double Most(IEnumerable<double> numbers) =>
        numbers.Where(double.IsFinite).DefaultIfEmpty(double.NaN).Max();

    /// <summary>Median of those that are finite, of two in the middle the upper; NaN where none is.</summary>
    public static double Median(IEnumerable<double> numbers)
    {
        var sorted = numbers.Where(double.IsFinite).Order().ToList();
        return sorted.Count == 0 ? double.NaN : sorted[sorted.Count / 2];
    }

    /// <summary>
    /// Stage and kind of a part of the losses by its official name: <c>iter4</c> and <c>loss_bbox</c> of <c>iter4_loss_bbox</c>; null for a name
    /// of another form.
    /// </summary>
    public static (string Stage, string Kind)? PartOf(string name)
    {
        foreach (var kind in new[] { "loss_", "pos_acc" })
        {
            if (name.IndexOf(kind, StringComparison.Ordinal) is > 0 and var at)
            {
                return (name[..at].TrimEnd('_', '.'), name[at..]);
            }
        }

        return null;
    }
}
