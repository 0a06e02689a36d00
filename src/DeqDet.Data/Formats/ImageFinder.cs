using DeqDet.Coco;

namespace DeqDet.Data.Formats;

/// <summary>Finds the image of a label file: by the label file's own name, or by the one that it states.</summary>
/// <param name="folder">The folder of the images, a full path.</param>
internal sealed class ImageFinder(string folder)
{
    private readonly Lazy<ILookup<string, string>> byStem = new(() =>
        FolderImages.Below(folder).ToLookup(path => Stem(folder, path), StringComparer.Ordinal)
    );

    private readonly Lazy<ILookup<string, string>> byName = new(() =>
        FolderImages.Below(folder).ToLookup(path => Path.GetFileName(path), StringComparer.Ordinal)
    );

    /// <summary>The folder of the images.</summary>
    public string Folder => folder;

    /// <summary>The image of a name that is right as it is; null where there is none, or it leads out of the folder.</summary>
    public string? At(string name) =>
        CocoRules.NameFault(name) is null && File.Exists(Path.Combine(folder, name)) ? name.Replace('\\', '/') : null;

    /// <summary>The image of a label file as a path below the folder; the stated name where there is none.</summary>
    /// <param name="stem">The label file below its own folder, without ending, with slashes.</param>
    /// <param name="stated">The file name or path that it states, of whatever system; null where it states none.</param>
    /// <param name="image">Receives remarks: where the two disagree, or two images have the label file's name.</param>
    public string Find(string stem, string? stated, LabelledImage image)
    {
        var name = stated?.Split('/', '\\')[^1].Trim();
        var same = byStem.Value[stem].ToList();
        if (same.Count > 0)
        {
            var taken =
                same.Find(path => Path.GetFileName(path) == name)
                ?? same.Find(path => Path.GetExtension(path) is ".jpg" or ".png")
                ?? same[0];
            if (same.Count > 1)
            {
                var others = same.Where(path => path != taken).Select(path => FolderImages.NameIn(folder, path));
                image.Faults.Add(
                    new(
                        FaultKind.SharedLabel,
                        string.Join(", ", others),
                        $"has the label file of {FolderImages.NameIn(folder, taken)}, {image.Label}; only the latter is used"
                    )
                );
            }

            // Names are stated with and without their ending.
            if (
                !string.IsNullOrEmpty(name)
                && Path.GetFileNameWithoutExtension(taken) is var own
                && own != name
                && own != Path.GetFileNameWithoutExtension(name)
            )
            {
                image.Fault(
                    FaultKind.Elsewhere,
                    "",
                    $"states the image {name}, but {FolderImages.NameIn(folder, taken)} has the label file's own name and is taken"
                );
            }

            return FolderImages.NameIn(folder, taken);
        }

        if (string.IsNullOrEmpty(name))
        {
            return stem;
        }

        var named = byName.Value[name].ToList();
        return named.Count > 0 ? FolderImages.NameIn(folder, named[0]) : name;
    }

    /// <summary>A label file or an image below its folder, without ending, with slashes.</summary>
    public static string Stem(string folder, string path) =>
        Path.ChangeExtension(FolderImages.NameIn(folder, path), null);
}
