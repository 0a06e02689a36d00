namespace DeqDet.Data;

/// <summary>
/// The layout that Roboflow exports: a folder a part (<c>train</c>, <c>valid</c>, <c>test</c>) with the part's <c>_annotations.coco.json</c>
/// (plain or with <c>.gz</c>) beside its images.
/// </summary>
internal static class RoboflowLayout
{
    /// <summary>Name of the annotation file in a part's folder.</summary>
    public const string FileName = "_annotations.coco.json";

    private static readonly string[] training = ["train"];
    private static readonly string[] validation = ["valid", "val", "validation"];
    private static readonly string[] test = ["test"];

    /// <summary>Whether a file is the annotation file of such a part, whose name is its folder's.</summary>
    public static bool IsPart(string annotationFile) =>
        Path.GetFileName(annotationFile) is var name
        && (IsName(name) || name.EndsWith(".gz", StringComparison.OrdinalIgnoreCase) && IsName(name[..^3]));

    /// <summary>
    /// The parts of a folder, those for training first. Where there is at least one, a folder with the name of another part counts as well;
    /// its annotation file may be missing.
    /// </summary>
    public static IReadOnlyList<DataPart> Parts(string root)
    {
        var folders = Folders(root);
        return folders.Any(folder => File.Exists(FileIn(folder)))
            ? [.. folders.Where(IsMeant).Select(folder => new DataPart(FileIn(folder), folder))]
            : [];
    }

    /// <summary>The part to train on (<paramref name="forTraining"/>) or to validate on; null when the folder has not this layout.</summary>
    /// <exception cref="InputError">There is no such part, or its annotation file is missing.</exception>
    public static DataPart? Find(string root, bool forTraining)
    {
        var parts = Parts(root);
        if (parts.Count == 0)
        {
            return null;
        }

        var place = forTraining ? training : [.. validation, .. test];
        var part = place
            .Select(name => parts.FirstOrDefault(part => NameOf(part.ImageFolder) == name))
            .FirstOrDefault(part => part is not null);
        if (part is null)
        {
            throw new InputError(
                $"{root}: none of its parts ({string.Join(", ", parts.Select(part => Path.GetFileName(part.ImageFolder)))}) is for "
                    + $"{(forTraining ? "training" : "validation")}; a folder {Or(place)} with {FileName} beside its images is looked for"
            );
        }

        if (!File.Exists(part.AnnotationFile))
        {
            throw new InputError(
                $"{part.AnnotationFile}: no such annotation file; export the part {NameOf(part.ImageFolder)} again, or remove its folder"
            );
        }

        return !forTraining && test.Contains(NameOf(part.ImageFolder))
            ? part with
            {
                Notice =
                    $"{root}: there is no part {Or(validation)}, so validation is on {Path.GetFileName(part.ImageFolder)}",
            }
            : part;
    }

    private static List<string> Folders(string root) =>
        [
            .. Directory
                .EnumerateDirectories(root)
                .OrderBy(folder =>
                    Array.IndexOf([.. training, .. validation, .. test], NameOf(folder)) is >= 0 and var i ? i : 99
                )
                .ThenBy(folder => folder, StringComparer.Ordinal),
        ];

    private static bool IsMeant(string folder) =>
        File.Exists(FileIn(folder))
        || (string[])[.. training, .. validation, .. test] is var names && names.Contains(NameOf(folder));

    private static string FileIn(string folder)
    {
        var file = Path.Combine(folder, FileName);
        return !File.Exists(file) && File.Exists(file + ".gz") ? file + ".gz" : file;
    }

    private static bool IsName(string name) => name.Equals(FileName, StringComparison.OrdinalIgnoreCase);

    private static string NameOf(string folder) => Path.GetFileName(folder).ToLowerInvariant();

    private static string Or(string[] names) =>
        names.Length == 1 ? names[0] : $"{string.Join(", ", names[..^1])} or {names[^1]}";
}
