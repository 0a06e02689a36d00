using DeqDet.Coco.Analysis;
using DeqDet.Coco.Evaluation;
using DeqDet.CommandLine;
using DeqDet.Detection;
using DeqDet.Host.Devices;
using DeqDet.Host.Terminal;
using DeqDet.Reports.Pages;
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
    /// <exception cref="Settings.InputError">The checkpoint or the data are missing or malformed.</exception>
    public static void Run(TestRequest request, TrainingDisplay display, TextWriter output)
    {
        if (request.Report?.Value is { } place)
        {
            EvaluationPage.CheckPlace(place);
        }

        var device = ComputeDevice.Choose(DeviceChoice.Auto);
        ComputeDevice.UseThreads(null);
        using var interruption = new Interruption();
        var model = TrainedModel.Load(request.Checkpoint, request.Solver, device);
        var settings = request.Data?.Value is { } root ? SettingsOf.withDataRoot(root, model.Settings) : model.Settings;
        DataSets.Ensure(settings.Data, display.MakingData(), interruption.Token);
        var validation = DataSets.Validation(settings, model.Classes);
        foreach (var notice in validation.Data.Notices)
        {
            output.WriteLine($"note: {notice}");
        }

        var result = validation.Run(model.Detector, device, display.Validating, interruption.Token);
        EvaluationText.WriteSummary(result.Evaluation, output);
        output.WriteLine();
        EvaluationText.WriteClasses(result.Evaluation, output);
        var images = validation.Data.Images.Count;
        output.WriteLine();
        if (result.Refinements.Told(model.Settings.Detector.Solver) is { } told)
        {
            output.WriteLine(told);
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
