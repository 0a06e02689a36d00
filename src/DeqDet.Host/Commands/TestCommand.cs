using DeqDet.Coco.Analysis;
using DeqDet.Coco.Evaluation;
using DeqDet.CommandLine;
using DeqDet.Data;
using DeqDet.Detection;
using DeqDet.Host.Devices;
using DeqDet.Host.Terminal;
using DeqDet.Reports.Pages;
using DeqDet.Settings;
using RunSettings = DeqDet.Settings.Settings;
using SettingsOf = DeqDet.Settings.SettingsModule;

namespace DeqDet.Host.Commands;

/// <summary>`test`: the COCO table of a checkpoint on its validation set.</summary>
public static class TestCommand
{
    /// <summary>Runs the command.</summary>
    /// <param name="request">What was asked for.</param>
    /// <param name="display">Where progress is shown.</param>
    /// <param name="output">Where the table goes.</param>
    /// <exception cref="InputError">The checkpoint or the data are missing or malformed, or an output cannot be written.</exception>
    public static void Run(TestRequest request, TrainingDisplay display, TextWriter output)
    {
        var device = ComputeDevice.Choose(request.Device);
        ComputeDevice.UseThreads(request.Threads?.Value);
        using var interruption = new Interruption();
        using var session = DetectCommand.Open(request.Checkpoint, request.Solver, request.Ema, device, output);
        var settings = Settings(request, session.Model.Settings);
        DataSets.Ensure(settings.Data, display.MakingData(), interruption.Token);
        var part = DataPart.Find(settings.Data.Root, settings.Data.Val);
        CheckOutputs(request, part);
        var validation = Validation.Of(settings, session.Model.Classes);
        foreach (var notice in validation.Data.Notices)
        {
            output.WriteLine($"note: {notice}");
        }

        var result = validation.Run(session, display.Validating, interruption.Token);
        EvaluationText.WriteSummary(result.Evaluation, output);
        output.WriteLine();
        EvaluationText.WriteClasses(result.Evaluation, output);
        var images = validation.Data.Images.Count;
        output.WriteLine();
        if (result.Refinements.Summary(session.Model.Settings.Detector.Solver) is { Value: var summary })
        {
            output.WriteLine(summary);
        }

        output.WriteLine(
            $"{images} images in {result.Time.TotalSeconds:F1} s ({images / result.Time.TotalSeconds:F1} a second) on {device}"
        );
        if (request.Out?.Value is { } file)
        {
            DetectionsWriter.Save(result.Detections, file);
            output.WriteLine($"detections: {file}");
        }

        if (request.Report?.Value is { } report)
        {
            var page = Page(request, settings, validation, result);
            page.Save(report);
            ReportText.Write(page, report, output);
        }
    }

    private static RunSettings Settings(TestRequest request, RunSettings settings) =>
        request.Data?.Value is { } root ? SettingsOf.withDataRoot(root, settings) : settings;

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
        RunSettings settings,
        Validation validation,
        ValidationResult result
    )
    {
        var (truth, found) = (validation.Truth, result.Detections);
        var analysis = EvaluationAnalysis.Of(truth, found, result.Evaluation, AnalysisParameters.Default);
        var count = request.ReportImages?.Value ?? Gallery.DefaultImages;
        return new EvaluationPage(
            Path.GetFileName(settings.Data.Val.Annotations),
            request.Checkpoint,
            truth,
            found,
            result.Evaluation,
            analysis,
            Gallery.Of(analysis, truth, found, ImageCatalogue.Of(validation.Data), count)
        );
    }
}
