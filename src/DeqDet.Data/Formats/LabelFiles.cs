using DeqDet.Coco;

namespace DeqDet.Data.Formats;

/// <summary>
/// Annotations in files of their own for each image. Images get numbers from 1 in their order, and so do boxes; classes have numbers from 1
/// in the order of their list.
/// </summary>
internal abstract class LabelFiles : IAnnotationSource
{
    // Boxes by their position: to say where they stand. One entry an image, with the position of its first box.
    private readonly List<(int First, LabelledImage Image)> told = [];

    /// <inheritdoc/>
    public abstract string Path { get; }

    /// <inheritdoc/>
    public abstract string Format { get; }

    /// <inheritdoc/>
    public bool StatesClassIds => false;

    /// <summary>Reads what all images share, where there is such a thing; before them.</summary>
    protected virtual void Prepare() { }

    /// <summary>How many images there are to read.</summary>
    protected abstract int Count { get; }

    /// <summary>Reads an image's labels; several threads call it.</summary>
    protected abstract LabelledImage ReadImage(int number);

    /// <summary>The classes: what names them in the labels, and their names for people. Called once the images are read.</summary>
    protected abstract IReadOnlyList<(string Key, string Name)> Classes(IReadOnlyList<LabelledImage> images);

    /// <summary>What is to be said beside the images; before them.</summary>
    protected virtual void Remark(IAnnotationSink sink) { }

    /// <summary>What to say of a class that is not in the list.</summary>
    protected abstract string UnknownClass(string key);

    /// <inheritdoc/>
    public bool Read(IAnnotationSink sink, bool annotationsOptional)
    {
        var images = ReadAll();
        Remark(sink);
        var ids = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach (var (key, name) in Classes(images))
        {
            var record = ids.Count;
            ids.Add(key, record + 1);
            sink.Visit(new CocoCategory(record, record + 1, name, null));
        }

        told.Clear();
        var boxes = 0;
        for (var i = 0; i < images.Count; i++)
        {
            boxes = Tell(images[i], i, boxes, ids, sink);
        }

        return true;
    }

    /// <summary>All images with their labels, in their order.</summary>
    internal IReadOnlyList<LabelledImage> ReadAll()
    {
        Prepare();
        var images = new LabelledImage[Count];
        Parallel.For(0, images.Length, i => images[i] = ReadImage(i));
        return images;
    }

    /// <inheritdoc/>
    public string PlaceOf(string list, int record, CocoId? id)
    {
        if (list == "images")
        {
            return told[record].Image.FileName;
        }

        if (list != "annotations" || told.Count == 0)
        {
            return $"{list}[{record}]";
        }

        var (low, high) = (0, told.Count - 1);
        while (low < high)
        {
            var middle = (low + high + 1) / 2;
            (low, high) = told[middle].First <= record ? (middle, high) : (low, middle - 1);
        }

        var (first, image) = told[low];
        return record - first < image.Boxes.Count
            ? $"{image.Label}, {image.Boxes[record - first].Place}"
            : $"{list}[{record}]";
    }

    private int Tell(LabelledImage image, int number, int boxes, Dictionary<string, int> ids, IAnnotationSink sink)
    {
        told.Add((boxes, image));
        foreach (var fault in image.Faults)
        {
            sink.Found(fault);
        }

        var isMissing = image.Faults.Any(fault => fault.IsOfImageFile);
        if (isMissing || image.FileName.Length == 0)
        {
            // what could not be opened is among the faults
            image.Boxes.Clear();
            return boxes;
        }

        sink.Visit(new CocoImage(number, number + 1, image.Width, image.Height, image.FileName, null, null));
        foreach (var box in image.Boxes)
        {
            if (!ids.TryGetValue(box.Class, out var category))
            {
                sink.Found(new(FaultKind.UnknownCategory, $"{image.Label}, {box.Place}", UnknownClass(box.Class)));
                boxes++;
                continue;
            }

            var record = boxes++;
            sink.Visit(
                new CocoAnnotation(
                    record,
                    record + 1,
                    number + 1,
                    category,
                    box.X,
                    box.Y,
                    box.Width,
                    box.Height,
                    null,
                    false,
                    box.IsIgnored,
                    CocoRules.NumberFault(box.X, box.Y, box.Width, box.Height)
                )
            );
        }

        return boxes;
    }
}
