using DeqDet.Coco.Evaluation;
using DeqDet.Data.Shapes;
using DeqDet.Detection;
using DeqDet.Reports;
using Spectre.Console;

namespace DeqDet.Host.Terminal;

/// <summary>
/// Shows a training: in a terminal as a bar with the latest numbers, rewritten in place; elsewhere as a line now and then. Summaries
/// and validations stay in both.
/// </summary>
/// <param name="console">Where to; it decides whether lines can be rewritten.</param>
/// <param name="clock">The time.</param>
public sealed class TrainingDisplay(IAnsiConsole console, TimeProvider clock)
{
    private static readonly TimeSpan redraw = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan longestSilence = TimeSpan.FromMinutes(1);
    private static readonly Style good = new(Color.SpringGreen2, decoration: Decoration.Bold);
    private static readonly Style bold = new(decoration: Decoration.Bold);
    private static readonly Style warning = new(Color.Gold1);

    private readonly Screen screen = new(console);
    private readonly StepWindow window = new();
    private readonly long start = clock.GetTimestamp();
    private ProgressLine? validating;
    private int validated;
    private TimeSpan validationTime;
    private long firstStep;
    private long lastStep = clock.GetTimestamp();
    private long? shown;

    /// <summary>Steps between lines where the output is no terminal.</summary>
    public int PlainEvery { get; init; } = 50;

