using DeqDet.Coco;

namespace DeqDet.Data.Formats.Voc;

/// <summary>
/// A part of a Pascal VOC data set: an XML file an image. Objects that are marked as difficult are ignored. Corners are the format's own: pixels
/// counted from 1, the first and the last one that is inside. Most tools of today count from 0 at the image's edge instead; where any corner of
/// the data set is below 1, all are taken so. The challenge's own files, which say so, are always counted from 1.
/// </summary>
/// <param name="root">The data folder.</param>
/// <param name="path">What messages call the whole: the folder of the labels, or the list of the part.</param>
/// <param name="folder">The folder of the labels.</param>
/// <param name="images">Finds their images.</param>
/// <param name="stems">The labels' names without ending, below the folder.</param>
internal sealed class VocLabels(
    string root,
    string path,
    string folder,
    ImageFinder images,
    Lazy<IReadOnlyList<string>> stems
) : NamedLabels(root)
{
    /// <inheritdoc/>
    public override string Path => path;

    /// <inheritdoc/>
    public override string Format => VocFormat.FormatName;

    /// <inheritdoc/>
    protected override int Count => stems.Value.Count;

    /// <inheritdoc/>
    protected override LabelledImage ReadImage(int number)
    {
        var stem = stems.Value[number];
        var label = System.IO.Path.Combine(folder, stem + ".xml");
        var image = new LabelledImage("", stem + ".xml");
        if (stem.Split('/', '\\').Contains("..") || System.IO.Path.IsPathRooted(stem))
        {
            image.Fault(FaultKind.Malformed, "", "leads out of the folder of the labels");
            return image;
        }

        if (!File.Exists(label))
        {
            // the challenge's test sets come without labels
            image.FileName = images.Find(stem, null, image);
            if (image.FindSize(System.IO.Path.Combine(images.Folder, image.FileName)))
            {
                image.Faults.Add(new(FaultKind.ImageWithoutLabel, image.FileName, $"there is no {image.Label}"));
            }

            return image;
        }

        try
        {
            var file = VocFile.Read(label);
            image.FileName = images.Find(stem, file.Image, image);
            (image.Width, image.Height) = (file.Width, file.Height);
            if (
                file is { Width: > 0, Height: > 0 }
                || image.FindSize(System.IO.Path.Combine(images.Folder, image.FileName))
            )
            {
                file.AddTo(image);
            }
        }
        catch (InputError error)
        {
            image.Fault(error, label);
        }

        return image;
    }

    /// <inheritdoc/>
    protected override void Settle(IReadOnlyList<LabelledImage> images, IReadOnlyList<LabelledImage> others)
    {
        var isOfChallenge = images.Concat(others).Any(image => image.IsOfChallenge);
        var fromEdge = isOfChallenge ? null : FromEdge(images) ?? FromEdge(others);
        if (fromEdge is not null)
        {
            images
                .FirstOrDefault()
                ?.Faults.Add(
                    new(
                        FaultKind.Convention,
                        fromEdge,
                        "has a corner below 1: all corners are taken as counted from 0 at the image's edge, not from 1 as Pascal VOC has it"
                    )
                );
            return;
        }

        foreach (var image in images)
        {
            for (var i = 0; i < image.Boxes.Count; i++)
            {
                var box = image.Boxes[i];
                image.Boxes[i] = box with
                {
                    X = box.X - 1,
                    Y = box.Y - 1,
                    Width = box.Width + 1,
                    Height = box.Height + 1,
                };
            }
        }
    }

    // The first label file with a corner below 1.
    private static string? FromEdge(IReadOnlyList<LabelledImage> images) =>
        images.FirstOrDefault(image => image.Boxes.Any(box => box.X < 1 || box.Y < 1))?.Label;
}
