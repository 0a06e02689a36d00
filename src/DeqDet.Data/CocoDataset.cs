using DeqDet.Coco;
using DeqDet.Data.Check;
using DeqDet.Settings;

namespace DeqDet.Data;

/// <summary>An annotated box inside its image.</summary>
/// <param name="Id">Annotation id.</param>
/// <param name="Label">Class, from 0.</param>
/// <param name="Box">Corners, px, clipped to the image.</param>
/// <param name="Area">Area of the object, px^2.</param>
/// <param name="IsCrowd">Whether it is a region of many objects.</param>
/// <param name="IsIgnored">Whether the file says to ignore it; the evaluation takes it like any other.</param>
public readonly record struct DataBox(CocoId Id, int Label, Box Box, double Area, bool IsCrowd, bool IsIgnored = false)
{
    /// <summary>Whether it is trained on: crowd regions and ignored boxes are not, as in the reference.</summary>
    public bool IsTarget => !IsCrowd && !IsIgnored;
}

/// <summary>An image of a data set with its boxes.</summary>
/// <param name="Id">Image id.</param>
/// <param name="FileName">Path relative to the image folder; it never leaves it.</param>
/// <param name="Width">Width, px.</param>
/// <param name="Height">Height, px.</param>
/// <param name="Boxes">Its boxes in the order of the file.</param>
public sealed record DataImage(CocoId Id, string FileName, int Width, int Height, IReadOnlyList<DataBox> Boxes)
{
    /// <summary>Whether the image is at least as wide as high; batches hold images of one kind.</summary>
    public bool IsLandscape => Width >= Height;

    /// <summary>Boxes to train on.</summary>
    public IEnumerable<DataBox> Targets => Boxes.Where(box => box.IsTarget);
}

