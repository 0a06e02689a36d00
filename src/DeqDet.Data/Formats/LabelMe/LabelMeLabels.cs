using DeqDet.Coco;

namespace DeqDet.Data.Formats.LabelMe;

/// <summary>A part of a LabelMe data set: a JSON file an image.</summary>
/// <param name="root">The data folder.</param>
/// <param name="folder">The folder of the labels.</param>
/// <param name="images">Finds their images.</param>
/// <param name="files">The JSON files.</param>
internal sealed class LabelMeLabels(string root, string folder, ImageFinder images, Lazy<IReadOnlyList<string>> files)
    : NamedLabels(root)
{
    /// <inheritdoc/>
    public override string Path => folder;

    /// <inheritdoc/>
    public override string Format => LabelMeFormat.FormatName;

    /// <inheritdoc/>
    protected override int Count => files.Value.Count;

    /// <inheritdoc/>
    protected override LabelledImage ReadImage(int number)
    {
        var file = files.Value[number];
        var image = new LabelledImage("", FolderImages.NameIn(folder, file));
        try
        {
            var stated = LabelMeFile.Read(file, image);
            image.FileName = images.Find(ImageFinder.Stem(folder, file), stated, image);
            if (image.Width == 0 || image.Height == 0)
            {
                image.FindSize(System.IO.Path.Combine(images.Folder, image.FileName));
            }
        }
        catch (InputError error)
        {
            image.Fault(error, file);
        }

        return image;
    }
}
