using DeqDet.Settings;

namespace DeqDet.Data;

/// <summary>Annotation file and image folder of one part of a data set, as full paths that were found to exist.</summary>
public sealed record DataPart(string AnnotationFile, string ImageFolder)
{
    /// <summary>
    /// Resolves a part's settings below a data folder. The annotation file may also lie there gzip-compressed, with <c>.gz</c> added.
    /// </summary>
    /// <exception cref="InputError">The folder, the annotation file or the image folder is missing.</exception>
    public static DataPart Find(string root, SplitSettings split)
    {
        if (!Directory.Exists(root))
        {
            throw new InputError($"{root}: no such data folder; give the folder of a COCO-format data set with --data");
        }

        var annotations = Path.GetFullPath(Path.Combine(root, split.Annotations));
        if (!File.Exists(annotations) && File.Exists(annotations + ".gz"))
        {
            annotations += ".gz";
        }

        if (!File.Exists(annotations))
        {
            throw new InputError(
                $"{annotations}: no such annotation file; give the data folder with --data, or the file's place below it "
                    + $"with --set data.train.annotations=... and data.val.annotations=...{Present(root)}"
            );
        }

        var images = Path.GetFullPath(Path.Combine(root, split.Images));
        if (!Directory.Exists(images))
        {
            throw new InputError(
                $"{images}: no such image folder; give its place below the data folder with --set data.train.images=... and data.val.images=..."
                    + Folders(root)
            );
        }

        return new(annotations, images);
    }

    /// <summary>Reads the part.</summary>
    /// <exception cref="InputError">As <see cref="CocoDataset.Load"/>.</exception>
    public CocoDataset Load() => CocoDataset.Load(AnnotationFile, ImageFolder);

    private static string Present(string root)
    {
        var folder = Path.Combine(root, "annotations");
        var files = Directory.Exists(folder)
            ? Directory.EnumerateFiles(folder, "*.json*").Select(file => $"annotations/{Path.GetFileName(file)}")
            : Directory.EnumerateFiles(root, "*.json*").Select(file => Path.GetFileName(file));
        return Listed("JSON files there", files);
    }

    private static string Folders(string root) =>
        Listed("Folders there", Directory.EnumerateDirectories(root).Select(folder => Path.GetFileName(folder)));

    private static string Listed(string what, IEnumerable<string> names)
    {
        var sorted = names.Order(StringComparer.Ordinal).ToList();
        return sorted.Count == 0 ? ""
            : sorted.Count <= 8 ? $". {what}: {string.Join(", ", sorted)}"
            : $". {what}: {string.Join(", ", sorted.Take(8))} and {sorted.Count - 8} more";
    }
}