    /// <summary>Shows nothing: for a process beside the one that speaks.</summary>
    public static TrainingDisplay Silent() =>
        new(
            AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(TextWriter.Null) }),
            TimeProvider.System
        );

    /// <summary>Progress of making the generated data set.</summary>
    public IProgress<ShapesProgress> MakingData() =>
        new DataProgress(screen, new(screen, clock, "making the shapes data set", "pictures"));

    /// <summary>Says what is about to happen.</summary>
    public void Start(TrainingSummary summary)
    {
        firstStep = summary.FirstStep;
        screen.Print(new Piece($"Training {summary.Settings}", bold));
        Fact(
            "data",
            $"{summary.TrainingImages:N0} images to train on, {summary.ValidationImages:N0} to validate on, {summary.Classes} classes"
        );
        Fact("model", $"{summary.Parameters:N0} parameters, {summary.TrainableParameters:N0} of them trained");
        var threads = $"{summary.Threads} {(summary.Threads == 1 ? "thread" : "threads")}";
        Fact(
            "device",
            summary.Processes == 1
                ? $"{summary.Device}, {threads}"
                : $"{summary.Processes} processes, the first one on {summary.Device} with {threads}"
        );
        Fact("precision", summary.Precision);
        Fact("work folder", Human.Path(summary.WorkFolder));
        if (firstStep > 0)
        {
            Fact("continues", $"after step {firstStep:N0}");
        }
        if (summary.Start is { } start)
        {
            Fact("starts from", Human.Path(start.Path));
            foreach (var line in StartTable.Lines(start))
            {
                Fact("", line);
            }
        }
        foreach (var notice in summary.Notices)
        {
            screen.Print(new("  note         ", warning), notice);
        }
        screen.Print();
    }

    /// <summary>Says something that people should know.</summary>
    public void Notice(string notice) => screen.Print(new("note: ", warning), notice);

    /// <summary>Shows a step.</summary>
    public void Step(StepReport report)
    {
        window.Add(report);
        lastStep = clock.GetTimestamp();
        var silence = shown is { } last ? clock.GetElapsedTime(last) : TimeSpan.MaxValue;
        if (screen.IsLive)
        {
            if (silence >= redraw || report.Step == report.Steps)
            {
                screen.Show(Rows(report));
                shown = clock.GetTimestamp();
            }
        }
        else if (silence >= longestSilence || report.Step % PlainEvery == 0 || report.Step == report.Steps)
        {
            screen.Print(Line(report));
            shown = clock.GetTimestamp();
        }
    }

    /// <summary>Shows how many of the validation images are done.</summary>
    public void Validating(int done, int all)
    {
        // The first images are done when this is first called: the work began where the steps ended.
        validating ??= new(screen, clock, "validating", "images", lastStep);
        validating.Report(done, all);
        validated = done;
    }

    /// <summary>Shows what a validation found.</summary>
    /// <param name="epoch">Epochs completed.</param>
    /// <param name="result">An evaluation with COCO's parameters.</param>
    public void Validated(int epoch, EvaluationResult result)
    {
        var time = validating?.Elapsed ?? TimeSpan.Zero;
        validationTime += time;
        validating = null;
        var cost = Piece.Faint($"  ({validated:N0} images in {Human.Duration(time)})");
        screen.Print([new($"epoch {epoch} ", bold), .. Scores(result), cost]);
    }

    /// <summary>Says that the training was stopped before its end and how to go on.</summary>
    /// <param name="step">Steps taken.</param>
    /// <param name="folder">Its work folder.</param>
    /// <param name="command">Arguments of the command that continues it.</param>
    public void Interrupted(long step, string folder, string command)
    {
        screen.Show();
        screen.Print();
        screen.Print(new Piece($"Stopped after step {step:N0}", bold), $", saved in {Human.Path(folder)}. To go on:");
        screen.Print("  " + Human.Command(command));
    }

    /// <summary>Says what was reached and what to do with it.</summary>
    /// <param name="result">The last evaluation, if there was one.</param>
    /// <param name="folder">The work folder; those of its files that are there are listed.</param>
    /// <param name="command">Arguments of the command that shows the model at work.</param>
    public void Finish(EvaluationResult? result, WorkFolder folder, string command)
    {
        screen.Show();
        screen.Print();
        screen.Print([
            new("Finished", bold),
            $" after {Human.Duration(clock.GetElapsedTime(start))}",
            .. result is null ? [] : (Piece[])[":", .. Scores(result)],
        ]);
        foreach (
            var (name, path) in new[]
            {
                ("best weights", folder.Best),
                ("latest state", folder.Latest),
                ("settings", folder.Settings),
                ("metrics", folder.Metrics),
                ("detections", folder.Detections),
                ("pictures", folder.Pictures),
                ("page", folder.Page),
                ("events", folder.Events),
            }
        )
        {
            if (Path.Exists(path))
            {
                Fact(name, Human.Path(path));
            }
        }
        screen.Print();
        screen.Print("See it at work:");
        screen.Print(new Piece("  " + Human.Command(command), good));
    }

    private void Fact(string name, string value) => screen.Print(Piece.Faint($"  {name, -13}"), value);

    private static IEnumerable<Piece> Scores(EvaluationResult result) =>
        [
            Piece.Faint(" AP "),
            new(Score(result["AP"]), good),
            .. new[]
            {
                ("AP50", "AP50"),
                ("AP75", "AP75"),
                ("AP_small", "small"),
                ("AP_medium", "medium"),
                ("AP_large", "large"),
            }.SelectMany(pair => (Piece[])[Piece.Faint($"  {pair.Item2} "), Score(result[pair.Item1])]),
        ];

    private static string Score(double value) => value < 0 ? "-" : value.ToString("0.000");

    private Piece[] Line(StepReport report) =>
        [
            $"epoch {report.Epoch}/{report.Epochs}  step {report.Step}/{report.Steps}  loss {Losses()}"
                + $"  lr {report.LearningRate:0.00e-00}  grad {Human.Number(window.Mean(step => step.GradNorm))}  {Speed(report)}"
                + $"  {Human.Duration(Left(report))} left",
        ];

    private IReadOnlyList<Piece>[] Rows(StepReport report)
    {
        var before = $"epoch {report.Epoch}/{report.Epochs}  ";
        var share = (double)report.Step / report.Steps;
        var after = $"  step {report.Step:N0}/{report.Steps:N0}   {share:P0}   {Human.Duration(Left(report))} left";
        var width = Math.Clamp(screen.Width - before.Length - after.Length, 8, 60);
        return
        [
            [new(before, bold), .. ProgressLine.Bar(share, width, screen.IsUnicode), after],
            [
                Piece.Faint("loss "),
                new(Human.Number(window.Mean(step => step.Loss)), bold),
                .. Parts().SelectMany(part => (Piece[])[Piece.Faint($"  {part.Name} "), Human.Number(part.Value)]),
                Piece.Faint("   lr "),
                report.LearningRate.ToString("0.00e-00"),
                Piece.Faint("   grad "),
                Human.Number(window.Mean(step => step.GradNorm)),
            ],
            [Piece.Faint(Speed(report))],
        ];
    }

    private string Losses() =>
        $"{Human.Number(window.Mean(step => step.Loss))} "
        + $"({string.Join(", ", Parts().Select(part => $"{part.Name} {Human.Number(part.Value)}"))})";

    // Sums over all supervised states; each by itself stands in metrics.jsonl.
    private IEnumerable<(string Name, double Value)> Parts() =>
        new[] { "cls", "bbox", "iou" }.Select(name => (name, window.Mean(step => step.Sum($"loss_{name}"))));

    private string Speed(StepReport report) =>
        $"{window.ImagesPerSecond:0.0} images/s  waiting for data {window.DataShare:P0}  memory {Human.Bytes(report.MemoryBytes)}";

    // Validations take their share of the time, as soon as there has been one.
    private TimeSpan Left(StepReport report)
    {
        var validationPerStep = validationTime / Math.Max(1, report.Step - firstStep);
        return (window.StepTime + validationPerStep) * (report.Steps - report.Step);
    }

    private sealed class DataProgress(Screen screen, ProgressLine line) : IProgress<ShapesProgress>
    {
        public void Report(ShapesProgress value)
        {
            if (line.Report(value.Done, value.Total))
            {
                screen.Print($"Made the shapes data set: {value.Total:N0} pictures in {Human.Duration(line.Elapsed)}");
            }
        }
    }
}
