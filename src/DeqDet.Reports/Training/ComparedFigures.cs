using DeqDet.Detection;
using DeqDet.Reports.Charts;

namespace DeqDet.Reports.Training;

/// <summary>Figures that show several trainings together, a colour each.</summary>
public static class ComparedFigures
{
    /// <summary>AP, loss, rate, gradient and time, as far as there are numbers.</summary>
    public static IReadOnlyList<TrainingFigure> Of(IReadOnlyList<TrainingRecord> records)
    {
        var steps = new Axis("step", Whole: true);
        var names = Names(records);
        return
        [
            Epochs("AP", "AP"),
            Epochs("AP50", "AP50"),
            Steps(
                "loss",
                "Loss",
                new("sum of all losses", Low: 0),
                step => step.Loss,
                "Losses compare where the supervised stages are the same."
            ),
            Steps(
                "rate",
                "Learning rate",
                new("base rate", Low: 0),
                step => step.LearningRate,
                "Before the factors of single parameters."
            ),
            Steps(
                "gradient",
                "Norm of the gradient",
                new("norm before clipping", AxisScale.Log),
                step => step.GradNorm,
                "Before clipping."
            ),
            Steps("time", "Time of a step", new("s", Low: 0), step => step.Time, "Waiting for data included."),
            Steps(
                "memory",
                "Memory of the process",
                new("MiB", Low: 0),
                step => step.Memory,
                "What the process had in memory after the step."
            ),
        ];

        TrainingFigure Epochs(string score, string title) =>
            new(
                $"compared-{score.ToLowerInvariant()}",
                new(
                    $"{title} of the validation",
                    new("epoch", Whole: true),
                    new(title, Low: 0),
                    [
                        .. records.Select(
                            (record, i) =>
                                TrainingFigures.Curve(
                                    names[i],
                                    i,
                                    record.History.Validations,
                                    validation => validation.Score(score)
                                )
                        ),
                    ]
                ),
                "By epoch; the number of steps of an epoch may differ."
            );

        TrainingFigure Steps(string name, string title, Axis axis, Func<RecordedStep, double> value, string reading) =>
            new(
                $"compared-{name}",
                new(
                    title,
                    steps,
                    axis,
                    [
                        .. records.Select(
                            (record, i) =>
                                TrainingFigures.Curve(names[i], i, [.. TrainingNumbers.Good(record.History)], value)
                        ),
                    ]
                ),
                reading
            );
    }

    /// <summary>Names that tell trainings apart: folders, with those above them where they are called the same.</summary>
    public static IReadOnlyList<string> Names(IReadOnlyList<TrainingRecord> records) =>
        records.Select(record => record.Name).Distinct().Count() == records.Count
            ? [.. records.Select(record => record.Name)]
            : [.. records.Select(record => Human.Path(record.Folder))];
}
