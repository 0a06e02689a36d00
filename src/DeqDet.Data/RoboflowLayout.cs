namespace DeqDet.Data;

/// <summary>
/// The layout that Roboflow exports: a folder a part (<c>train</c>, <c>valid</c>, <c>test</c>) with the part's <c>_annotations.coco.json</c>
/// (plain or with <c>.gz</c>) beside its images.
/// </summary>
internal static class RoboflowLayout
{
    /// <summary>Name of the annotation file in a part's folder.</summary>
    public const string FileName = "_annotations.coco.json";

    private static readonly string[] usual = ["train", "valid", "val", "validation", "test"];

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

    private static List<string> Folders(string root) =>
        [
            .. Directory
                .EnumerateDirectories(root)
                .OrderBy(folder => Array.IndexOf(usual, NameOf(folder)) is >= 0 and var i ? i : usual.Length)
                .ThenBy(folder => folder, StringComparer.Ordinal),
        ];

    private static bool IsMeant(string folder) => File.Exists(FileIn(folder)) || usual.Contains(NameOf(folder));

    private static string FileIn(string folder)
    {
        var file = Path.Combine(folder, FileName);
        return !File.Exists(file) && File.Exists(file + ".gz") ? file + ".gz" : file;
    }

    private static bool IsName(string name) => name.Equals(FileName, StringComparison.OrdinalIgnoreCase);

    private static string NameOf(string folder) => Path.GetFileName(folder).ToLowerInvariant();
}
