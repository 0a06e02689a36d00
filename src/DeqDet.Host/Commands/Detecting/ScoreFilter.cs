using DeqDet.Detection;

namespace DeqDet.Host.Commands;

/// <summary>Which detections `detect` keeps.</summary>
/// <param name="model">The model, which may have a score for each class.</param>
/// <param name="asked">The score for all of them that was asked for; null: the model's.</param>
public sealed class ScoreFilter(TrainedModel model, double? asked)
{
    /// <summary>Whether a detection is kept.</summary>
    public bool Keeps(Finding finding) => asked is { } score ? finding.Score >= score : model.Takes(finding);

    /// <summary>What is kept, for people: "of at least 0.3".</summary>
    public string Words
    {
        get
        {
            if (asked is not null || model.Thresholds is null)
            {
                return $"of at least {asked ?? Thresholds.usual:0.##}";
            }
            var scores = model.Thresholds.Value.Select(threshold => $"{threshold.Score:0.00}").Order().ToList();
            return scores[0] == scores[^1]
                ? $"of at least {scores[0]} (best F1 in validation)"
                : $"of at least {scores[0]} to {scores[^1]} by class (best F1 in validation)";
        }
    }
}
