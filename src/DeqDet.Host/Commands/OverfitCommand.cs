using System.Globalization;
using DeqDet.CommandLine;
using DeqDet.Detection;
using DeqDet.Host.Terminal;
using DeqDet.Reports;
using Microsoft.FSharp.Core;

namespace DeqDet.Host.Commands;

/// <summary>`train --overfit N`: can the detector learn N images by heart? If not, what is wrong?</summary>
public static class OverfitCommand
{
    private const int DefaultSteps = 1000;

    /// <summary>Runs the command.</summary>
    /// <param name="request">What was asked for.</param>
    /// <param name="images">Images to learn.</param>
    /// <param name="display">Where the making of data is shown.</param>
    /// <param name="version">The program's version.</param>
    /// <param name="output">Where the lines go.</param>
    /// <returns>0 when the images were learned, 1 when not.</returns>
    /// <exception cref="InputError">Settings or data are missing or malformed.</exception>
    public static int Run(TrainRequest request, int images, TrainingDisplay display, string version, TextWriter output)
    {
        using var interruption = new Interruption();
        using var trial = new TrialSetup(
            request,
            settings => Overfit.settings(images, settings),
            (data, settings) => Overfit.images(images, settings.Train.Seed, data),
            display,
            version,
            interruption.Token
        );
        var (setup, clock) = (trial.Setup, TimeProvider.System);
        var data = setup.Loader.Data;
        var steps = request.MaxSteps?.Value ?? DefaultSteps;
        var boxes = data.Images.Sum(image => image.Targets.Count());
        output.WriteLine(
            $"Learning {Counted.Of(data.Images.Count, "image")} with {Counted.Of(boxes, "box", "boxes")} by heart, "
                + $"in at most {Counted.Of(steps, "step")}, without augmentation"
        );
        foreach (var warning in TrainCommand.Warnings(setup.Settings))
        {
            output.WriteLine($"note: {warning}");
        }

        var (start, loss) = (clock.GetTimestamp(), double.NaN);
        var result = Overfit.run(
            setup,
            steps,
            FuncConvert.FromAction<StepReport>(report => loss = report.Loss),
            FuncConvert.FromAction<int, double>(
                (step, ap50) =>
                {
                    output.WriteLine(
                        $"  step {step.ToString(CultureInfo.InvariantCulture), 5}   loss {Human.Number(loss), 6}   AP50 {Score(ap50)}"
                    );
                    output.Flush();
                }
            ),
            interruption.Token
        );
        var time = Human.Duration(clock.GetElapsedTime(start));
        var count = Counted.Of(data.Images.Count, "image");
        if (result.Learned)
        {
            output.WriteLine(
                $"Yes: {count} learned by heart after {Counted.Of(result.Steps, "step")} ({time}), AP50 {Score(result.Ap50)}"
            );
            return 0;
        }

        output.WriteLine(
            $"No: {count} not learned by heart in {Counted.Of(result.Steps, "step")} ({time}), AP50 {Score(result.Ap50)}, "
                + $"{Score(OverfitDiagnosis.learned)} wanted"
        );
        foreach (var diagnosis in result.Diagnoses)
        {
            output.WriteLine($"  {diagnosis.Name}: {diagnosis.Text}");
        }

        return ExitCode.Failed;
    }

    private static string Score(double value) => value.ToString("0.000", CultureInfo.InvariantCulture);
}
