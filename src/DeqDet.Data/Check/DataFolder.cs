using DeqDet.Settings;

namespace DeqDet.Data.Check;

/// <summary>Finds the parts of a data set in its folder: annotation files and the folders of their images.</summary>
public static class DataFolder
{
    private const string CocoPrefix = "instances_";

    /// <summary>
    /// The parts of a folder. Annotation files are the <c>instances_*.json</c>, or else all <c>*.json</c>, of <c>annotations/</c>, or else of
    /// the folder itself, plain or with <c>.gz</c>. For <c>instances_train2017.json</c> the images are in <c>train2017</c>,
    /// <c>images/train2017</c>, <c>train</c>, <c>images/train</c> or <c>images</c>, whichever is there first. Roboflow's folders of parts, each
    /// with <c>_annotations.coco.json</c> beside its images, are found as well, and so is a single one of them.
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
        var files = Directory.Exists(annotations) ? Files(annotations) : [];
        if (files.Count == 0 && RoboflowLayout.Parts(root) is { Count: > 0 } parts)
        {
            return parts;
        }

        files = files.Count == 0 && !Directory.Exists(annotations) ? Files(root) : files;
        return files.Count == 0
            ? throw new InputError(
                $"{root}: no annotation file (*.json) in annotations/ or the folder itself; name the files with --annotations FILE --images DIR"
            )
            : [.. files.Select(file => new DataPart(file, RoboflowLayout.IsPart(file) ? root : Images(root, file)))];
    }

    /// <summary>A part by its files.</summary>
    /// <exception cref="InputError">One of them is missing.</exception>
    public static DataPart Pair(string annotations, string images) =>
        !File.Exists(annotations) ? throw new InputError($"{annotations}: no such annotation file")
        : !Directory.Exists(images) ? throw new InputError($"{images}: no such image folder")
        : new(Path.GetFullPath(annotations), Path.GetFullPath(images));

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
        return (instances.Count > 0 ? instances : all).DistinctBy(DataPart.NameOf).ToList();
    }

    private static string Images(string root, string file)
    {
        var name = DataPart.NameOf(file);
        var word = name.TrimEnd("0123456789".ToCharArray());
        string[] places = [name, $"images/{name}", word, $"images/{word}", "images"];
        var candidates = places.Where(place => place.Length > 0).Distinct().ToList();
        return candidates.Select(place => Path.Combine(root, place)).FirstOrDefault(Directory.Exists)
            ?? throw new InputError(
                $"{file}: no folder of its images below {root} (looked for {string.Join(", ", candidates)}); "
                    + $"name it with --annotations {Shell.quote(file)} --images {Likely(root)}"
            );
    }

    // A suggestion is to be pasted: where there is only one folder, it is that one.
    private static string Likely(string root)
    {
        var folders = Directory.EnumerateDirectories(root).Where(folder => Path.GetFileName(folder) != "annotations");
        return folders.Take(2).ToList() is [var only] ? Shell.quote(only) : "DIR";
    }
}
