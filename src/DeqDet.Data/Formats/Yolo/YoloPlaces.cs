namespace DeqDet.Data.Formats.Yolo;

/// <summary>
/// From the places that a data.yaml names to the image files. They are looked for inside the data folder first: <c>path</c> is often that of
/// another machine, and Roboflow writes <c>../train/images</c> for <c>train/images</c>. Only then are they taken as they are written, which may
/// lead anywhere, as the format has it.
/// </summary>
internal static class YoloPlaces
{
    private const long MostBytes = 256 << 20;

    private static readonly char[] separators = ['/', '\\'];

    /// <summary>The folder, file or list that an entry means; null where there is nothing.</summary>
    /// <param name="root">The data folder.</param>
    /// <param name="path">The entry <c>path</c>, or null.</param>
    /// <param name="entry">The entry.</param>
    public static string? Find(string root, string? path, string entry)
    {
        var below = path is null ? root : Base(root, path);
        return Inside(below, entry) ?? (below == root ? null : Inside(root, entry)) ?? AsWritten(root, below, entry);
    }

    /// <summary>The images of a place, in ordinal order: of a folder all below it, of a text file those that it lists.</summary>
    /// <exception cref="InputError">An image that is listed is not there.</exception>
    public static IReadOnlyList<string> Images(string root, string place) =>
        Directory.Exists(place) ? FolderImages.Below(place)
        : Path.GetExtension(place).Equals(".txt", StringComparison.OrdinalIgnoreCase) ? Listed(root, place)
        : [place];

    private static string Base(string root, string path) =>
        Inside(root, path) ?? (AsWritten(root, root, path) is { } there && Directory.Exists(there) ? there : root);

    // The way through the folder that the end of an entry names, as long as there is something.
    private static string? Inside(string root, string entry)
    {
        var parts = entry.Split(separators, StringSplitOptions.RemoveEmptyEntries).Where(part => part != ".").ToList();
        if (parts.Count == 0)
        {
            return root;
        }

        while (parts.Count > 0)
        {
            if (!parts.Contains("..") && Existing(Path.Combine([root, .. parts])) is { } found)
            {
                return found;
            }

            parts.RemoveAt(0);
        }

        return null;
    }

    private static string? AsWritten(string root, string below, string entry)
    {
        try
        {
            return Existing(Path.GetFullPath(Path.Combine(below, entry)))
                ?? Existing(Path.GetFullPath(Path.Combine(root, entry)));
        }
        catch (ArgumentException)
        {
            return null;
        }
    }

    private static string? Existing(string path) => File.Exists(path) || Directory.Exists(path) ? path : null;

    // Relative to the list itself, to the data folder, or to a folder of another machine whose end is the same.
    private static List<string> Listed(string root, string list)
    {
        var images = new List<string>();
        var lines = TextFile.Lines(list, MostBytes);
        for (var i = 0; i < lines.Length; i++)
        {
            if (lines[i].Trim() is not { Length: > 0 } entry)
            {
                continue;
            }

            var beside = Path.GetDirectoryName(list)!;
            var image = Inside(beside, entry) ?? Inside(root, entry) ?? AsWritten(root, beside, entry);
            images.Add(
                image is not null && File.Exists(image)
                    ? image
                    : throw new InputError(
                        $"{list}: line {i + 1}: there is no image {Shown(entry)}; put it there, or take it out of the list"
                    )
            );
        }

        return [.. images.Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal)];
    }

    private static string Shown(string entry) => entry.Length > 80 ? $"...{entry[^80..]}" : entry;
}
