namespace DeqDet.Coco.Evaluation;

/// <summary>
/// The part of ground truth and detections that is evaluated, sorted by (class, image, order of the file): a class is a range of
/// either list, and an image a range of that. Class-agnostic evaluation has one class, its images sorted by (category, order).
/// </summary>
internal sealed class Selection
{
    // What boxes look like is seen from so many, evenly spread; a look at each of half a million takes time.
    private const int EnoughBoxes = 50_000;

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
        var imageIds = detections.ImageId;
        var categoryIds = detections.CategoryId;
        var image = -1;
        var form = new BoxForm();
        var every = Math.Max(1, imageIds.Length / EnoughBoxes);
        for (var i = 0; i < imageIds.Length; i++)
        {
            // Those of an image mostly stand together.
            if (i == 0 || imageIds[i] != imageIds[i - 1])
            {
                image = truth.FindImage(imageIds[i]);
            }
            if (image < 0)
            {
                throw UnknownImage(truth, detections, i);
            }
            if (i % every == 0)
            {
                var (width, height) = (truth.Images[image].Width, truth.Images[image].Height);
                form.Add(detections.X[i], detections.Y[i], detections.Width[i], detections.Height[i], width, height);
            }

            var category = truth.FindCategory(categoryIds[i]);
            if (category < 0)
            {
                UnknownCategories++;
                RequireKind(truth, detections, i);
            }
            detectionImage[i] = images[image];
            detectionCategory[i] = category < 0 ? -1 : categories[category];
        }
        FoundLook = form.Look();
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
    public CocoId[] Images { get; }

    /// <summary>The evaluated categories by ascending id.</summary>
    public ObjectClass[] Categories { get; }

    /// <summary>Boxes of the ground truth in order, one range a class.</summary>
    public Ordering Boxes { get; }

    /// <summary>Detections in order, one range a class.</summary>
    public Ordering Found { get; }

    /// <summary>Position in <see cref="Images"/> of every box of the ground truth; -1 where not evaluated.</summary>
    public int[] BoxImage { get; }

    /// <summary>Position in <see cref="Images"/> of every detection; -1 where not evaluated.</summary>
    public int[] FoundImage { get; }

    /// <summary>What the detections look like if not like [x, y, width, height] in pixels; else null.</summary>
    public string? FoundLook { get; }

    /// <summary>Number of detections whose category the ground truth does not have.</summary>
    public int UnknownCategories { get; }

    private static InputError UnknownImage(GroundTruth truth, Detections detections, int i)
    {
        var id = detections.ImageId[i];
        return detections.Error(
            i,
            IdKind.Difference(id, truth.ImageIds, "image", "the ground truth")
                ?? $"names image {id}, which the ground truth does not have"
                    + "; evaluate against the annotation file whose images were detected on"
        );
    }

    // Left out with a note, every class of such a file would be missed.
    private static void RequireKind(GroundTruth truth, Detections detections, int i)
    {
        var ids = truth.Categories.Select(category => category.Id);
        if (IdKind.Difference(detections.CategoryId[i], ids, "category", "the ground truth") is { } difference)
        {
            throw detections.Error(i, difference);
        }
    }

    // Position among the chosen for each of the set's entries, -1 for the others.
    private static int[] Chosen(IReadOnlyList<CocoId>? ids, int count, Func<CocoId, int> find, string what)
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
