using DeqDet.Coco;
using DeqDet.Settings;

namespace DeqDet.Data;

/// <summary>Annotation file and image folder of one part of a data set, as full paths.</summary>
public sealed record DataPart(string AnnotationFile, string ImageFolder)
{
    private const string CocoPrefix = "instances_";

    /// <summary>A line for the user about how the part was chosen; null where it is as the settings say.</summary>
    public string? Notice { get; init; }

    /// <summary>
    /// Short name: <c>train2017</c> of <c>instances_train2017.json.gz</c>, <c>valid</c> of <c>valid/_annotations.coco.json</c>.
    /// </summary>
    public string Name => NameOf(AnnotationFile);

    /// <summary>
    /// Resolves a part's settings below a data folder. The annotation file may also lie there gzip-compressed, with <c>.gz</c> added. Where
    /// there is none of the usual name (<c>train</c>, <c>val2017</c> and the like), the folder may have Roboflow's layout, <c>train/</c>,
    /// <c>valid/</c> and <c>test/</c> with <c>_annotations.coco.json</c> in each; without a validation part, <c>test</c> is validated on.
    /// </summary>
    /// <exception cref="InputError">The folder, the annotation file or the image folder is missing.</exception>
    public static DataPart Find(string root, SplitSettings split)
    {
        if (!Directory.Exists(root))
        {
            throw new InputError($"{root}: no such data folder; give the folder of a COCO-format data set with --data");
        }

        var annotations = Annotations(root, split);
        if (!File.Exists(annotations))
        {
            if (
                UsualWord(split) is { } word
                && RoboflowLayout.Find(Path.GetFullPath(root), word == "train") is { } part
            )
            {
                return part;
            }

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

    /// <summary>Whether both files of a part are there.</summary>
    public static bool IsThere(string root, SplitSettings split)
    {
        try
        {
            Find(root, split);
            return true;
        }
        catch (InputError)
        {
            return false;
        }
    }

    /// <summary>The short name of an annotation file.</summary>
    public static string NameOf(string annotationFile)
    {
        if (RoboflowLayout.IsPart(annotationFile))
        {
            return Path.GetFileName(Path.GetDirectoryName(Path.GetFullPath(annotationFile))!);
        }

        var name = Path.GetFileName(annotationFile);
        foreach (var ending in (ReadOnlySpan<string>)[".gz", ".json"])
        {
            name = name.EndsWith(ending, StringComparison.OrdinalIgnoreCase) ? name[..^ending.Length] : name;
        }

        return name.Length > CocoPrefix.Length && name.StartsWith(CocoPrefix, StringComparison.Ordinal)
            ? name[CocoPrefix.Length..]
            : name;
    }

    /// <summary>
    /// Reads the part to train on. A class that only groups the others, as Roboflow's files have it, is left out.
    /// </summary>
    /// <exception cref="InputError">As <see cref="CocoDataset.Load"/>.</exception>
    public CocoDataset Load() => Load(DeqDet.Coco.AnnotationFile.Read(AnnotationFile, AnnotationUse.Images));

    /// <summary>The part's images, of its annotation file that was read before.</summary>
    /// <exception cref="InputError">As <see cref="CocoDataset.Of"/>.</exception>
    public CocoDataset Load(AnnotationFile file)
    {
        var all = CocoDataset.Of(file, ImageFolder);
        var data = RootCategory.LeaveOut(all, AnnotationFile);
        var root = all.Categories[0];
        string[] said =
            data.Categories.Count < all.Categories.Count
                ?
                [
                    $"{AnnotationFile}: the class {root.Id} {root.Name} has no boxes and only groups the others; it is left out",
                ]
                : [];
        return data with { Notices = [.. Notice is null ? said : [Notice, .. said], .. all.Notices] };
    }

    /// <summary>Reads the part for a model with these classes.</summary>
    /// <exception cref="InputError">As <see cref="CocoDataset.Load"/>, or the classes differ.</exception>
    public CocoDataset LoadFor(IReadOnlyList<ObjectClass> classes) =>
        LoadFor(DeqDet.Coco.AnnotationFile.Read(AnnotationFile, AnnotationUse.Images), classes);

    /// <summary>The same of a file that was read before; a class that only groups the others is one of the model's or none.</summary>
    /// <exception cref="InputError">As <see cref="CocoDataset.Of"/>, or the classes differ.</exception>
    public CocoDataset LoadFor(AnnotationFile file, IReadOnlyList<ObjectClass> classes)
    {
        // COCO's test files list images alone
        var all = CocoDataset.Of(file, ImageFolder, file.HasAnnotations ? null : classes);
        var data = all.Categories.SequenceEqual(classes) ? all : RootCategory.LeaveOut(all, AnnotationFile);
        return data.Categories.SequenceEqual(classes)
            ? data with
            {
                Notices = [.. Notice is null ? [] : (string[])[Notice], .. data.Notices],
            }
            : throw new InputError(
                $"{AnnotationFile}: its {data.Categories.Count} classes ({Some(data.Categories)}) are not the model's {classes.Count} "
                    + $"({Some(classes)}){Only("the file", data.Categories, classes)}{Only("the model", classes, data.Categories)}; "
                    + "categories need the same ids and names"
            );
    }

    private static string Only(string where, IReadOnlyList<ObjectClass> classes, IReadOnlyList<ObjectClass> others) =>
        classes.Except(others).ToList() is { Count: > 0 } only ? $"; only in {where}: {Some(only)}" : "";

    private static string Some(IReadOnlyList<ObjectClass> classes) =>
        string.Join(", ", classes.Take(4).Select(category => $"{category.Id} {category.Name}"))
        + (classes.Count > 4 ? ", ..." : "");

    private static string Annotations(string root, SplitSettings split)
    {
        var file = Path.GetFullPath(Path.Combine(root, split.Annotations));
        return !File.Exists(file) && File.Exists(file + ".gz") ? file + ".gz" : file;
    }

    // Of a name that somebody chose, nothing else is a sensible reading.
    private static string? UsualWord(SplitSettings split) =>
        NameOf(split.Annotations).TrimEnd("0123456789".ToCharArray()) is ("train" or "val") and var word ? word : null;

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
