using DeqDet.Detection;
using DeqDet.Reports.Charts;

namespace DeqDet.Reports.Training;

/// <summary>A chart of a training's page with a sentence for readers.</summary>
/// <param name="Name">Its id in the page.</param>
/// <param name="Chart">The chart.</param>
/// <param name="Reading">What is shown.</param>
public sealed record TrainingFigure(string Name, Chart Chart, string Reading);

/// <summary>The figures of one training.</summary>
public static class TrainingFigures
{
    /// <summary>Points of a curve at most; see <see cref="Thinned"/>.</summary>
    public const int MostPoints = 240;

    // So many lines can be told apart: the colours, whole and broken.
    private static readonly int mostLines = 2 * ChartColours.Count;

    private static readonly Axis steps = new("step", Whole: true);
    private static readonly Axis epochs = new("epoch", Whole: true);

    private static readonly Dictionary<string, string> kinds = new()
    {
        ["loss_cls"] = "classes",
        ["loss_bbox"] = "boxes, L1",
        ["loss_iou"] = "boxes, GIoU",
    };

    /// <summary>All figures for which there are numbers.</summary>
    public static IReadOnlyList<TrainingFigure> Of(TrainingRecord record)
    {
        var history = record.History;
        var good = TrainingNumbers.Good(history).ToList();
        var figures = new List<TrainingFigure>();
        if (history.Validations.Length > 0)
        {
            figures.Add(Accuracy(history));
        }

        if (history.Validations.Any(validation => validation.Classes.Length > 0))
        {
            figures.Add(Classes(history));
        }

        if (good.Count == 0)
        {
            return figures;
        }

        figures.Add(
            new(
                "loss",
                new(
                    "Loss",
                    steps,
                    new("sum of all losses", Low: 0),
                    [Curve("", 0, good, step => step.Loss), .. Rules(record)]
                ),
                "The sum over all supervised stages. It has to fall; how low it gets depends on the number of stages."
            )
        );
        var parts = good.SelectMany(step => step.Parts)
            .Select(part => part.Key)
            .Distinct()
            .Select(name => (Name: name, Part: TrainingNumbers.PartOf(name)))
            .Where(entry => entry.Part is not null)
            .Select(entry => (entry.Name, entry.Part!.Value.Stage, entry.Part!.Value.Kind))
            .ToList();
        var losses = parts.Where(part => part.Kind != "pos_acc").ToList();
        figures.AddRange(
            Parts(
                good,
                losses.GroupBy(part => kinds.GetValueOrDefault(part.Kind, part.Kind), part => part.Name),
                "terms",
                "Loss by term",
                "loss, all stages",
                "What the loss is made of. Terms that stay high say what is not learned: which class an object is, or where it is.",
                mean: false
            )
        );
        figures.AddRange(
            Parts(
                good,
                losses.GroupBy(part => part.Stage, part => part.Name),
                "stages",
                "Loss by supervised stage",
                "loss of the stage",
                "Each stage is a state of the queries at which training looks. The later ones should end lower than the first: refinement helps.",
                mean: false
            )
        );
        figures.AddRange(
            Parts(
                good,
                parts.Where(part => part.Kind == "pos_acc").GroupBy(part => part.Stage, part => part.Name),
                "classes-right",
                "Matched queries whose class is right",
                "%",
                "Of the queries that are matched with an object, those whose best class is the object's, in the step's images.",
                mean: true
            )
        );
        figures.Add(
            new(
                "rate",
                new("Learning rate", steps, new("base rate", Low: 0), [Curve("", 2, good, step => step.LearningRate)]),
                "Before the factors of single parameters (optimiser.rules)."
            )
        );
        figures.Add(
            new(
                "gradient",
                new(
                    "Norm of the gradient",
                    steps,
                    new("norm before clipping", AxisScale.Log),
                    [Curve("", 3, good, step => step.GradNorm), .. Clip(record), .. Rules(record)]
                ),
                "A step never goes further than the clipped norm says. Single peaks do no harm; a rise that goes on means that the rate is too high."
            )
        );
        figures.Add(
            new(
                "time",
                new(
                    "Time of a step",
                    steps,
                    new("s", Low: 0),
                    [
                        Curve("whole step", 0, good, step => step.Time),
                        Curve("waiting for data", 1, good, step => step.DataTime),
                    ]
                ),
                "Where waiting is a large part, more loader threads (data.workers) or a larger cache (data.cache_mb) help."
            )
        );
        figures.Add(
            new(
                "memory",
                new("Memory of the process", steps, new("MiB", Low: 0), [Curve("", 4, good, step => step.Memory)]),
                "What the process had in memory after the step."
            )
        );
        return figures;
    }

