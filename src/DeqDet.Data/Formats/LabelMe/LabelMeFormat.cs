namespace DeqDet.Data.Formats.LabelMe;

/// <summary>
/// LabelMe's layouts: a JSON file an image, beside it or in a folder of labels beside one of images; and the same in folders of parts.
/// </summary>
internal sealed class LabelMeFormat : IDataFormat
{
    /// <summary>Name of the format.</summary>
    public const string FormatName = "LabelMe";

    private static readonly string[] labelFolders = ["annotations", "labels", "json", "jsons"];
    private static readonly string[] imageFolders = ["images", "image", "imgs", "img", "jpegimages"];

    /// <inheritdoc/>
    public string Name => FormatName;

    /// <inheritdoc/>
    public string LookedFor => "*.json with shapes, beside the images";

    /// <inheritdoc/>
    public Finding Find(string root)
    {
        var parts = PartNames
            .FoldersIn(root)
            .Select(entry => (entry.Role, entry.Folder, Pair: Pair(entry.Folder, isDeep: true)))
            .Where(entry => entry.Pair is { Images: not null })
            .Select(entry =>
                Part(
                    root,
                    entry.Role,
                    Path.GetFileName(entry.Folder),
                    entry.Pair!.Value.Labels,
                    entry.Pair.Value.Images!
                )
            )
            .ToList();
        return parts.Count > 0 ? Joined(root, parts)
            : Pair(root, isDeep: false) is not { } whole ? Finding.None
            : whole.Images is null
                ? Finding.Half(
                    $"{whole.Labels} has LabelMe files, but their images are neither there nor in {Path.Combine(root, "images")}"
                )
            : Joined(root, [Part(root, PartRole.Whole, Path.GetFileName(root), whole.Labels, whole.Images)]);
    }

    private static Finding Joined(string root, List<FoundPart> parts)
    {
        NamedLabels.Join([.. parts.Select(part => (NamedLabels)part.Part.Source)]);
        return Finding.Of(new(root, FormatName, parts));
    }

    private static (string Labels, string? Images)? Pair(string folder, bool isDeep)
    {
        var labels =
            LabelFolders
                .Named(folder, labelFolders)
                .FirstOrDefault(below => LabelFolders.Any(below, ".json", true, LabelMeFile.IsOne))
            ?? (LabelFolders.Any(folder, ".json", isDeep, LabelMeFile.IsOne) ? folder : null);
        if (labels is null)
        {
            return null;
        }

        var images = LabelFolders.Named(folder, imageFolders).FirstOrDefault();
        return (
            labels,
            FolderImages.Any(labels)
                ? labels
                : images
                    ?? (FolderImages.Any(folder) || (isDeep && FolderImages.Below(folder).Count > 0) ? folder : null)
        );
    }

    private static FoundPart Part(string root, PartRole role, string name, string labels, string images)
    {
        var files = new Lazy<IReadOnlyList<string>>(() => LabelFolders.Files(labels, ".json", isDeep: labels != root));
        return new(role, new(new LabelMeLabels(root, labels, new(images), files), images) { Name = name });
    }
}
