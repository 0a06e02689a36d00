namespace DeqDet.Coco.Analysis;

/// <summary>Prints the kinds of mistakes for people.</summary>
public static class AnalysisText
{
    /// <summary>A line a kind: how many there are, in all and from the score of the operating point on, and what mending them gains.</summary>
    public static void WriteErrors(EvaluationAnalysis analysis, TextWriter output)
    {
        var (errors, point) = (analysis.Errors, analysis.Point);
        var chosen = point.IsChosen ? "" : ", where F1 is highest";
        output.WriteLine(
            $"mistakes at IoU {errors.Iou:0.00}; AP there {Number(errors.AveragePrecision)}; from score {point.Score:0.###} on (precision {point.Precision:0.000}, recall {point.Recall:0.000}{chosen}):"
        );
        output.WriteLine($"{"", -18}{"in all", 10}{"from score", 12}{"AP gained", 11}");
        foreach (var share in errors.Errors)
        {
            output.WriteLine(
                $"{ErrorKinds.Name(share.Kind), -18}{share.Count, 10}{share.CountAtScore, 12}{share.Gain, 11:0.000}"
            );
        }
        output.WriteLine($"{"all that is wrong", -18}{"", 22}{errors.FalsePositivesGain, 11:0.000}");
        output.WriteLine($"{"all not found", -18}{"", 22}{errors.FalseNegativesGain, 11:0.000}");
    }

    private static string Number(double value) => value < 0 ? "-" : value.ToString("0.000");
}
