using DeqDet.Coco;
using DeqDet.Settings;

namespace DeqDet.Data;

/// <summary>An annotated box inside its image.</summary>
/// <param name="Id">Annotation id.</param>
/// <param name="Label">Class, from 0.</param>
/// <param name="Box">Corners, px, clipped to the image.</param>
/// <param name="Area">Area of the object, px^2.</param>
/// <param name="IsCrowd">Whether it is a region of many objects; those are no training targets.</param>
public readonly record struct DataBox(CocoId Id, int Label, Box Box, double Area, bool IsCrowd);

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

    /// <summary>Boxes to train on: all but crowd regions.</summary>
    public IEnumerable<DataBox> Targets => Boxes.Where(box => !box.IsCrowd);
}

/// <summary>A COCO-format set: images in the order of the file, classes by ascending id, and what was put right while reading.</summary>
/// <param name="Images">The images.</param>
/// <param name="Categories">The classes by ascending id; index = label.</param>
/// <param name="ImageFolder">Folder of the image files.</param>
/// <param name="Notices">One line for each kind of thing that was mended, with its count; to be told to the user once.</param>
public sealed record CocoDataset(
    IReadOnlyList<DataImage> Images,
    IReadOnlyList<ObjectClass> Categories,
    string ImageFolder,
    IReadOnlyList<string> Notices
)
{
    /// <summary>Reads an annotation file (plain or gzip) for the images of a folder. No image is opened.</summary>
    /// <remarks>
    /// Boxes that reach beyond their image are clipped; boxes wholly outside it and boxes of less than 1 px width or height or without
    /// area are dropped, as the reference does. What cannot be mended safely is refused: numbers that are not finite, negative sizes,
    /// unknown images or classes, doubled ids, file names that leave the folder.
    /// </remarks>
    /// <exception cref="InputError">Names the file, the record and the remedy.</exception>
    public static CocoDataset Load(string annotationFile, string imageFolder)
    {
        var builder = new CocoDatasetBuilder(annotationFile);
        CocoJson.ReadAnnotations(annotationFile, builder, CocoFields.Width | CocoFields.Height | CocoFields.FileName);
        return builder.Build(imageFolder);
    }

    /// <summary>The set with its first images only.</summary>
    public CocoDataset First(int count) => this with { Images = [.. Images.Take(count)] };

    /// <summary>Path of an image's file, found as <see cref="ImageNames.PathOf"/> says.</summary>
    public string PathOf(DataImage image) => ImageNames.PathOf(ImageFolder, image.FileName);

    /// <summary>
    /// The set without images that are useless for training: with a side below <paramref name="filter"/>.MinSide px and, if wanted, without
    /// a box to train on. A notice tells how many went.
    /// </summary>
    /// <exception cref="InputError">Nothing is left.</exception>
    public CocoDataset ForTraining(FilterSettings filter)
    {
        var large = Images.Where(image => Math.Min(image.Width, image.Height) >= filter.MinSide).ToList();
        var kept = large.Where(image => !filter.DropEmpty || image.Targets.Any()).ToList();
        if (kept.Count == 0)
        {
            throw new InputError(
                $"{ImageFolder}: none of the {Images.Count} training images has a box and sides of at least {filter.MinSide} px; "
                    + "check the annotations, or data.filter in the settings"
            );
        }

        var notices = new List<string>(Notices);
        Note(
            notices,
            Images.Count - large.Count,
            n => $"{n} of {Images.Count} training images have a side below {filter.MinSide} px and are left out"
        );
        Note(
            notices,
            large.Count - kept.Count,
            n => $"{n} of {Images.Count} training images have no box to train on and are left out"
        );
        return this with { Images = kept, Notices = notices };
    }

    internal static void Note(List<string> notices, int count, Func<int, string> text)
    {
        if (count > 0)
        {
            notices.Add(text(count));
        }
    }
}
