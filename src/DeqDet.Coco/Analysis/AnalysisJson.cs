using System.Text.Json;
using System.Text.Json.Serialization;

namespace DeqDet.Coco.Analysis;

/// <summary>Writes an analysis as JSON. Classes are named by their position in <c>per_class</c>.</summary>
public static class AnalysisJson
{
    /// <summary>Writes an analysis as one object.</summary>
    /// <param name="analysis">The analysis.</param>
    /// <param name="writer">Where a value is due.</param>
    /// <param name="withImages">Whether the list of images, the worst first, is part of it.</param>
    /// <param name="decimals">Decimals of curves; null for all.</param>
    public static void Write(
        EvaluationAnalysis analysis,
        Utf8JsonWriter writer,
        bool withImages,
        int? decimals = null
    ) =>
        JsonSerializer.Serialize(
            writer,
            AnalysisRecord.Of(analysis, withImages, decimals),
            AnalysisContext.Default.AnalysisRecord
        );
}

internal sealed record AnalysisRecord(
    PointRecord OperatingPoint,
    ErrorsRecord Errors,
    IEnumerable<ClassRecord> Classes,
    ConfusionRecord Confusion,
    IEnumerable<CurveRecord> PrecisionRecall,
    IEnumerable<CrowdingRecord> Crowding,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] IEnumerable<ImageRecord>? Images
)
{
    public static AnalysisRecord Of(EvaluationAnalysis analysis, bool withImages, int? decimals) =>
        new(
            PointRecord.Of(analysis.Point),
            ErrorsRecord.Of(analysis.Errors),
            analysis.Classes.Select(ClassRecord.Of),
            ConfusionRecord.Of(analysis.Confusion),
            analysis.Curves.Select(curve => CurveRecord.Of(curve, decimals)),
            analysis.Crowding.Select(bin => new CrowdingRecord(
                bin.From,
                bin.To,
                bin.Images,
                bin.Boxes,
                bin.AveragePrecision,
                bin.AveragePrecisionAtIou,
                bin.AverageRecall
            )),
            withImages
                ? analysis.Images.Select(image => new ImageRecord(
                    image.Id,
                    image.Mistakes,
                    image.Right,
                    image.Wrong,
                    image.Missed
                ))
                : null
        );
}

internal sealed record PointRecord(
    double Score,
    string ChosenBy,
    int Right,
    int Wrong,
    int Unfound,
    double Precision,
    double Recall,
    double F1
)
{
    public static PointRecord Of(OperatingPoint point) =>
        new(
            point.Score,
            point.IsChosen ? "user" : "highest F1",
            point.Right,
            point.Wrong,
            point.Missed,
            point.Precision,
            point.Recall,
            point.F1
        );
}

internal sealed record ErrorsRecord(
    double Iou,
    double BackgroundIou,
    int MaxDets,
    double Ap,
    IEnumerable<ErrorRecord> Kinds,
    double FalsePositivesGain,
    double FalseNegativesGain
)
{
    public static ErrorsRecord Of(ErrorBreakdown errors) =>
        new(
            errors.Iou,
            errors.BackgroundIou,
            errors.MaxDetections,
            errors.AveragePrecision,
            errors.Errors.Select(share => new ErrorRecord(
                ErrorKinds.Key(share.Kind),
                share.Count,
                share.CountAtScore,
                share.Gain
            )),
            errors.FalsePositivesGain,
            errors.FalseNegativesGain
        );
}

internal sealed record ErrorRecord(string Kind, int Count, int CountAtScore, double Gain);

internal sealed record ClassRecord(int Right, int Unfound, Dictionary<string, int> Wrong)
{
    public static ClassRecord Of(ClassMistakes mistakes) =>
        new(
            mistakes.Right,
            mistakes.Unfound,
            ErrorKinds
                .All.Where(kind => kind != ErrorKind.Missed)
                .ToDictionary(ErrorKinds.Key, kind => mistakes.Wrong[(int)kind])
        );
}

/// <summary>Most entries are 0: [class of the box, class of the detection, count] for the others.</summary>
internal sealed record ConfusionRecord(double Score, double Iou, int Background, IEnumerable<int[]> Cells)
{
    public static ConfusionRecord Of(ConfusionMatrix confusion) =>
        new(
            confusion.Score,
            confusion.Iou,
            confusion.Classes.Count,
            confusion
                .Counts.Select((count, i) => (int[])[i / confusion.Size, i % confusion.Size, count])
                .Where(cell => cell[2] > 0)
        );
}

internal sealed record CurveRecord(
    int? Class,
    double? Iou,
    double[] Precision,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] double[]? Scores
)
{
    public static CurveRecord Of(PrecisionRecallCurve curve, int? decimals) =>
        new(
            curve.Class < 0 ? null : curve.Class,
            curve.Iou,
            Rounded(curve.Precision, decimals),
            curve.Scores is { } scores ? Rounded(scores, decimals) : null
        );

    private static double[] Rounded(double[] numbers, int? decimals) =>
        decimals is { } d ? Array.ConvertAll(numbers, number => Math.Round(number, d)) : numbers;
}

internal sealed record CrowdingRecord(int From, int? To, int Images, int Boxes, double Ap, double ApAtIou, double Ar);

internal readonly record struct ImageRecord(CocoId ImageId, int Mistakes, int Right, int Wrong, int Unfound);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower)]
[JsonSerializable(typeof(AnalysisRecord))]
internal sealed partial class AnalysisContext : JsonSerializerContext;
