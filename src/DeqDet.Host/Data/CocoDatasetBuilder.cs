using DeqDet.Settings;

namespace DeqDet.Host.Data;

/// <summary>Collects the records of one annotation file, in whatever order they come, into a <see cref="CocoDataset"/>.</summary>
internal sealed class CocoDatasetBuilder(string path) : ICocoVisitor
{
    private const int MaxSide = 1 << 20;

    private readonly List<CocoImage> images = [];
    private readonly Dictionary<long, int> imageIndex = [];
    private readonly SortedDictionary<long, string> categories = [];
    private readonly List<CocoAnnotation> annotations = [];
    private readonly HashSet<long> annotationIds = [];

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

        if (image.Width < 1 || image.Height < 1)
        {
            throw Error(
                "images",
                image.Record,
                image.Id,
                $"the size {image.Width} x {image.Height} is not positive; write the image's pixels"
            );
        }

        if (image.Width > MaxSide || image.Height > MaxSide || image.Width * image.Height > ImageFile.MaxPixels)
        {
            throw Error(
                "images",
                image.Record,
                image.Id,
                $"{image.Width} x {image.Height} pixels are more than the {ImageFile.MaxPixels / 1_000_000} million that are read; correct the size"
            );
        }

        if (NameFault(image.FileName) is { } fault)
        {
            throw Error("images", image.Record, image.Id, $"file_name \"{Shown(image.FileName)}\" {fault}");
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

        if (annotation.Width < 0 || annotation.Height < 0)
        {
            throw Error(
                "annotations",
                annotation.Record,
                annotation.Id,
                FormattableString.Invariant(
                    $"\"bbox\" has a negative size ({annotation.Width} x {annotation.Height}); it has to be [x, y, width, height]"
                )
            );
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
            [.. categories.Select(pair => new DataCategory(pair.Key, pair.Value))],
            imageFolder,
            Notices()
        );
    }

    private Box? Mended(in CocoAnnotation annotation, in CocoImage image)
    {
        if (annotation.Width < 1 || annotation.Height < 1 || annotation.Area <= 0)
        {
            degenerate++;
            return null;
        }

        var (right, bottom) = (annotation.X + annotation.Width, annotation.Y + annotation.Height);
        var box = new Box((float)annotation.X, (float)annotation.Y, (float)right, (float)bottom);
        var inside = box.Clipped(image.Width, image.Height);
        if (!inside.HasArea)
        {
            outside++;
            return null;
        }

        // Annotation tools round: what sticks out by a thousandth of a pixel is not worth a word.
        const double tolerance = 1e-3;
        if (
            annotation.X < -tolerance
            || annotation.Y < -tolerance
            || right > image.Width + tolerance
            || bottom > image.Height + tolerance
        )
        {
            clipped++;
        }

        return inside;
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

    private InputError Unknown(in CocoAnnotation annotation, string what, long id, string list) =>
        Error(
            "annotations",
            annotation.Record,
            annotation.Id,
            $"names {what} {id}, which is not in \"{list}\"; add the {what} or remove the annotation"
        );

    private InputError Error(string list, int record, long? id, string message) =>
        new(id is null ? $"{path}: {list}[{record}]: {message}" : $"{path}: {list}[{record}] (id {id}): {message}");

    /// <summary>What is wrong with a file name that has to stay inside the image folder on every system.</summary>
    internal static string? NameFault(string name)
    {
        if (string.IsNullOrWhiteSpace(name))
        {
            return "is empty; name the image file";
        }

        var parts = name.Split('/', '\\');
        var absolute = parts[0].Length == 0 || parts[0].Contains(':') || Path.IsPathRooted(name);
        return absolute ? "is an absolute path; name files relative to the image folder"
            : parts.Contains("..") ? "leaves the image folder with \"..\"; name files below the image folder"
            : name.Any(char.IsControl) ? "holds control characters; rename the file"
            : null;
    }

    private static string Shown(string name)
    {
        var shown = name.Length > 60 ? name[..60] + "..." : name;
        return string.Concat(shown.Select(c => char.IsControl(c) ? '?' : c));
    }
}