    /// <summary>A curve over steps, thinned out.</summary>
    internal static LineMark Curve(
        string name,
        int colour,
        IReadOnlyList<RecordedStep> of,
        Func<RecordedStep, double> value,
        bool dashed = false
    ) =>
        new(
            name,
            colour,
            Thinned.Of([.. of.Select(step => new ChartPoint(step.Step, value(step)))], MostPoints),
            dashed
        );

    /// <summary>A curve over validations, thinned out.</summary>
    internal static LineMark Curve(
        string name,
        int colour,
        IReadOnlyList<RecordedValidation> of,
        Func<RecordedValidation, double> value,
        bool dashed = false
    ) =>
        new(
            name,
            colour,
            Thinned.Of([.. of.Select(validation => new ChartPoint(validation.Epoch, value(validation)))], MostPoints),
            dashed,
            Dots: of.Count <= 40
        );

    private static TrainingFigure Accuracy(TrainingHistory history) =>
        new(
            "ap",
            new(
                "AP of the validation",
                epochs,
                new("AP", Low: 0),
                [
                    .. new[] { "AP", "AP50", "AP75" }.Select(
                        (name, i) => Curve(name, i, history.Validations, validation => validation.Score(name))
                    ),
                ]
            ),
            "By COCO's rules: AP is the mean over overlaps from 0.5 to 0.95, AP50 asks for half of the overlap only."
        );

    // Of many classes those that are worst at last: they are what can be won.
    private static TrainingFigure Classes(TrainingHistory history)
    {
        var last = history.Validations.Last(validation => validation.Classes.Length > 0).Classes;
        var known = last.Where(entry => entry.Value >= 0).OrderBy(entry => entry.Value).ToList();
        var shown = known.Take(mostLines).Select(entry => entry.Key).ToHashSet();
        var names = last.Select(entry => entry.Key).Where(shown.Contains).ToList();
        return new(
            "classes",
            new(
                "AP by class",
                epochs,
                new("AP", Low: 0),
                [
                    .. names.Select(
                        (name, i) =>
                            Curve(
                                name,
                                i,
                                history.Validations,
                                validation => ClassScore(validation, name),
                                dashed: i >= ChartColours.Count
                            )
                    ),
                ]
            ),
            known.Count > mostLines
                ? $"The {mostLines} of {known.Count} classes that are lowest at last; all of them stand in the table below."
                : "Classes without a box in the validation images have no AP."
        );
    }

    /// <summary>AP of a class; NaN where it is missing or there was nothing to find.</summary>
    internal static double ClassScore(RecordedValidation validation, string name) =>
        validation
            .Classes.Where(entry => entry.Key == name && entry.Value >= 0)
            .Select(entry => (double?)entry.Value)
            .FirstOrDefault()
        ?? double.NaN;

    private static IEnumerable<TrainingFigure> Parts(
        List<RecordedStep> good,
        IEnumerable<IGrouping<string, string>> groups,
        string name,
        string title,
        string axis,
        string reading,
        bool mean
    )
    {
        var lines = groups
            .Take(mostLines)
            .Select(
                (group, i) =>
                {
                    var of = group.ToHashSet();
                    return Curve(
                        group.Key,
                        i,
                        good,
                        step =>
                        {
                            var values = step.Parts.Where(part => of.Contains(part.Key)).Select(part => part.Value);
                            return mean ? TrainingNumbers.Mean(values) : values.DefaultIfEmpty(double.NaN).Sum();
                        },
                        dashed: i >= ChartColours.Count
                    );
                }
            )
            .ToList();
        if (lines.Count > 0)
        {
            yield return new(name, new(title, steps, new(axis, Low: 0), lines), reading);
        }
    }

    private static IEnumerable<RuleMark> Rules(TrainingRecord record) =>
        record
            .Starts.Where(start => start.Step > 0)
            .Select(start => start.Step)
            .Distinct()
            .TakeLast(12)
            .Select(step => new RuleMark("went on", 4, step, OfX: true));

    private static IEnumerable<RuleMark> Clip(TrainingRecord record) =>
        record.Settings.TryGetValue("optimiser.clip_norm", out var text)
        && double.TryParse(text, System.Globalization.CultureInfo.InvariantCulture, out var norm)
            ? [new RuleMark("clipped to this", 1, norm, OfX: false)]
            : [];
}
