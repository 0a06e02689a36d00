namespace DeqDet.Data.Formats.Yolo;

/// <summary>Lists of class names, one a line, the class 0 first.</summary>
internal static class YoloNames
{
    private const long MostBytes = 1 << 20;

    private static readonly string[] files =
    [
        "classes.txt",
        "obj.names",
        "names.txt",
        "labels.txt",
        "predefined_classes.txt",
        "class_names.txt",
    ];

    /// <summary>Names of the files that are looked for, for messages.</summary>
    public const string LookedFor = "classes.txt or obj.names";

    /// <summary>The list of classes of a folder: in itself, or among its labels or images; null where there is none.</summary>
    public static string? FileOf(string root)
    {
        foreach (var place in (string[])["", "labels", "annotations", "data"])
        {
            var folder = Path.Combine(root, place);
            if (!Directory.Exists(folder))
            {
                continue;
            }

            var found =
                files.Select(name => Path.Combine(folder, name)).FirstOrDefault(File.Exists)
                ?? Directory.EnumerateFiles(folder, "*.names").Order(StringComparer.Ordinal).FirstOrDefault();
            if (found is not null)
            {
                return found;
            }
        }

        return null;
    }

    /// <summary>The names in a file; blank lines at its end are none.</summary>
    /// <exception cref="InputError">It is no UTF-8 text, or a line between names is blank.</exception>
    public static IReadOnlyList<string> Read(string file)
    {
        var names = TextFile.Lines(file, MostBytes).Select(line => line.Trim()).ToList();
        while (names.Count > 0 && names[^1].Length == 0)
        {
            names.RemoveAt(names.Count - 1);
        }

        var blank = names.IndexOf("");
        return names.Count == 0
                ? throw new InputError($"{file}: has no class names; write one a line, the class 0 first")
            : blank >= 0
                ? throw new InputError(
                    $"{file}: line {blank + 1} is blank; the lines count, so write the name of class {blank}"
                )
            : names.Any(name => name.Any(char.IsControl))
                ? throw new InputError($"{file}: holds control characters; is it a list of names?")
            : names;
    }
}
