using DeqDet.Settings;

namespace DeqDet.Data.Check;

/// <summary>Finds the parts of a data set in its folder: annotation files and the folders of their images.</summary>
public static class DataFolder
{
    private const string CocoPrefix = "instances_";

    /// <summary>
    /// The parts of a folder. Annotation files are the <c>instances_*.json</c>, or else all <c>*.json</c>, of <c>annotations/</c>, or else of
    /// the folder itself, plain or with <c>.gz</c>. For <c>instances_train2017.json</c> the images are in <c>train2017</c>,
    /// <c>images/train2017</c>, <c>train</c>, <c>images/train</c> or <c>images</c>, whichever is there first.
    /// </summary>
    /// <exception cref="InputError">The folder, an annotation file or an image folder is missing.</exception>
    public static IReadOnlyList<DataPart> Parts(string root)
    {
        if (!Directory.Exists(root))
        {
            throw new InputError($"{root}: no such data folder; name the folder of a COCO-format data set");
        }

        root = Path.GetFullPath(root);
        var annotations = Path.Combine(root, "annotations");
        var files = Files(Directory.Exists(annotations) ? annotations : root);
        return files.Count == 0
            ? throw new InputError(
                $"{root}: no annotation file (*.json) in annotations/ or the folder itself; name the files with --annotations FILE --images DIR"
            )
            : [.. files.Select(file => new DataPart(file, Images(root, file)))];
    }

    /// <summary>A part by its files.</summary>
    /// <exception cref="InputError">One of them is missing.</exception>
    public static DataPart Pair(string annotations, string images) =>
        !File.Exists(annotations) ? throw new InputError($"{annotations}: no such annotation file")
        : !Directory.Exists(images) ? throw new InputError($"{images}: no such image folder")
        : new(Path.GetFullPath(annotations), Path.GetFullPath(images));

    /// <summary>The short name of an annotation file: <c>train2017</c> of <c>instances_train2017.json.gz</c>.</summary>
    public static string NameOf(string annotationFile)
    {
        var name = Path.GetFileName(annotationFile);
        foreach (var ending in (ReadOnlySpan<string>)[".gz", ".json"])
        {
            name = name.EndsWith(ending, StringComparison.OrdinalIgnoreCase) ? name[..^ending.Length] : name;
        }

        return name.Length > CocoPrefix.Length && name.StartsWith(CocoPrefix, StringComparison.Ordinal)
            ? name[CocoPrefix.Length..]
            : name;
    }

    private static List<string> Files(string folder)
    {
        var all = Directory
            .EnumerateFiles(folder)
            .Where(file =>
                file.EndsWith(".json", StringComparison.OrdinalIgnoreCase)
                || file.EndsWith(".json.gz", StringComparison.OrdinalIgnoreCase)
            )
            .Order(StringComparer.Ordinal)
            .ToList();
        var instances = all.Where(file => Path.GetFileName(file).StartsWith(CocoPrefix, StringComparison.Ordinal))
            .ToList();
        // One that lies there both plain and compressed is one; training reads the plain one.
        return (instances.Count > 0 ? instances : all).DistinctBy(NameOf).ToList();
    }

    private static string Images(string root, string file)
    {
        var name = NameOf(file);
        var word = name.TrimEnd("0123456789".ToCharArray());
        string[] places = [name, $"images/{name}", word, $"images/{word}", "images"];
        var candidates = places.Where(place => place.Length > 0).Distinct().ToList();
        return candidates.Select(place => Path.Combine(root, place)).FirstOrDefault(Directory.Exists)
            ?? throw new InputError(
                $"{file}: no folder of its images below {root} (looked for {string.Join(", ", candidates)}); "
                    + "name it with --annotations FILE --images DIR"
            );
    }
}
