using DeqDet.Coco;
using DeqDet.Settings;

namespace DeqDet.Data.Check;

/// <summary>
/// Reads an annotation file as training does, but goes on where training would stop: what is wrong is noted, and the record left out.
/// </summary>
internal sealed class AnnotationSurvey : ICocoVisitor
{
    private const int SmallSide = 32;

    private readonly string part;
    private readonly IssueLog log;
    private readonly List<CocoImage> images = [];
    private readonly Dictionary<CocoId, int> imageIndex = [];
    private readonly HashSet<CocoId> imageIds = [];
    private readonly SortedDictionary<CocoId, string> categories = [];
    private readonly List<CocoAnnotation> annotations = [];
    private readonly HashSet<CocoId> annotationIds = [];

    private AnnotationSurvey(string part, IssueLog log) => (this.part, this.log) = (part, log);

    /// <summary>The usable images, in the order of the file.</summary>
    public IReadOnlyList<CocoImage> Images => images;

    /// <summary>The categories by id.</summary>
    public IReadOnlyDictionary<CocoId, string> Categories => categories;

    /// <summary>The usable boxes with their image's position and their corners inside it, in the order of the file.</summary>
    public List<(int Image, CocoAnnotation Annotation, Box Inside)> Boxes { get; } = [];

    /// <summary>Reads a file to where it can be read.</summary>
    public static AnnotationSurvey Read(string part, string file, IssueLog log)
    {
        var survey = new AnnotationSurvey(part, log);
        try
        {
            CocoJson.ReadAnnotations(file, survey, CocoFields.Width | CocoFields.Height | CocoFields.FileName);
        }
        catch (InputError error)
        {
            survey.Note(IssueKind.UnreadableFile, error.Message);
        }

        survey.PlaceBoxes();
        survey.CheckImages();
        survey.CheckCategories();
        return survey;
    }

    public void Visit(in CocoImage image)
    {
        var place = Place("images", image.Record, image.Id, image.Problem);
        if (image.Problem is not null)
        {
            Note(IssueKind.MalformedRecord, $"{place}: {image.Problem}");
            return;
        }

        if (!imageIds.Add(image.Id))
        {
            Note(IssueKind.DoubledId, place);
            return;
        }

        var (size, name) = (CocoRules.SizeFault(image), CocoRules.NameFault(image.FileName));
        if (size is not null)
        {
            Note(IssueKind.BadSize, $"{place}: {size}");
        }

        if (name is not null)
        {
            Note(IssueKind.BadName, $"{place}: {name}");
        }

        if (size is null && name is null)
        {
            imageIndex.Add(image.Id, images.Count);
            images.Add(image);
        }
    }

    public void Visit(in CocoCategory category)
    {
        var place = Place("categories", category.Record, category.Id, category.Problem);
        if (category.Problem is not null)
        {
            Note(IssueKind.MalformedRecord, $"{place}: {category.Problem}");
        }
        else if (!categories.TryAdd(category.Id, category.Name))
        {
            Note(IssueKind.DoubledId, place);
        }
    }

    public void Visit(in CocoAnnotation annotation)
    {
        var place = PlaceOf(annotation);
        if (annotation.Problem is not null)
        {
            Note(IssueKind.MalformedRecord, $"{place}: {annotation.Problem}");
        }
        else if (CocoRules.BoxFault(annotation) is { } fault)
        {
            Note(IssueKind.NegativeBox, $"{place}: {fault}");
        }
        else if (!annotationIds.Add(annotation.Id))
        {
            Note(IssueKind.DoubledId, place);
        }
        else
        {
            annotations.Add(annotation);
        }
    }

    // Images and categories may follow their boxes in the file.
    private void PlaceBoxes()
    {
        var seen = new HashSet<(int, CocoId, Box)>();
        foreach (var annotation in annotations)
        {
            var known = imageIndex.TryGetValue(annotation.ImageId, out var index);
            if (!known && !imageIds.Contains(annotation.ImageId))
            {
                Note(IssueKind.UnknownImage, $"{PlaceOf(annotation)}: image {annotation.ImageId}");
            }

            if (!categories.ContainsKey(annotation.CategoryId))
            {
                Note(IssueKind.UnknownCategory, $"{PlaceOf(annotation)}: category {annotation.CategoryId}");
            }
            else if (known && Fitting(annotation, images[index]) is { } inside)
            {
                Boxes.Add((index, annotation, inside));
                if (!seen.Add((index, annotation.CategoryId, inside)))
                {
                    Note(IssueKind.DoubledBox, $"{PlaceOf(annotation)} in {images[index].FileName}");
                }
            }
        }
    }

    private Box? Fitting(in CocoAnnotation annotation, in CocoImage image)
    {
        var (fate, inside) = CocoRules.Place(annotation, (int)image.Width, (int)image.Height);
        var kind = fate switch
        {
            BoxFate.Clipped => IssueKind.ClippedBox,
            BoxFate.Outside => IssueKind.OutsideBox,
            BoxFate.Degenerate => IssueKind.DegenerateBox,
            _ => null,
        };
        if (kind is not null)
        {
            Note(
                kind,
                FormattableString.Invariant(
                    $"{PlaceOf(annotation)}: [{annotation.X}, {annotation.Y}, {annotation.Width}, {annotation.Height}] in {image.FileName}, {image.Width} x {image.Height}"
                )
            );
        }

        return fate is BoxFate.Kept or BoxFate.Clipped ? inside : null;
    }

    private void CheckImages()
    {
        var trained = Boxes.Where(box => !box.Annotation.IsCrowd).Select(box => box.Image).ToHashSet();
        var crowded = Boxes.Where(box => box.Annotation.IsCrowd).Select(box => box.Image).ToHashSet();
        var names = new HashSet<string>(StringComparer.Ordinal);
        for (var i = 0; i < images.Count; i++)
        {
            var image = images[i];
            if (!names.Add(image.FileName))
            {
                Note(IssueKind.DoubledName, $"{Place("images", image.Record, image.Id, null)}: {image.FileName}");
            }

            if (!trained.Contains(i))
            {
                Note(crowded.Contains(i) ? IssueKind.CrowdImage : IssueKind.EmptyImage, image.FileName);
            }

            if (Math.Min(image.Width, image.Height) < SmallSide)
            {
                Note(IssueKind.SmallImage, $"{image.FileName}: {image.Width} x {image.Height}");
            }
        }

        if (trained.Count == 0)
        {
            Note(IssueKind.NothingToLearn, $"{images.Count} images, {annotations.Count} annotations");
        }
    }

    private void CheckCategories()
    {
        var used = Boxes.Select(box => box.Annotation.CategoryId).ToHashSet();
        var names = new HashSet<string>(StringComparer.Ordinal);
        foreach (var (id, name) in categories)
        {
            if (!used.Contains(id))
            {
                Note(IssueKind.UnusedCategory, $"{id} {name}");
            }

            if (!names.Add(name))
            {
                Note(IssueKind.DoubledCategory, $"{id} {name}");
            }
        }
    }

    private void Note(IssueKind kind, string place) => log.Add(kind, part, place);

    private static string PlaceOf(in CocoAnnotation annotation) =>
        Place("annotations", annotation.Record, annotation.Id, annotation.Problem);

    // The id of a malformed record is unreliable.
    private static string Place(string list, int record, CocoId id, string? problem) =>
        problem is null ? $"{list}[{record}] (id {id})" : $"{list}[{record}]";
}
