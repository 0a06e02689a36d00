namespace DeqDet.Data.Formats;

/// <summary>Folders of label files.</summary>
internal static class LabelFolders
{
    // So many files are looked at: others may lie among the labels.
    private const int LookedAt = 20;

    // Links to folders might lead in a circle.
    private static readonly EnumerationOptions below = new()
    {
        RecurseSubdirectories = true,
        AttributesToSkip = FileAttributes.ReparsePoint,
    };

    /// <summary>The files of a folder with an ending, in ordinal order.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="ending">As in ".xml".</param>
    /// <param name="isDeep">Whether those of the folders below belong to them.</param>
    public static IReadOnlyList<string> Files(string folder, string ending, bool isDeep) =>
        [.. Enumerate(folder, ending, isDeep).Order(StringComparer.Ordinal)];

    /// <summary>Whether one of the first files of a folder is a label file.</summary>
    public static bool Any(string folder, string ending, bool isDeep, Func<string, bool> isLabel) =>
        Directory.Exists(folder) && Enumerate(folder, ending, isDeep).Take(LookedAt).Any(isLabel);

    /// <summary>The folders below one that have one of these names, in whatever case, in the order of the names.</summary>
    public static IEnumerable<string> Named(string folder, string[] names) =>
        Directory
            .EnumerateDirectories(folder)
            .Where(entry => names.Contains(Path.GetFileName(entry).ToLowerInvariant()))
            .OrderBy(entry => Array.IndexOf(names, Path.GetFileName(entry).ToLowerInvariant()))
            .ThenBy(entry => entry, StringComparer.Ordinal);

    private static IEnumerable<string> Enumerate(string folder, string ending, bool isDeep) =>
        (isDeep ? Directory.EnumerateFiles(folder, "*", below) : Directory.EnumerateFiles(folder)).Where(file =>
            file.EndsWith(ending, StringComparison.OrdinalIgnoreCase)
        );
}
