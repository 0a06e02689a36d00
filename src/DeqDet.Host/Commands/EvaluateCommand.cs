using DeqDet.Host.Evaluation;
using DeqDet.Settings;

namespace DeqDet.Host.Commands;

/// <summary>What <c>evaluate</c> was asked for; null stands for COCO's own value, or for all.</summary>
/// <param name="GroundTruth">COCO annotation file, plain or gzip.</param>
/// <param name="Detections">COCO results list, plain or gzip.</param>
/// <param name="Json">File for the whole result; null for none.</param>
/// <param name="AreaRanges">Size ranges; one of all sizes is put before them if none is called so.</param>
public sealed record EvaluateRequest(
    string GroundTruth,
    string Detections,
    string? Json = null,
    IReadOnlyList<double>? IouThresholds = null,
    IReadOnlyList<AreaRange>? AreaRanges = null,
    IReadOnlyList<int>? MaxDetections = null,
    IReadOnlyList<long>? ImageIds = null,
    IReadOnlyList<long>? CategoryIds = null,
    bool ClassAgnostic = false
)
{
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
        var (truth, detections) = Load(request.GroundTruth, request.Detections);
        var result = Evaluator.Evaluate(truth, detections, parameters);
        if (request.Json is { } path)
        {
            EvaluationJson.Save(result, path);
        }
        EvaluationText.WriteSummary(result, output);
        output.WriteLine();
        EvaluationText.WriteClasses(result, output);
    }

    // Both files at once; when both are bad, the complaint is about the ground truth.
    private static (GroundTruth, Detections) Load(string truthPath, string detectionsPath)
    {
        var loading = Task.Run(() => DetectionsReader.Load(detectionsPath));
        try
        {
            var truth = GroundTruthReader.Load(truthPath);
            return (truth, loading.GetAwaiter().GetResult());
        }
        finally
        {
            Task.WaitAny(loading);
        }
    }
}
