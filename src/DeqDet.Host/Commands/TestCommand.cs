using DeqDet.Coco.Analysis;
using DeqDet.Coco.Evaluation;
using DeqDet.CommandLine;
using DeqDet.Data;
using DeqDet.Data.Check;
using DeqDet.Detection;
using DeqDet.Host.Devices;
using DeqDet.Host.Terminal;
using DeqDet.Reports.Pages;
using RunSettings = DeqDet.Settings.Settings;
using SettingsOf = DeqDet.Settings.SettingsModule;

namespace DeqDet.Host.Commands;

/// <summary>`test`: the COCO table of a checkpoint on its validation set, or on images that are named.</summary>
public static class TestCommand
{
    /// <summary>Runs the command.</summary>
    /// <param name="request">What was asked for.</param>
    /// <param name="display">Where progress is shown.</param>
    /// <param name="output">Where the table goes.</param>
    /// <exception cref="InputError">The checkpoint or the data are missing or malformed, or an output cannot be written.</exception>
    public static void Run(TestRequest request, TrainingDisplay display, TextWriter output)
    {
        var device = ComputeDevice.Choose(request.Device, request.Tf32);
        ComputeDevice.UseThreads(request.Threads?.Value);
        using var interruption = new Interruption();
        using var session = DetectCommand.Open(
            request.Checkpoint,
            request.Solver,
            request.Precision,
            request.Ema,
            device,
            output
        );
        var model = session.Model;
        var (settings, part) = Part(request, model, display, output, interruption.Token);
        CheckOutputs(request, part);
        var validation = Validation.OfPart(part, settings, model.Classes);
        var truth = validation.Truth?.Value;
        if (truth is null && (request.Out is null || request.Report is not null))
        {
            throw new InputError(
                $"{part.AnnotationFile}: has no annotations, so there is nothing to compare with; "
                    + "write down what is found with --out FILE, and leave --report out"
            );
        }

        foreach (var notice in validation.Data.Notices)
        {
            output.WriteLine($"note: {notice}");
        }

        var result = validation.Run(session, display.Validating, interruption.Token);
        if (result.Evaluation?.Value is { } evaluation)
        {
            EvaluationText.WriteSummary(evaluation, output);
            output.WriteLine();
            EvaluationText.WriteClasses(evaluation, output);
            output.WriteLine();
        }
        else
        {
            output.WriteLine($"note: {part.AnnotationFile} has no annotations, so nothing is compared");
        }

        if (result.Refinements.Summary(model.Settings.Detector.Solver) is { Value: var summary })
        {
            output.WriteLine(summary);
        }

        var images = validation.Data.Images.Count;
        output.WriteLine(
            $"{images} {(images == 1 ? "image" : "images")} in {result.Time.TotalSeconds:F1} s ({images / result.Time.TotalSeconds:F1} a second) on {device}"
        );
        if (request.Out?.Value is { } file)
        {
            DetectionsWriter.Save(result.Detections, file);
            output.WriteLine($"detections: {file}");
        }

        if (request.Report?.Value is { } report)
        {
            var page = Page(request, part, validation, result);
            page.Save(report);
            ReportText.Write(page, report, output);
        }
    }

    // The part to test on: by its files where both are named, else the validation part of the model's data set, which is looked for.
    private static (RunSettings, DataPart) Part(
        TestRequest request,
        TrainedModel model,
        TrainingDisplay display,
        TextWriter output,
        CancellationToken cancellation
    )
    {
        if (request is { Annotations.Value: var file, Images.Value: var folder })
        {
            return (model.Settings, DataFolder.Pair(file, folder));
        }

        var settings = WithData(request.Data?.Value, request.Checkpoint, model, output);
        foreach (var notice in DataSets.Ensure(settings.Data, display.MakingData(), cancellation))
        {
            output.WriteLine($"note: {notice}");
        }

        var part = DataPart.Find(settings.Data.Root, settings.Data.Val, settings.Data.AutoSplit);
        return request is { Annotations: null, Images: null }
            ? (settings, part)
            : (
                settings,
                request.Annotations is { Value: var annotations }
                    ? DataFolder.Pair(annotations, part.ImageFolder)
                    : part.WithImages(request.Images!.Value)
            );
    }

    /// <summary>A model's settings with the data set that is named, or else with its own, wherever that is found.</summary>
    /// <exception cref="InputError">The model's data set is nowhere.</exception>
    public static RunSettings WithData(string? named, string checkpoint, TrainedModel model, TextWriter output)
    {
        if (named is not null)
        {
            return SettingsOf.withDataRoot(named, model.Settings);
        }

        var found = DataRoot.Locate(
            model.Settings.Data,
            WorkFolderModule.checkpointOf(checkpoint),
            model.TrainedOn?.Value
        );
        if (found.Notice is { } notice)
        {
            output.WriteLine($"note: {notice}");
        }

        return SettingsOf.withDataRoot(found.Root, model.Settings);
    }

    // Before the work: an evaluation may take hours.
    private static void CheckOutputs(TestRequest request, DataPart part)
    {
        string[] inputs = [part.AnnotationFile, WorkFolderModule.checkpointOf(request.Checkpoint)];
        Outputs.Check("--out", request.Out?.Value, inputs, Outputs.IsResults);
        if (request.Report?.Value is { } report)
        {
            EvaluationPage.CheckPlace(report);
            Outputs.Check("--report", report, inputs, Outputs.IsPage);
        }
    }

    private static EvaluationPage Page(
        TestRequest request,
        DataPart part,
        Validation validation,
        ValidationResult result
    )
    {
        var (truth, found, evaluation) = (validation.Truth!.Value, result.Detections, result.Evaluation!.Value);
        var analysis = EvaluationAnalysis.Of(truth, found, evaluation, AnalysisParameters.Default);
        var count = request.ReportImages?.Value ?? Gallery.DefaultImages;
        return new EvaluationPage(
            Path.GetFileName(part.AnnotationFile),
            request.Checkpoint,
            truth,
            found,
            evaluation,
            analysis,
            Gallery.Of(analysis, truth, found, ImageCatalogue.Of(validation.Data), count)
        );
    }
}
