using System.Globalization;
using DeqDet.Detection;

namespace DeqDet.Reports.Training;

/// <summary>A table of a training's page.</summary>
/// <param name="Columns">Heads of the columns.</param>
/// <param name="Rows">As many cells each.</param>
/// <param name="Words">How many columns, from the left, hold words.</param>
public sealed record TrainingTable(
    IReadOnlyList<string> Columns,
    IReadOnlyList<IReadOnlyList<string>> Rows,
    int Words = 0
);

/// <summary>The numbers of trainings as tables of bounded length.</summary>
public static class TrainingTables
{
    private const int MostEpochs = 120;
    private const int MostClasses = 300;
    private const int MostBad = 20;
    private const int MostStarts = 30;

    // What decides most; every setting stands in settings.json.
    private static readonly (string Key, string Meaning)[] shortList =
    [
        ("kind", "family"),
        ("backbone.kind", "backbone"),
        ("backbone.width", "its width"),
        ("backbone.weights", "its weights"),
        ("backbone.frozen_stages", "its frozen stages"),
        ("backbone.norm", "its normalisation"),
        ("weights.load", "started from"),
        ("classes", "classes"),
        ("queries.count", "queries"),
        ("solver.steps", "refinement steps"),
        ("rag.supervised", "supervised steps"),
        ("data.root", "data"),
        ("data.resize.short_side", "short side, px"),
        ("data.resize.long_max", "long side at most, px"),
        ("data.augment.flip", "flip"),
        ("data.augment.crop", "crop"),
        ("data.augment.scale", "scale"),
        ("data.augment.mosaic", "mosaic"),
        ("data.augment.colour", "colour"),
        ("train.epochs", "epochs"),
        ("train.batch_size", "images a step"),
        ("train.accumulate", "in parts"),
        ("optimiser.lr", "learning rate"),
        ("schedule.kind", "schedule"),
        ("schedule.warmup_steps", "warm-up steps"),
        ("train.ema", "averaged weights"),
        ("train.precision", "numbers"),
        ("train.seed", "seed"),
    ];

    /// <summary>Losses, times and AP of each epoch; of very many epochs evenly chosen ones.</summary>
    public static TrainingTable Epochs(TrainingRecord record) =>
        new(
            [
                "epoch",
                "loss",
                "rate",
                "gradient",
                "s a step",
                "waiting",
                "MiB",
                "bad",
                "AP",
                "AP50",
                "AP75",
                "small",
                "medium",
                "large",
            ],
            [
                .. Thinned
                    .Evenly(TrainingNumbers.ByEpoch(record.History), MostEpochs)
                    .Select(epoch =>
                        (IReadOnlyList<string>)
                            [
                                Whole(epoch.Epoch),
                                Number(epoch.Loss),
                                Number(epoch.LearningRate),
                                Number(epoch.GradNorm),
                                Number(epoch.StepTime),
                                Percent(epoch.Waiting),
                                double.IsNaN(epoch.Memory)
                                    ? "-"
                                    : epoch.Memory.ToString("0", CultureInfo.InvariantCulture),
                                Whole(epoch.Bad),
                                .. new[] { "AP", "AP50", "AP75", "AP_small", "AP_medium", "AP_large" }.Select(name =>
                                    Score(epoch.Validation?.Score(name) ?? double.NaN)
                                ),
                            ]
                    ),
            ]
        );

    /// <summary>AP of each class at the first, the best and the last validation, the lowest at last first.</summary>
    public static TrainingTable Classes(TrainingRecord record)
    {
        var with = record.History.Validations.Where(validation => validation.Classes.Length > 0).ToList();
        if (with.Count == 0)
        {
            return new([], []);
        }

        var best = with.MaxBy(validation => validation.Score("AP")) ?? with[^1];
        return new(
            ["class", $"epoch {with[0].Epoch}", $"best, epoch {best.Epoch}", $"last, epoch {with[^1].Epoch}"],
            [
                .. with[^1]
                    .Classes.OrderBy(entry => entry.Value < 0)
                    .ThenBy(entry => entry.Value)
                    .Take(MostClasses)
                    .Select(entry =>
                        (IReadOnlyList<string>)
                            [
                                entry.Key,
                                .. new[] { with[0], best, with[^1] }.Select(validation =>
                                    Score(TrainingFigures.ClassScore(validation, entry.Key))
                                ),
                            ]
                    ),
            ],
            Words: 1
        );
    }

