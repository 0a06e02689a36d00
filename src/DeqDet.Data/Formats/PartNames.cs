namespace DeqDet.Data.Formats;

/// <summary>The names that parts of data sets usually have.</summary>
internal static class PartNames
{
    private static readonly char[] separators = ['_', '-', '.', ' '];

    /// <summary>Of what is trained on.</summary>
    public static readonly string[] Training = ["train", "training"];

    /// <summary>Of what is validated on.</summary>
    public static readonly string[] Validation = ["valid", "val", "validation"];

    /// <summary>Of what is tested on.</summary>
    public static readonly string[] Test = ["test"];

    /// <summary>All of them, those for training first.</summary>
    public static IEnumerable<string> All => [.. Training, .. Validation, .. Test];

    /// <summary>The role that a name stands for, digits at its end left away (<c>val2017</c>); null for any other name.</summary>
    public static PartRole? RoleOf(string name)
    {
        var word = name.ToLowerInvariant().TrimEnd("0123456789-_".ToCharArray());
        return Training.Contains(word) ? PartRole.Training
            : Validation.Contains(word) ? PartRole.Validation
            : Test.Contains(word) ? PartRole.Test
            : null;
    }

    /// <summary>
    /// The word of a name that names a part: <c>train</c> of <c>annotations_train</c> or <c>coco-train2017</c>; null where none does.
    /// </summary>
    public static string? WordIn(string name) =>
        name.Split(separators).FirstOrDefault(word => RoleOf(word) is not null);

    /// <summary>The folders directly below one that are named as parts, those for training first.</summary>
    public static IReadOnlyList<(PartRole Role, string Folder)> FoldersIn(string folder) =>
        !Directory.Exists(folder)
            ? []
            :
            [
                .. Directory
                    .EnumerateDirectories(folder)
                    .Select(below => (Role: RoleOf(Path.GetFileName(below)), below))
                    .Where(entry => entry.Role is not null)
                    .Select(entry => (entry.Role!.Value, entry.below))
                    .OrderBy(entry => entry.Value)
                    .ThenBy(entry => entry.below, StringComparer.Ordinal),
            ];

    /// <summary>
    /// The folders directly below one that are not named as parts, in ordinal order; hidden ones are left out, and so are those that cannot be listed,
    /// such as <c>lost+found</c>.
    /// </summary>
    public static IReadOnlyList<string> OtherFoldersIn(string folder) =>
        [
            .. Directory
                .EnumerateDirectories(folder)
                .Where(below =>
                    Path.GetFileName(below) is var name
                    && RoleOf(name) is null
                    && !name.StartsWith('.')
                    && !name.StartsWith("__", StringComparison.Ordinal)
                    && CanBeListed(below)
                )
                .Order(StringComparer.Ordinal),
        ];

    private static bool CanBeListed(string folder)
    {
        try
        {
            _ = Directory.EnumerateFileSystemEntries(folder).Any();
            return true;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    /// <summary>A folder and those of parts directly below it.</summary>
    public static IEnumerable<string> AndParts(string folder) =>
        FoldersIn(folder).Select(part => part.Folder).Prepend(folder);

    /// <summary>Names as a choice: "valid, val or validation".</summary>
    public static string Or(string[] names) =>
        names.Length == 1 ? names[0] : $"{string.Join(", ", names[..^1])} or {names[^1]}";
}
