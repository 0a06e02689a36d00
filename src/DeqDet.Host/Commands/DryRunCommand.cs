using System.Globalization;
using DeqDet.Benchmarks;
using DeqDet.CommandLine;
using DeqDet.Detection;
using DeqDet.Host.Terminal;
using DeqDet.Model;
using DeqDet.Reports;
using static TorchSharp.torch;

namespace DeqDet.Host.Commands;

/// <summary>`train --dry-run`: what a training would be and need, estimated and then measured. Leaves nothing on the disk.</summary>
public static class DryRunCommand
{
    private const int ClassesShown = 8;

    // Weights with the optimiser's two averages; the best weights beside them.
    private const int CopiesSaved = 4;

    /// <summary>Runs the command.</summary>
    /// <param name="request">What was asked for.</param>
    /// <param name="display">Where the making of data is shown.</param>
    /// <param name="version">The program's version.</param>
    /// <param name="output">Where the table goes.</param>
    /// <returns>0.</returns>
    /// <exception cref="InputError">Settings or data are missing or malformed, or a step does not fit into memory.</exception>
    public static int Run(TrainRequest request, TrainingDisplay display, string version, TextWriter output)
    {
        using var interruption = new Interruption();
        using var trial = new TrialSetup(
            request,
            settings => settings,
            (data, _) => data,
            display,
            version,
            interruption.Token
        );
        var setup = trial.Setup;
        var run = DryRunModule.run(setup, interruption.Token);
        Print(
            "data",
            setup.Settings.Data.Root + (trial.HasMadeData ? " (made for this trial, and removed again)" : ""),
            output
        );
        Data("training", run.Training, output);
        Data("validation", run.Validation, output);
        foreach (var notice in setup.Loader.Data.Notices.Concat(setup.Validation.Data.Notices))
        {
            Print("note", notice, output);
        }

        Model(setup, run.Trainable, output);
        Start(setup, output);
        Need(setup, run, output);
        foreach (var warning in Warnings(setup, run))
        {
            Print("note", warning, output);
        }

        return 0;
    }

    private static void Data(string part, DataOutlook outlook, TextWriter output)
    {
        var (small, median, large) = (outlook.Sizes[0], outlook.Sizes[1], outlook.Sizes[2]);
        Print(
            part,
            $"{Counted.Of(outlook.Images, "image")}, {Counted.Of(outlook.Boxes, "box", "boxes")}; "
                + $"after the resize {Size(small)} to {Size(large)} px, median {Size(median)}",
            output
        );
        Print(
            "",
            $"objects an image: median {outlook.MedianBoxes}, at most {outlook.MostBoxes}, for {Counted.Of(outlook.Queries, "query", "queries")}; "
                + $"{Share(outlook.TinyBoxes, outlook.Boxes)} of the boxes smaller than {DataOutlook.Tiny} px",
            output
        );
        var classes = outlook
            .Classes.OrderByDescending(entry => entry.Item2)
            .Take(ClassesShown)
            .Select(entry => $"{entry.Item1} {entry.Item2}");
        Print(
            "",
            $"{Counted.Of(outlook.Classes.Length, "class", "classes")}: {string.Join(", ", classes)}"
                + (outlook.Classes.Length > ClassesShown ? ", ..." : ""),
            output
        );
    }

    private static void Model(TrainingSetup setup, long trained, TextWriter output)
    {
        var settings = setup.Settings.Detector;
        var parameters = DetectorModule.specs(settings).Where(spec => spec.Role.IsParameter).ToList();
        var all = parameters.Sum(spec => spec.Shape.Aggregate(1L, (product, side) => product * side));
        Print(
            "model",
            $"{ModelNames.Of(settings)}, {Counted.Of(settings.Queries.Count, "query", "queries")}; "
                + $"{all:N0} parameters, {trained:N0} of them trained; about {Human.Bytes(CopiesSaved * sizeof(float) * all)} on the disk",
            output
        );
        foreach (var (name, text) in ModelParts.Parameters(settings))
        {
            Print(name, text, output);
        }
    }

