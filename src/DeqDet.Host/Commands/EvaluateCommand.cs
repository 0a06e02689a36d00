using DeqDet.Coco.Analysis;
using DeqDet.Coco.Evaluation;
using DeqDet.Reports.Pages;
using DeqDet.Settings;

namespace DeqDet.Host.Commands;

/// <summary>What <c>evaluate</c> was asked for; null stands for COCO's own value, or for all.</summary>
/// <param name="GroundTruth">COCO annotation file, plain or gzip.</param>
/// <param name="Detections">COCO results list, plain or gzip.</param>
/// <param name="Json">File for the whole result; null for none.</param>
/// <param name="AreaRanges">Size ranges; one of all sizes is put before them if none is called so.</param>
/// <param name="Report">HTML file for the analysis; null for none.</param>
/// <param name="ImagesFrom">Folder of the images, for the report.</param>
/// <param name="ReportImages">Worst images in the report.</param>
/// <param name="AtScore">Score from which the analysis counts detections one by one; null for that of the highest F1.</param>
/// <param name="AtIou">IoU from which the analysis takes a detection as right.</param>
/// <param name="Strict">Whether detected boxes of negative width or height are refused.</param>
public sealed record EvaluateRequest(
    string GroundTruth,
    string Detections,
    string? Json = null,
    IReadOnlyList<double>? IouThresholds = null,
    IReadOnlyList<AreaRange>? AreaRanges = null,
    IReadOnlyList<int>? MaxDetections = null,
    IReadOnlyList<CocoId>? ImageIds = null,
    IReadOnlyList<CocoId>? CategoryIds = null,
    bool ClassAgnostic = false,
    string? Report = null,
    string? ImagesFrom = null,
    int? ReportImages = null,
    double? AtScore = null,
    double? AtIou = null,
    bool Strict = false
)
{
    /// <summary>The thresholds of the analysis.</summary>
    public AnalysisParameters Analysis =>
        AnalysisParameters.Default with
        {
            Score = AtScore,
            Iou = AtIou ?? AnalysisParameters.Default.Iou,
        };

    /// <summary>The parameters asked for.</summary>
    public EvaluationParameters Parameters
    {
        get
        {
            var coco = EvaluationParameters.Coco;
            return coco with
            {
                IouThresholds = IouThresholds ?? coco.IouThresholds,
                AreaRanges =
                    AreaRanges is null ? coco.AreaRanges
                    : AreaRanges.Any(r => r.Label == AreaRange.All) ? AreaRanges
                    : [AreaRange.Coco[0], .. AreaRanges],
                MaxDetections = MaxDetections ?? coco.MaxDetections,
                ImageIds = ImageIds,
                CategoryIds = CategoryIds,
                ClassAgnostic = ClassAgnostic,
            };
        }
    }
}

/// <summary>The command <c>evaluate</c>: COCO's box evaluation of a results file, without a model.</summary>
public static class EvaluateCommand
{
    /// <summary>
    /// Prints the summary and the table of classes, and writes the JSON file if one is asked for. Raises <see cref="InputError"/> for
    /// input that cannot be evaluated; nothing is written then.
    /// </summary>
    public static void Run(EvaluateRequest request, TextWriter output)
    {
        var parameters = request.Parameters.Checked();
        CheckReport(request);
        var (truth, detections) = Load(request);
        var result = Evaluator.Evaluate(truth, detections, parameters);
        // Only on request: without it the evaluation does no extra work.
        var analysis =
            request.Json is null && request.Report is null
                ? null
                : EvaluationAnalysis.Of(truth, detections, result, request.Analysis);
        var page = request.Report is null ? null : Page(request, truth, detections, result, analysis!);
        if (request.Json is { } path)
        {
            EvaluationJson.Save(result, path, analysis);
        }
        page?.Save(request.Report!);
        EvaluationText.WriteSummary(result, output);
        output.WriteLine();
        EvaluationText.WriteClasses(result, output);
        if (page is not null)
        {
            ReportText.Write(page, request.Report!, output);
        }
    }

    // Found out before anything is loaded.
    private static void CheckReport(EvaluateRequest request)
    {
        request.Analysis.Checked();
        string[] inputs = [request.GroundTruth, request.Detections];
        Outputs.Check("--json", request.Json, inputs, Outputs.IsReport("stats"));
        if (request.Report is { } report)
        {
            EvaluationPage.CheckPlace(report);
            Outputs.Check("--report", report, inputs, Outputs.IsPage);
        }
        if (request.ImagesFrom is { } folder && !Directory.Exists(folder))
        {
            throw new InputError(
                File.Exists(folder)
                    ? $"{folder}: is a file; --images-from takes the folder of the images that were annotated"
                    : $"{folder}: no such image folder; --images-from takes the folder of the images that were annotated"
            );
        }
    }

    private static EvaluationPage Page(
        EvaluateRequest request,
        GroundTruth truth,
        Detections detections,
        EvaluationResult result,
        EvaluationAnalysis analysis
    )
    {
        var catalogue = ImageCatalogue.Of(truth, request.ImagesFrom);
        var count = request.ReportImages ?? Gallery.DefaultImages;
        return new EvaluationPage(
            Path.GetFileName(request.GroundTruth),
            Path.GetFileName(request.Detections),
            truth,
            detections,
            result,
            analysis,
            Gallery.Of(analysis, truth, detections, catalogue, count)
        );
    }

    // Both files at once; when both are bad, the complaint is about the ground truth.
    private static (GroundTruth, Detections) Load(EvaluateRequest request)
    {
        var loading = Task.Run(() => DetectionsReader.Load(request.Detections, request.Strict));
        try
        {
            var truth = GroundTruthReader.Load(request.GroundTruth);
            return (truth, loading.GetAwaiter().GetResult());
        }
        finally
        {
            Task.WaitAny(loading);
        }
    }
}