    /// <summary>The latest steps that were bad.</summary>
    public static TrainingTable Bad(TrainingRecord record) =>
        new(
            ["step", "loss", "gradient", "images"],
            [
                .. TrainingNumbers
                    .Bad(record.History)
                    .TakeLast(MostBad)
                    .Select(step =>
                        (IReadOnlyList<string>)
                            [
                                step.Step.ToString(CultureInfo.InvariantCulture),
                                double.IsFinite(step.Loss) ? Number(step.Loss) : "not finite",
                                double.IsFinite(step.GradNorm) ? Number(step.GradNorm) : "not finite",
                                string.Join(", ", step.Skipped.Take(16)) + (step.Skipped.Length > 16 ? ", ..." : ""),
                            ]
                    ),
            ]
        );

    /// <summary>When the training was started and went on.</summary>
    public static TrainingTable Starts(TrainingRecord record) =>
        new(
            ["time, UTC", "after step", "device", "version"],
            [
                .. record
                    .Starts.TakeLast(MostStarts)
                    .Select(start =>
                        (IReadOnlyList<string>)
                            [
                                start.Time.UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture),
                                start.Step.ToString(CultureInfo.InvariantCulture),
                                start.Device,
                                start.Version,
                            ]
                    ),
            ]
        );

    /// <summary>The settings that decide most.</summary>
    public static TrainingTable Settings(TrainingRecord record) =>
        new(
            ["setting", "value", "meaning"],
            [
                .. shortList
                    .Where(entry => record.Settings.ContainsKey(entry.Key))
                    .Select(entry =>
                        (IReadOnlyList<string>)[entry.Key, Shown(record.Settings[entry.Key]), entry.Meaning]
                    ),
            ],
            Words: 3
        );

    /// <summary>Settings in which trainings differ, a column each.</summary>
    public static TrainingTable Differences(IReadOnlyList<TrainingRecord> records)
    {
        var keys = records.SelectMany(record => record.Settings.Keys).Distinct().Order(StringComparer.Ordinal);
        return new(
            ["setting", .. ComparedFigures.Names(records)],
            [
                .. keys.Select(key =>
                        (
                            Key: key,
                            Values: records.Select(record => record.Settings.GetValueOrDefault(key, "-")).ToList()
                        )
                    )
                    .Where(entry => entry.Values.Distinct().Count() > 1)
                    .Select(entry => (IReadOnlyList<string>)[entry.Key, .. entry.Values.Select(Shown)]),
            ],
            Words: records.Count + 1
        );
    }

    /// <summary>AP of each class at the best validation of each training.</summary>
    public static TrainingTable ComparedClasses(IReadOnlyList<TrainingRecord> records)
    {
        var best = records
            .Select(record =>
                record
                    .History.Validations.Where(validation => validation.Classes.Length > 0)
                    .MaxBy(validation => validation.Score("AP"))
            )
            .ToList();
        var names = best.SelectMany(validation => validation?.Classes ?? []).Select(entry => entry.Key).Distinct();
        return new(
            ["class", .. ComparedFigures.Names(records)],
            [
                .. names
                    .Take(MostClasses)
                    .Select(name =>
                        (IReadOnlyList<string>)
                            [
                                name,
                                .. best.Select(validation =>
                                    Score(
                                        validation is null ? double.NaN : TrainingFigures.ClassScore(validation, name)
                                    )
                                ),
                            ]
                    ),
            ],
            Words: 1
        );
    }

    /// <summary>0.638; a dash for what is not known.</summary>
    public static string Score(double value) =>
        double.IsNaN(value) ? "-" : value.ToString("0.000", CultureInfo.InvariantCulture);

    /// <summary>12 %; a dash for what is not known.</summary>
    public static string Percent(double share) =>
        double.IsNaN(share) ? "-" : (100 * share).ToString("0.#", CultureInfo.InvariantCulture) + " %";

    /// <summary>Three digits; a dash for what is not known.</summary>
    public static string Number(double value) => double.IsNaN(value) ? "-" : Human.Number(value);

    private static string Whole(int number) => number.ToString(CultureInfo.InvariantCulture);

    // Text without its quotes; long lists in short.
    private static string Shown(string json)
    {
        var text = json.Length > 1 && json[0] == '"' ? json[1..^1] : json;
        return text.Length > 120 ? text[..117] + "..." : text;
    }
}
