using DeqDet.Coco;

namespace DeqDet.Data.Export;

/// <summary>A part of a data set that is to be written.</summary>
/// <param name="Place">Its position among the parts of the data set that was read.</param>
/// <param name="Name">Its name, as in train.</param>
/// <param name="ImageFolder">Folder that the images' names are relative to.</param>
/// <param name="Images">The images; a box's label is a place among the classes of the whole set.</param>
public sealed record ExportPart(int Place, string Name, string ImageFolder, IReadOnlyList<ExportImage> Images)
{
    /// <summary>The file of an image.</summary>
    public string PathOf(ExportImage image) => image.Source ?? ImageNames.PathOf(ImageFolder, image.Name);
}

/// <summary>An image file that goes along.</summary>
/// <param name="Source">Where it is.</param>
/// <param name="Target">Where it goes, relative to the new folder, with slashes.</param>
public readonly record struct ExportedImage(string Source, string Target);

/// <summary>A file that is written.</summary>
/// <param name="Path">Where, relative to the new folder, with slashes.</param>
/// <param name="Write">Writes its content.</param>
public readonly record struct ExportedFile(string Path, Action<Stream> Write)
{
    /// <summary>A file of text.</summary>
    public static ExportedFile Text(string path, string text) =>
        new(path, stream => stream.Write(System.Text.Encoding.UTF8.GetBytes(text)));
}

/// <summary>Everything that a data set consists of in its new format.</summary>
/// <param name="Parts">The parts, with the boxes that the format can say.</param>
/// <param name="Images">Image files.</param>
/// <param name="Files">Files of labels.</param>
/// <param name="Notices">What changes or is lost on the way, a line each.</param>
public sealed record ExportPlan(
    IReadOnlyList<ExportPart> Parts,
    IReadOnlyList<ExportedImage> Images,
    IReadOnlyList<ExportedFile> Files,
    IReadOnlyList<string> Notices
);
