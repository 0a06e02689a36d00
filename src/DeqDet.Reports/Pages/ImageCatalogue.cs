using DeqDet.Coco.Evaluation;
using DeqDet.Data;

namespace DeqDet.Reports.Pages;

/// <summary>What an annotation file says of an image: its file and its size in px; empty and 0 where it says nothing of use.</summary>
public readonly record struct ImageEntry(string FileName, int Width, int Height);

/// <summary>The files and sizes of images by id, and the folder of the files, if one is given.</summary>
/// <param name="Entries">By image id.</param>
/// <param name="Folder">Folder that the file names are relative to, or null.</param>
public sealed record ImageCatalogue(IReadOnlyDictionary<CocoId, ImageEntry> Entries, string? Folder)
{
    /// <summary>File name and size of an image.</summary>
    public ImageEntry this[CocoId id] => Entries.GetValueOrDefault(id, new("", 0, 0));

    /// <summary>The images of a data set.</summary>
    public static ImageCatalogue Of(CocoDataset data) =>
        new(
            data.Images.ToDictionary(
                image => image.Id,
                image => new ImageEntry(image.FileName, image.Width, image.Height)
            ),
            data.ImageFolder
        );

    /// <summary>The images of a ground truth. Sizes and names may be missing; without a size a name is of no use.</summary>
    public static ImageCatalogue Of(GroundTruth truth, string? folder) =>
        new(
            truth.Images.ToDictionary(
                image => image.Id,
                image => new ImageEntry(image.Width > 0 ? image.FileName : "", image.Width, image.Height)
            ),
            folder
        );
}