/// <summary>A COCO-format set: images in the order of the file, classes by ascending id, and what was put right while reading.</summary>
/// <param name="Images">The images.</param>
/// <param name="Categories">The classes by ascending id; index = label.</param>
/// <param name="ImageFolder">Folder of the image files.</param>
/// <param name="Notices">One line for each kind of thing that was mended, with its count; to be shown to the user once.</param>
public sealed record CocoDataset(
    IReadOnlyList<DataImage> Images,
    IReadOnlyList<ObjectClass> Categories,
    string ImageFolder,
    IReadOnlyList<string> Notices
)
{
    /// <summary>Reads an annotation file (plain or gzip) for the images of a folder. No image is opened.</summary>
    /// <exception cref="InputError">As <see cref="AnnotationFile.Read(string, AnnotationUse, bool)"/> and <see cref="Of"/>.</exception>
    public static CocoDataset Load(string annotationFile, string imageFolder) =>
        Of(AnnotationFile.Read(annotationFile, AnnotationUse.Images), imageFolder);

    /// <summary>The images of an annotation file that was read for <see cref="AnnotationUse.Images"/>.</summary>
    /// <remarks>
    /// Boxes that reach beyond their image are clipped; boxes wholly outside it and boxes of less than 1 px width or height or without
    /// area are dropped, as the reference does.
    /// </remarks>
    /// <param name="file">The file.</param>
    /// <param name="imageFolder">Folder of the image files.</param>
    /// <param name="classes">Classes for a file that lists none; null: such a file is refused.</param>
    /// <exception cref="InputError">It lists no image or no category.</exception>
    public static CocoDataset Of(AnnotationFile file, string imageFolder, IReadOnlyList<ObjectClass>? classes = null)
    {
        if (file.Images.Count == 0 || (file.Classes.Count == 0 && classes is null))
        {
            throw new InputError(
                $"{file.Path}: \"{(file.Images.Count == 0 ? "images" : "categories")}\" is empty; there is nothing to detect"
            );
        }

        var fates = new int[Enum.GetValues<BoxFate>().Length];
        var boxes = Boxes(file, fates);
        return new(
            [
                .. file.Images.Select(
                    (image, i) => new DataImage(image.Id, image.FileName, image.Width, image.Height, boxes[i])
                ),
            ],
            file.Classes.Count == 0 ? classes! : file.Classes,
            imageFolder,
            Notes(file, fates)
        );
    }

    /// <summary>The set with its first images only.</summary>
    public CocoDataset First(int count) => this with { Images = [.. Images.Take(count)] };

    /// <summary>Path of an image's file, found as <see cref="ImageNames.PathOf"/> says.</summary>
    public string PathOf(DataImage image) => ImageNames.PathOf(ImageFolder, image.FileName);

    /// <summary>
    /// The set without images that are useless for training: with a side below <paramref name="filter"/>.MinSide px and, if wanted, without
    /// a box to train on. A notice says how many were left out.
    /// </summary>
    /// <exception cref="InputError">Nothing is left.</exception>
    public CocoDataset ForTraining(FilterSettings filter)
    {
        var large = Images.Where(image => Math.Min(image.Width, image.Height) >= filter.MinSide).ToList();
        var kept = large.Where(image => !filter.DropEmpty || image.Targets.Any()).ToList();
        if (kept.Count == 0)
        {
            throw new InputError(
                $"{ImageFolder}: none of the {Counted.Of(Images.Count, "training image")} has a box and sides of at least {filter.MinSide} px; "
                    + "check the annotations, or data.filter in the settings"
                    + string.Concat(Notices.Select(notice => $" ({notice})"))
            );
        }

        var (small, empty, all) = (Images.Count - large.Count, large.Count - kept.Count, Images.Count);
        return this with
        {
            Images = kept,
            Notices =
            [
                .. Notices,
                .. Note(
                    small,
                    $"{small} of {Counted.Of(all, "training image")} {(small == 1 ? "has" : "have")} a side below {filter.MinSide} px "
                        + $"and {(small == 1 ? "is" : "are")} left out"
                ),
                .. Note(
                    empty,
                    $"{empty} of {Counted.Of(all, "training image")} {(empty == 1 ? "has" : "have")} no box to train on "
                        + $"and {(empty == 1 ? "is" : "are")} left out"
                ),
            ],
        };
    }

    private static DataBox[][] Boxes(AnnotationFile file, int[] fates)
    {
        var inside = new Box[file.Count];
        var isKept = new bool[file.Count];
        var counts = new int[file.Images.Count];
        for (var i = 0; i < file.Count; i++)
        {
            (var fate, inside[i]) = file.Placed(i);
            fates[(int)fate]++;
            isKept[i] = fate is BoxFate.Kept or BoxFate.Clipped;
            counts[file.Image[i]] += isKept[i] ? 1 : 0;
        }

        var boxes = counts.Select(count => count == 0 ? [] : new DataBox[count]).ToArray();
        Array.Clear(counts);
        for (var i = 0; i < file.Count; i++)
        {
            if (isKept[i])
            {
                var image = file.Image[i];
                boxes[image][counts[image]++] = new(
                    file.Id[i],
                    file.Label[i],
                    inside[i],
                    file.Area[i],
                    file.IsCrowd[i],
                    file.IsIgnored[i]
                );
            }
        }

        return boxes;
    }

    private static string[] Notes(AnnotationFile file, int[] fates)
    {
        var ignored = file.IsIgnored.Count(true);
        return
        [
            .. file.BoxesLook() is { } look ? [$"{file.Path}: the boxes {look}"] : (string[])[],
            .. file
                .Remarks.GroupBy(remark => remark.Kind)
                .OrderBy(group => group.Key)
                .Select(group =>
                    $"{file.Path}: {IssueKind.Of(group.Key).Text}: {group.Count()}, the first is {group.First()}"
                ),
            .. Fate(
                BoxFate.Clipped,
                "reaches beyond its image and is clipped",
                "reach beyond their images and are clipped"
            ),
            .. Fate(
                BoxFate.Outside,
                "lies wholly outside its image and is dropped",
                "lie wholly outside their images and are dropped"
            ),
            .. Fate(
                BoxFate.Degenerate,
                "of less than 1 px width or height, or without area, is dropped",
                "of less than 1 px width or height, or without area, are dropped"
            ),
            .. Note(
                ignored,
                $"{file.Path}: {Counted.Of(ignored, "box", "boxes")} with \"ignore\" {(ignored == 1 ? "is" : "are")} not trained on; "
                    + $"the evaluation counts {(ignored == 1 ? "it" : "them")}"
            ),
        ];

        string[] Fate(BoxFate fate, string one, string many) =>
            Note(
                fates[(int)fate],
                $"{file.Path}: {Counted.Of(fates[(int)fate], "box", "boxes")} {(fates[(int)fate] == 1 ? one : many)}"
            );
    }

    private static string[] Note(int count, string text) => count == 0 ? [] : [text];
}
