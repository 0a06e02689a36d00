namespace DeqDet.Coco.Evaluation;

/// <summary>
/// The part of ground truth and detections that is evaluated, sorted by (class, image, order of the file): a class is a range of
/// either list, and an image a range of that. Class-agnostic evaluation has one class, its images sorted by (category, order).
/// </summary>
internal sealed class Selection
{
    public Selection(GroundTruth truth, Detections detections, EvaluationParameters parameters)
    {
        var images = Chosen(parameters.ImageIds, truth.ImageIds.Count, truth.FindImage, "image");
        var categories = Chosen(parameters.CategoryIds, truth.Categories.Count, truth.FindCategory, "category");
        Images = [.. Enumerable.Range(0, images.Length).Where(i => images[i] >= 0).Select(i => truth.ImageIds[i])];
        Categories =
        [
            .. Enumerable.Range(0, categories.Length).Where(i => categories[i] >= 0).Select(i => truth.Categories[i]),
        ];

        var boxImage = new int[truth.Count];
        var boxCategory = new int[truth.Count];
        for (var i = 0; i < truth.Count; i++)
        {
            boxImage[i] = images[truth.Image[i]];
            boxCategory[i] = categories[truth.Category[i]];
        }
        var detectionImage = new int[detections.Count];
        var detectionCategory = new int[detections.Count];
        for (var i = 0; i < detections.Count; i++)
        {
            var image = truth.FindImage(detections.ImageId[i]);
            if (image < 0)
            {
                throw detections.Error(
                    i,
                    $"names image {detections.ImageId[i]}, which the ground truth does not have"
                        + "; evaluate against the annotation file whose images were detected on"
                );
            }
            var category = truth.FindCategory(detections.CategoryId[i]);
            UnknownCategories += category < 0 ? 1 : 0;
            detectionImage[i] = images[image];
            detectionCategory[i] = category < 0 ? -1 : categories[category];
        }
        Boxes = Ordering.By(boxCategory, Categories.Length, boxImage, Images.Length, parameters.ClassAgnostic);
        Found = Ordering.By(
            detectionCategory,
            Categories.Length,
            detectionImage,
            Images.Length,
            parameters.ClassAgnostic
        );
        BoxImage = boxImage;
        FoundImage = detectionImage;
    }

    /// <summary>Ids of the evaluated images, ascending.</summary>
    public long[] Images { get; }

    /// <summary>The evaluated categories by ascending id.</summary>
    public Category[] Categories { get; }

    /// <summary>Boxes of the ground truth in order, one range a class.</summary>
    public Ordering Boxes { get; }

    /// <summary>Detections in order, one range a class.</summary>
    public Ordering Found { get; }

    /// <summary>Position in <see cref="Images"/> of every box of the ground truth; -1 where not evaluated.</summary>
    public int[] BoxImage { get; }

    /// <summary>Position in <see cref="Images"/> of every detection; -1 where not evaluated.</summary>
    public int[] FoundImage { get; }

    /// <summary>Number of detections whose category the ground truth does not have.</summary>
    public int UnknownCategories { get; }

    // Position among the chosen for each of the set's entries, -1 for the others.
    private static int[] Chosen(IReadOnlyList<long>? ids, int count, Func<long, int> find, string what)
    {
        var chosen = new int[count];
        Array.Fill(chosen, ids is null ? 0 : -1);
        foreach (var id in ids ?? [])
        {
            var position = find(id);
            if (position < 0)
            {
                throw new InputError(
                    $"evaluation: {what} {id} is to be evaluated, but the ground truth does not have it"
                );
            }
            chosen[position] = 0;
        }
        var next = 0;
        for (var i = 0; i < count; i++)
        {
            chosen[i] = chosen[i] < 0 ? -1 : next++;
        }
        return chosen;
    }
}
