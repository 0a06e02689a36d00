namespace DeqDet.Data.Formats;

/// <summary>A kind of label files of which there is one for each image.</summary>
/// <param name="Format">Name of the format.</param>
/// <param name="Ending">As in ".xml".</param>
/// <param name="Folders">Usual names of folders of such files, in lower case.</param>
/// <param name="IsOne">Whether a file is one, by its beginning.</param>
internal sealed record LabelKind(string Format, string Ending, string[] Folders, Func<string, bool> IsOne);

/// <summary>A part of a data set whose label files and images lie in two folders, or in one.</summary>
/// <param name="Role">What it is for.</param>
/// <param name="Name">Name of its folder.</param>
/// <param name="Labels">The folder of the label files.</param>
/// <param name="Images">The folder of the images.</param>
/// <param name="IsDeep">Whether the label files in folders below belong to it.</param>
internal sealed record PairedPart(PartRole Role, string Name, string Labels, string Images, bool IsDeep);

/// <summary>
/// Finds label files and their images in a data folder: side by side or in folders of their own, in folders of parts or not, whatever the folders
/// are called. A usual name comes before the others, and of those one has to be the only one.
/// </summary>
internal static class PairedFolders
{
    // So many label files are looked at: others may lie among them.
    private const int LookedAt = 20;

    /// <summary>The parts of a folder, those for training first; or else what is missing of them, null where nothing points to them.</summary>
    public static (IReadOnlyList<PairedPart> Parts, string? Missing) Find(string home, LabelKind kind)
    {
        var labels = LabelsIn(home, kind, isDeep: false);
        // train/annotations with train/images, and annotations/train with images/train
        var parts = PartNames
            .FoldersIn(home)
            .Concat(labels.Where(folder => folder != home).Take(1).SelectMany(PartNames.FoldersIn))
            .Select(part =>
                LabelsIn(part.Folder, kind, isDeep: true) is [var own, ..]
                && (ImagesOf(part.Folder, own, isDeep: true) ?? Sibling(home, part.Folder)) is { } images
                    ? new PairedPart(part.Role, Path.GetFileName(part.Folder), own, images, true)
                    : null
            )
            .OfType<PairedPart>()
            .OrderBy(part => part.Role)
            .ToList();
        return parts.Count > 0 ? (parts, null)
            : labels.Count == 0 ? ([], null)
            : labels.Count > 1 ? ([], Several(home, labels, kind))
            : ImagesOf(home, labels[0], isDeep: false) is { } all
                ? ([new(PartRole.Whole, Path.GetFileName(home), labels[0], all, labels[0] != home)], null)
            : ([], $"{labels[0]} has {kind.Format} labels, but there is no folder of their images (images) in {home}");
    }

    /// <summary>The label files of a part, in ordinal order.</summary>
    public static IReadOnlyList<string> Files(PairedPart part, LabelKind kind) =>
        [.. Enumerate(part.Labels, kind, part.IsDeep).Order(StringComparer.Ordinal)];

    // The first of a usual name, or else the folder itself, or else all below it; of a part, all that is in it, unless it is one folder of labels.
    private static IReadOnlyList<string> LabelsIn(string folder, LabelKind kind, bool isDeep)
    {
        var named = FolderImages.NamedIn(folder, kind.Folders);
        if (named.Find(labels => HasLabels(labels, kind, isDeep: true)) is { } first)
        {
            return [first];
        }

        if (HasLabels(folder, kind, isDeep: false))
        {
            return [folder];
        }

        var others = PartNames
            .OtherFoldersIn(folder)
            .Except(named)
            .Where(other => PartNames.AndParts(other).Any(StartsWithLabels))
            .ToList();
        var isApart = others is [var only] && !FolderImages.Any(only);
        return isDeep && !isApart && HasLabels(folder, kind, isDeep: true) ? [folder] : others;

        bool StartsWithLabels(string place) =>
            Directory
                .EnumerateFiles(place)
                .Take(FolderImages.LookedThrough)
                .Where(file => file.EndsWith(kind.Ending, StringComparison.OrdinalIgnoreCase))
                .Take(LookedAt)
                .Any(kind.IsOne);
    }

    private static string? ImagesOf(string folder, string labels, bool isDeep)
    {
        var hasBeside = FolderImages.Any(folder);
        return labels == folder && hasBeside ? folder
            : FolderImages.NamedIn(folder) is [var named, ..] ? named
            : hasBeside || (isDeep && labels == folder && FolderImages.Below(folder).Count > 0) ? folder
            : FolderImages.Any(labels) ? labels
            : FolderImages.OnlyOther(folder, labels);
    }

    private static string? Sibling(string home, string part) =>
        FolderImages
            .NamedIn(home)
            .Append(FolderImages.OnlyOther(home, Path.GetDirectoryName(part)!))
            .OfType<string>()
            .Select(images => Path.Combine(images, Path.GetFileName(part)))
            .FirstOrDefault(Directory.Exists);

    private static bool HasLabels(string folder, LabelKind kind, bool isDeep) =>
        Enumerate(folder, kind, isDeep).Take(LookedAt).Any(kind.IsOne);

    private static IEnumerable<string> Enumerate(string folder, LabelKind kind, bool isDeep) =>
        (isDeep ? Directory.EnumerateFiles(folder, "*", FolderImages.Deep) : Directory.EnumerateFiles(folder)).Where(
            file => file.EndsWith(kind.Ending, StringComparison.OrdinalIgnoreCase)
        );

    private static string Several(string home, IReadOnlyList<string> folders, LabelKind kind) =>
        $"{home} has {kind.Format} labels in several folders ({string.Join(", ", folders.Take(3).Select(Path.GetFileName))}"
        + $"{(folders.Count > 3 ? ", ..." : "")}); call them train, valid and test if they are the parts of a data set, "
        + "or put all labels into one folder";
}
