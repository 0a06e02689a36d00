using DeqDet.Data.Formats;

namespace DeqDet.Data.Check;

/// <summary>Finds the parts of a data set in its folder: annotation files and the folders of their images.</summary>
public static class DataFolder
{
    /// <summary>
    /// The parts of a folder, in whatever format they are. COCO's annotation files are the <c>instances_*.json</c>, or else all <c>*.json</c>,
    /// of <c>annotations/</c>, or else of the folder itself, plain or with <c>.gz</c>. For <c>instances_train2017.json</c> the images are in
    /// <c>train2017</c>, <c>images/train2017</c>, <c>train</c>, <c>images/train</c> or <c>images</c>, whichever is there first. Roboflow's
    /// folders of parts, each with <c>_annotations.coco.json</c> beside its images, are found as well, and so is a single one of them; then
    /// the formats of other tools (docs/data.md).
    /// </summary>
    /// <exception cref="InputError">The folder, an annotation file or an image folder is missing.</exception>
    public static IReadOnlyList<DataPart> Parts(string root) =>
        Directory.Exists(root)
            ? [.. DataFormats.Recognise(root).Parts.Select(part => part.Part)]
            : throw new InputError($"{root}: no such data folder; name the folder of a data set");

    /// <summary>A part by its files.</summary>
    /// <exception cref="InputError">One of them is missing.</exception>
    public static DataPart Pair(string annotations, string images) =>
        !File.Exists(annotations) ? throw new InputError($"{annotations}: no such annotation file")
        : !Directory.Exists(images) ? throw new InputError($"{images}: no such image folder")
        : DataPart.Of(
            Path.GetDirectoryName(Path.GetFullPath(annotations))!,
            Path.GetFullPath(annotations),
            Path.GetFullPath(images)
        );
}
