using DeqDet.Coco;
using DeqDet.Settings;

namespace DeqDet.Data;

/// <summary>Collects the records of one annotation file, in whatever order they come, into a <see cref="CocoDataset"/>.</summary>
internal sealed class CocoDatasetBuilder(string path) : ICocoVisitor
{
    private readonly List<CocoImage> images = [];
    private readonly Dictionary<CocoId, int> imageIndex = [];
    private readonly SortedDictionary<CocoId, string> categories = [];
    private readonly List<CocoAnnotation> annotations = [];
    private readonly HashSet<CocoId> annotationIds = [];

    private int clipped;
    private int outside;
    private int degenerate;

    public void Visit(in CocoImage image)
    {
        if (image.Problem is { } problem)
        {
            throw Error("images", image.Record, null, problem);
        }

        if (!imageIndex.TryAdd(image.Id, images.Count))
        {
            throw Error("images", image.Record, image.Id, "the id occurs twice; ids of images have to differ");
        }

        if ((CocoRules.SizeFault(image) ?? CocoRules.NameFault(image.FileName)) is { } fault)
        {
            throw Error("images", image.Record, image.Id, fault);
        }

        images.Add(image);
    }

    public void Visit(in CocoCategory category)
    {
        if (category.Problem is { } problem)
        {
            throw Error("categories", category.Record, null, problem);
        }

        if (!categories.TryAdd(category.Id, category.Name))
        {
            throw Error(
                "categories",
                category.Record,
                category.Id,
                "the id occurs twice; ids of categories have to differ"
            );
        }
    }

    public void Visit(in CocoAnnotation annotation)
    {
        if (annotation.Problem is { } problem)
        {
            throw Error("annotations", annotation.Record, null, problem);
        }

        if (CocoRules.BoxFault(annotation) is { } fault)
        {
            throw Error("annotations", annotation.Record, annotation.Id, fault);
        }

        if (!annotationIds.Add(annotation.Id))
        {
            throw Error(
                "annotations",
                annotation.Record,
                annotation.Id,
                "the id occurs twice; ids of annotations have to differ"
            );
        }

        annotations.Add(annotation);
    }

    public CocoDataset Build(string imageFolder)
    {
        if (images.Count == 0 || categories.Count == 0)
        {
            throw new InputError(
                $"{path}: \"{(images.Count == 0 ? "images" : "categories")}\" is empty; there is nothing to detect"
            );
        }

        var labels = categories
            .Keys.Select((id, label) => (id, label))
            .ToDictionary(pair => pair.id, pair => pair.label);
        var boxes = new List<DataBox>?[images.Count];
        foreach (var annotation in annotations)
        {
            if (!imageIndex.TryGetValue(annotation.ImageId, out var index))
            {
                throw Unknown(annotation, "image", annotation.ImageId, "images");
            }

            if (!labels.TryGetValue(annotation.CategoryId, out var label))
            {
                throw Unknown(annotation, "category", annotation.CategoryId, "categories");
            }

            if (Mended(annotation, images[index]) is { } box)
            {
                var area = annotation.Area ?? annotation.Width * annotation.Height;
                (boxes[index] ??= []).Add(new(annotation.Id, label, box, area, annotation.IsCrowd));
            }
        }

        return new(
            [
                .. images.Select(
                    (image, i) =>
                        new DataImage(image.Id, image.FileName, (int)image.Width, (int)image.Height, boxes[i] ?? [])
                ),
            ],
            [.. categories.Select(pair => new ObjectClass(pair.Key, pair.Value))],
            imageFolder,
            Notices()
        );
    }

    private Box? Mended(in CocoAnnotation annotation, in CocoImage image)
    {
        var (fate, inside) = CocoRules.Place(annotation, (int)image.Width, (int)image.Height);
        clipped += fate == BoxFate.Clipped ? 1 : 0;
        outside += fate == BoxFate.Outside ? 1 : 0;
        degenerate += fate == BoxFate.Degenerate ? 1 : 0;
        return fate is BoxFate.Kept or BoxFate.Clipped ? inside : null;
    }

    private List<string> Notices()
    {
        var notices = new List<string>();
        CocoDataset.Note(notices, clipped, n => $"{path}: {n} boxes reach beyond their images and are clipped");
        CocoDataset.Note(notices, outside, n => $"{path}: {n} boxes lie wholly outside their images and are dropped");
        CocoDataset.Note(
            notices,
            degenerate,
            n => $"{path}: {n} boxes of less than 1 px width or height, or without area, are dropped"
        );
        return notices;
    }

    private InputError Unknown(in CocoAnnotation annotation, string what, CocoId id, string list) =>
        Error(
            "annotations",
            annotation.Record,
            annotation.Id,
            $"names {what} {id}, which is not in \"{list}\"; add the {what} or remove the annotation"
        );

    private InputError Error(string list, int record, CocoId? id, string message) =>
        new(id is null ? $"{path}: {list}[{record}]: {message}" : $"{path}: {list}[{record}] (id {id}): {message}");
}
