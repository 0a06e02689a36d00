using DeqDet.Coco.Evaluation;

namespace DeqDet.Coco;

/// <summary>
/// Collects the records of an annotation file, in whatever order its lists come, into an <see cref="AnnotationFile"/>. The rules are
/// applied here and nowhere else; <paramref name="found"/> decides whether a fault ends the reading (by raising) or only its record.
/// </summary>
/// <param name="path">What the annotations are called in messages.</param>
/// <param name="found">Receives faults and remarks.</param>
/// <param name="place">Place of a record, for messages; null: as in a JSON file.</param>
internal sealed class AnnotationReader(
    string path,
    Action<AnnotationFault> found,
    Func<string, int, CocoId?, string>? place = null
) : IAnnotationSink
{
    private readonly Func<string, int, CocoId?, string> placeOf = place ?? CocoFile.Place;
    private readonly AnnotationColumns columns = new();
    private readonly List<ObjectClass> classes = [];
    private readonly IdSlots images = new();
    private readonly IdSlots categories = new();
    private readonly HashSet<CocoId> annotationIds = [];

    /// <summary>Whether the file has a list of annotations.</summary>
    public bool HasAnnotations { get; set; } = true;

    public void Found(in AnnotationFault fault) => found(fault);

    public void Visit(in CocoImage image)
    {
        if (image.Problem is { } problem)
        {
            Malformed("images", image.Record, problem);
            return;
        }

        if (!images.List(image.Id, columns.Images.Count))
        {
            Doubled("images", image.Record, image.Id);
            return;
        }

        // It is listed all the same: its boxes are not of an unknown image.
        var where = placeOf("images", image.Record, image.Id);
        var (size, name) = (
            image.Unusable is null ? CocoRules.SizeFault(image) : "",
            CocoRules.NameFault(image.FileName)
        );
        if (image.Unusable is { } unusable)
        {
            found(new(FaultKind.Malformed, placeOf("images", image.Record, null), unusable, Evaluation: false));
        }
        else
        {
            if (size is not null)
            {
                found(new(FaultKind.BadSize, where, size, Evaluation: false));
            }

            if (name is not null)
            {
                found(new(FaultKind.BadName, where, name, Evaluation: false));
            }
        }

        columns.Images.Add(
            new(
                image.Record,
                image.Id,
                name is null ? image.FileName : "",
                size is null ? (int)image.Width : 0,
                size is null ? (int)image.Height : 0
            )
        );
    }

    public void Visit(in CocoCategory category)
    {
        if (category.Problem is { } problem)
        {
            Malformed("categories", category.Record, problem);
        }
        else if (!categories.List(category.Id, classes.Count))
        {
            Doubled("categories", category.Record, category.Id);
        }
        else
        {
            classes.Add(new(category.Id, category.Name));
        }
    }

    public void Visit(in CocoAnnotation annotation)
    {
        if (annotation.Problem is { } problem)
        {
            Malformed("annotations", annotation.Record, problem);
            return;
        }

        if (CocoRules.BoxFault(annotation.Width, annotation.Height) is { } box)
        {
            found(new(FaultKind.NegativeBox, placeOf("annotations", annotation.Record, annotation.Id), box));
            return;
        }

        if (annotation.Area is { } stated && CocoRules.AreaFault(stated) is { } area)
        {
            found(new(FaultKind.NegativeArea, placeOf("annotations", annotation.Record, annotation.Id), area));
            return;
        }

        if (!annotationIds.Add(annotation.Id))
        {
            found(
                new(
                    FaultKind.DoubledId,
                    placeOf("annotations", annotation.Record, annotation.Id),
                    "has an id that occurred before; ids of annotations have to differ"
                )
            );
            return;
        }

        columns.Record.Add(annotation.Record);
        columns.Id.Add(annotation.Id);
        columns.Image.Add(images.Of(annotation.ImageId));
        columns.Label.Add(categories.Of(annotation.CategoryId));
        columns.X.Add(annotation.X);
        columns.Y.Add(annotation.Y);
        columns.Width.Add(annotation.Width);
        columns.Height.Add(annotation.Height);
        columns.Area.Add(annotation.Area ?? (annotation.Width * annotation.Height));
        columns.WithoutArea += annotation.Area is null ? 1 : 0;
        columns.IsCrowd.Add(annotation.IsCrowd);
        columns.IsIgnored.Add(annotation.IsIgnored);
    }

    /// <summary>The file, once its records are read: images and categories of boxes are looked up now, for they may follow their boxes.</summary>
    public AnnotationFile Finish(IReadOnlyList<AnnotationFault> remarks)
    {
        annotationIds.Clear();
        annotationIds.TrimExcess();
        columns.HasAnnotations = HasAnnotations;
        var order = Enumerable.Range(0, classes.Count).OrderBy(i => classes[i].Id).ToArray();
        var label = new int[classes.Count];
        for (var i = 0; i < order.Length; i++)
        {
            label[order[i]] = i;
        }

        Resolve(label);
        return new(path, columns, [.. order.Select(i => classes[i])], placeOf, remarks);
    }

    private void Resolve(int[] label)
    {
        var imageSlots = columns.Image.AsSpan();
        var categorySlots = columns.Label.AsSpan();
        var unknown = 0;
        for (var i = 0; i < imageSlots.Length; i++)
        {
            var (image, category) = (images.PositionOf(imageSlots[i]), categories.PositionOf(categorySlots[i]));
            if (image < 0)
            {
                Unknown(FaultKind.UnknownImage, i, images, imageSlots[i], "image", "images");
            }

            if (category < 0)
            {
                Unknown(FaultKind.UnknownCategory, i, categories, categorySlots[i], "category", "categories");
            }

            var isKnown = image >= 0 && category >= 0;
            unknown += isKnown ? 0 : 1;
            imageSlots[i] = isKnown ? image : -1;
            categorySlots[i] = isKnown ? label[category] : -1;
        }

        if (unknown > 0)
        {
            columns.Drop(columns.Image.AsSpan().ToArray());
        }
    }

    private void Unknown(FaultKind kind, int box, IdSlots slots, int slot, string what, string list)
    {
        var id = slots.IdOf(slot);
        var where = placeOf("annotations", columns.Record.AsSpan()[box], columns.Id.AsSpan()[box]);
        var reason =
            IdKind.Difference(id, slots.Listed, what, $"\"{list}\"")
            ?? $"names {what} {id}, which is not in \"{list}\"; add the {what} or remove the annotation";
        found(new(kind, where, reason));
    }

    // The id of a malformed record is unreliable.
    private void Malformed(string list, int record, string problem) =>
        found(new(FaultKind.Malformed, placeOf(list, record, null), problem));

    private void Doubled(string list, int record, CocoId id) =>
        found(
            new(FaultKind.DoubledId, placeOf(list, record, null), $"id {id} occurs twice; ids of {list} have to differ")
        );
}
