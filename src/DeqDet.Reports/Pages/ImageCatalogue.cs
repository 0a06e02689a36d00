using DeqDet.Coco;
using DeqDet.Data;

namespace DeqDet.Reports.Pages;

/// <summary>What an annotation file says of an image: its file and its size in px; empty and 0 where it says nothing.</summary>
public readonly record struct ImageEntry(string FileName, int Width, int Height);

/// <summary>The files and sizes of images by id, and the folder where the files are, if it is known.</summary>
/// <param name="Entries">By image id.</param>
/// <param name="Folder">Folder that the file names are relative to, or null.</param>
public sealed record ImageCatalogue(IReadOnlyDictionary<CocoId, ImageEntry> Entries, string? Folder)
{
    /// <summary>What is known of an image.</summary>
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

    /// <summary>
    /// Reads the images of an annotation file that can be evaluated. Sizes and names may be missing; a name that would leave the folder
    /// counts as missing.
    /// </summary>
    /// <exception cref="Settings.InputError">The file cannot be read.</exception>
    public static ImageCatalogue Load(string annotationFile, string? folder)
    {
        var visitor = new Visitor();
        CocoJson.ReadAnnotations(annotationFile, visitor, CocoFields.Width | CocoFields.Height | CocoFields.FileName);
        return new(visitor.Entries, folder);
    }

    private sealed class Visitor : ICocoVisitor
    {
        private const int LargestSide = 1 << 20;

        public Dictionary<CocoId, ImageEntry> Entries { get; } = [];

        public void Visit(in CocoImage image)
        {
            if (
                image.Problem is null
                && image.Width is > 0 and <= LargestSide
                && image.Height is > 0 and <= LargestSide
            )
            {
                var name = CocoRules.NameFault(image.FileName) is null ? image.FileName : "";
                Entries[image.Id] = new(name, (int)image.Width, (int)image.Height);
            }
        }

        public void Visit(in CocoCategory category) { }

        public void Visit(in CocoAnnotation annotation) { }
    }
}