    private static void Start(TrainingSetup setup, TextWriter output)
    {
        if (DetectorStartModule.plan(setup.Settings, setup.Classes) is not { Value: var start })
        {
            return;
        }

        Print("starts from", Human.Path(start.Path), output);
        foreach (var line in StartTable.Lines(start))
        {
            Print("", line, output);
        }
        foreach (var notice in start.Notices)
        {
            Print("note", notice, output);
        }
    }

    private static void Need(TrainingSetup setup, DryRun run, TextWriter output)
    {
        var (expected, measured) = (run.Expected, run.Measured);
        var threads = Counted.Of(get_num_threads(), "thread");
        Print(
            "largest",
            $"{Counted.Of(run.LargestBatch, "image")} of {run.LargestSize}{(measured.Parts > 1 ? $" in {measured.Parts} parts" : "")}, "
                + $"on {setup.Device} with {threads}",
            output
        );
        Print(
            "  estimated",
            $"{expected.Flops / 1e9:0.0} GFLOP, so {Milliseconds(expected.AtLeast)} or more; about {Human.Bytes((long)expected.Bytes)} of memory besides the program's",
            output
        );
        Print(
            "  measured",
            $"{Milliseconds(measured.LargestStep)}"
                + (measured.Peak is { Value: var peak } ? $"; {Human.Bytes(peak)} of memory with the program's" : ""),
            output
        );
        Print(
            "a step",
            $"{Milliseconds(measured.Step)} (mean of {measured.Steps}), {Milliseconds(measured.Waiting)} of it waiting for data",
            output
        );
        Print(
            "training",
            $"{Counted.Of(run.Epochs, "epoch")} of {Counted.Of((int)run.StepsPerEpoch, "step")}: about {Human.Duration(run.StepTime)}",
            output
        );
        Print(
            "validation",
            $"{Counted.Of(run.Validations, "time")} {Counted.Of(run.Validation.Images, "image")} at {Milliseconds(measured.Image)}: "
                + $"about {Human.Duration(run.ValidationTime)}",
            output
        );
        Print("in all", $"about {Human.Duration(run.StepTime + run.ValidationTime)}", output);
    }

    private static IEnumerable<string> Warnings(TrainingSetup setup, DryRun run)
    {
        var training = run.Training;
        if (training.CrowdedImages > 0)
        {
            yield return $"{Counted.Of(training.CrowdedImages, "training image")} {(training.CrowdedImages == 1 ? "has" : "have")} more objects than "
                + $"the detector has queries, so {Counted.Of(training.BoxesWithoutQuery, "box", "boxes")} cannot be found: raise queries.count";
        }

        if (10 * training.TinyBoxes > training.Boxes)
        {
            yield return $"{Share(training.TinyBoxes, training.Boxes)} of the training boxes are smaller than {DataOutlook.Tiny} px after the resize, "
                + "and will hardly be found: raise data.resize and data.augment.short_sides";
        }

        foreach (var (name, _) in training.Classes.Where(entry => entry.Item2 == 0).Take(ClassesShown))
        {
            yield return $"no training image has an object of the class {name}";
        }

        if (training.Contradictions > 0)
        {
            yield return $"{Counted.Of(training.Contradictions, "pair")} of training boxes "
                + $"{(training.Contradictions == 1 ? "lies" : "lie")} at one place with different classes";
        }

        foreach (var warning in TrainCommand.Warnings(setup.Settings))
        {
            yield return warning;
        }
    }

    private static void Print(string name, string text, TextWriter output) =>
        output.WriteLine($"{name, -13}{text}".TrimEnd());

    private static string Size(Tuple<int, int> size) => $"{size.Item1} x {size.Item2}";

    private static string Share(int part, int all) =>
        all == 0 ? "0 %" : (100.0 * part / all).ToString("0.#", CultureInfo.InvariantCulture) + " %";

    private static string Milliseconds(TimeSpan time) =>
        time.TotalSeconds >= 10
            ? $"{time.TotalSeconds.ToString("0.0", CultureInfo.InvariantCulture)} s"
            : $"{time.TotalMilliseconds.ToString(time.TotalMilliseconds < 10 ? "0.0" : "0", CultureInfo.InvariantCulture)} ms";
}
