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
        "_darknet.labels",
    ];

    /// <summary>Names of the files that are looked for, for messages.</summary>
    public const string LookedFor = "classes.txt or obj.names";

    /// <summary>
    /// The list of classes of a folder: in itself, among its labels or images, or in each part, as labelImg and Darknet's exports have it; null where
    /// there is none.
    /// </summary>
    /// <exception cref="InputError">Two parts have different lists.</exception>
    public static string? FileOf(string root)
    {
        string[] places = [root, .. PartNames.OtherFoldersIn(root)];
        return places.Select(FileIn).FirstOrDefault(file => file is not null)
            ?? Same([.. places.SelectMany(PartNames.FoldersIn).SelectMany(part => InPart(part.Folder)).Distinct()]);
    }

    // train/classes.txt and train/labels/classes.txt
    private static IEnumerable<string> InPart(string folder) =>
        PartNames.OtherFoldersIn(folder).Prepend(folder).Select(FileIn).OfType<string>();

    private static string? FileIn(string folder) =>
        files.Select(name => Path.Combine(folder, name)).FirstOrDefault(File.Exists)
        ?? Directory.EnumerateFiles(folder, "*.names").Order(StringComparer.Ordinal).FirstOrDefault();

    private static string? Same(List<string> lists)
    {
        if (lists.Count == 0)
        {
            return null;
        }

        var first = Read(lists[0]);
        var other = lists.Skip(1).FirstOrDefault(list => !Read(list).SequenceEqual(first));
        return other is null
            ? lists[0]
            : throw new InputError(
                $"{other}: lists other classes than {lists[0]}, and numbers in labels would mean different things; make the lists the same, or "
                    + "write one classes.txt beside the parts"
            );
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
