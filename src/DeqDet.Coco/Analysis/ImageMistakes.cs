using DeqDet.Coco.Evaluation;

namespace DeqDet.Coco.Analysis;

/// <summary>
/// How badly a detector does on one image, at the operating point: <see cref="Mistakes"/>, the number of boxes and detections that would
/// have to be put right.
/// </summary>
/// <param name="Image">Position among the evaluated images.</param>
/// <param name="Id">Its id.</param>
/// <param name="Right">Right detections, from the score on.</param>
/// <param name="Wrong">Wrong detections, from the score on.</param>
/// <param name="Missed">Boxes to be found that no detection from the score on has found.</param>
public readonly record struct ImageMistakes(int Image, CocoId Id, int Right, int Wrong, int Missed)
{
    /// <summary>Wrong detections and boxes not found.</summary>
    public int Mistakes => Wrong + Missed;

    /// <summary>Mistakes among all that is right or wrong, 0 to 1; 0 for an image where there is nothing.</summary>
    public double Share => Mistakes == 0 ? 0 : Mistakes / (double)(Mistakes + Right);

    /// <summary>
    /// All images, the worst first: by descending number of mistakes, then by descending share, then by ascending id.
    /// </summary>
    public static IReadOnlyList<ImageMistakes> WorstFirst(Judgement judgement, Detections detections, double score)
    {
        var images = judgement.Images.Select((id, i) => new ImageMistakes(i, id, 0, 0, 0)).ToArray();
        for (var d = 0; d < detections.Count; d++)
        {
            if (!judgement.Counts(d) || detections.Score[d] < score)
            {
                continue;
            }
            ref var image = ref images[judgement.ImageOf[d]];
            image =
                judgement.Verdicts[d] == Verdict.Right
                    ? image with
                    {
                        Right = image.Right + 1,
                    }
                    : image with
                    {
                        Wrong = image.Wrong + 1,
                    };
        }
        for (var b = 0; b < judgement.ToBeFound.Length; b++)
        {
            if (judgement.ToBeFound[b])
            {
                ref var image = ref images[judgement.BoxImage[b]];
                image = image with { Missed = image.Missed + 1 };
            }
        }
        // Every right detection has found one of the boxes counted above.
        return
        [
            .. images
                .Select(image => image with { Missed = image.Missed - image.Right })
                .OrderByDescending(image => image.Mistakes)
                .ThenByDescending(image => image.Share)
                .ThenBy(image => image.Id),
        ];
    }
}
