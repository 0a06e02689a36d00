using DeqDet.Coco;
using DeqDet.Data.Formats;
using DeqDet.Data.Splitting;
using DeqDet.Settings;

namespace DeqDet.Data;

/// <summary>One part of a data set: where its annotations come from, and the folder of its images.</summary>
/// <param name="Source">Its annotations, in whatever format they are.</param>
/// <param name="ImageFolder">The folder that file names of images are relative to, a full path.</param>
public sealed record DataPart(IAnnotationSource Source, string ImageFolder)
{
    private const string CocoPrefix = "instances_";

    private readonly string? name;

    /// <summary>A file of COCO's format with a folder of images, as full paths.</summary>
    public DataPart(string annotationFile, string imageFolder)
        : this(new CocoFile(annotationFile), imageFolder) { }

    /// <summary>The file or folder that stands for the annotations: COCO's file, a YOLO set's data.yaml.</summary>
    public string AnnotationFile => Source.Path;

    /// <summary>A line for the user about how the part was chosen; null where it is as the settings say.</summary>
    public string? Notice { get; init; }

    /// <summary>The share of the images that is meant; null: all of them.</summary>
    public DataShare? Share { get; init; }

    /// <summary>Remarks of the recognition of its format.</summary>
    public IReadOnlyList<AnnotationFault> Found { get; init; } = [];

    /// <summary>
    /// Short name: <c>train2017</c> of <c>instances_train2017.json.gz</c>, <c>valid</c> of <c>valid/_annotations.coco.json</c>; of other
    /// formats as their folders say.
    /// </summary>
    public string Name
    {
        get => name ?? NameOf(AnnotationFile);
        init => name = value;
    }

    /// <summary>
    /// Resolves a part's settings below a data folder. The annotation file may also lie there gzip-compressed, with <c>.gz</c> added. Where
    /// there is none of the usual name (<c>train</c>, <c>val2017</c> and the like), the folder may hold a data set in any of the layouts and
    /// formats that <see cref="DataFormats"/> recognises; without a validation part, <c>test</c> is validated on, or a share of all images.
    /// </summary>
    /// <param name="root">The data folder.</param>
    /// <param name="split">The part's settings.</param>
    /// <param name="auto">The share that is kept for validation where no part is; null: the default one.</param>
    /// <exception cref="InputError">The folder, the annotation file or the image folder is missing.</exception>
    public static DataPart Find(string root, SplitSettings split, AutoSplitSettings? auto = null)
    {
        if (!Directory.Exists(root))
        {
            throw new InputError($"{root}: no such data folder; give the folder of a data set with --data");
        }

        var annotations = Annotations(root, split);
        if (!File.Exists(annotations))
        {
            var word = UsualWord(split);
            var (data, halves) = word is null ? default : DataFormats.Look(Path.GetFullPath(root));
            if (data?.For(word == "train", auto ?? AutoSplitSettings.Default) is { } part)
            {
                return part.IsThere
                    ? part
                    : throw new InputError(
                        $"{part.AnnotationFile}: no such annotation file; export the part {part.Name} again, or remove its folder"
                    );
            }

            throw new InputError(
                $"{annotations}: no such annotation file; give the data folder with --data, or the file's place below it "
                    + $"with --set data.train.annotations=... and data.val.annotations=...{Present(root)}"
                    + (word is null ? "" : $". Otherwise, {DataFormats.Missing(halves!)}")
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

        return Of(Path.GetFullPath(root), annotations, images);
    }

    /// <summary>A file with a folder of images, as full paths: COCO's format, or one of Label Studio's.</summary>
    /// <param name="root">The data folder; a <c>classes.txt</c> in it orders classes that have no ids.</param>
    /// <param name="annotationFile">The file.</param>
    /// <param name="imageFolder">The folder.</param>
    internal static DataPart Of(string root, string annotationFile, string imageFolder) =>
        new(CocoFormat.SourceOf(root, annotationFile, imageFolder), imageFolder);

    /// <summary>Whether both files of a part are there.</summary>
    public static bool IsThereIn(string root, SplitSettings split)
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

    /// <summary>The part with its images in another folder.</summary>
    /// <exception cref="InputError">That is not there.</exception>
    public DataPart WithImages(string folder) =>
        Directory.Exists(folder)
            ? this with
            {
                ImageFolder = Path.GetFullPath(folder),
            }
            : throw new InputError($"{folder}: no such image folder");

    /// <summary>Reads the annotations, of the part's share of the images.</summary>
    /// <param name="annotationsOptional">Whether annotations may be missing, as in COCO's test files.</param>
    /// <param name="imagesOptional">Whether images are left out whose size has to be looked up in a file that is missing or damaged.</param>
    /// <exception cref="InputError">As <see cref="DeqDet.Coco.AnnotationFile.Read(IAnnotationSource, AnnotationUse, bool, bool)"/>.</exception>
    public AnnotationFile Read(bool annotationsOptional = false, bool imagesOptional = false)
    {
        var file = DeqDet.Coco.AnnotationFile.Read(Source, AnnotationUse.Images, annotationsOptional, imagesOptional);
        return Share is null ? file : file.Only(Share.Of(file));
    }

    /// <summary>Reads the annotations of all images as far as they can be read; <paramref name="found"/> gets every fault and remark.</summary>
    public AnnotationFile Survey(Action<AnnotationFault> found)
    {
        foreach (var remark in Found)
        {
            found(remark);
        }

        return DeqDet.Coco.AnnotationFile.Survey(Source, found);
    }

    /// <summary>
    /// Reads the part to train on. A class that only groups the others, as Roboflow's files have it, is left out.
    /// </summary>
    /// <exception cref="InputError">As <see cref="CocoDataset.Load"/>.</exception>
    public CocoDataset Load() => Load(Read());

    /// <summary>The part's images, of its annotations that were read before.</summary>
    /// <exception cref="InputError">As <see cref="CocoDataset.Of"/>.</exception>
    public CocoDataset Load(AnnotationFile file)
    {
        var all = CocoDataset.Of(file, ImageFolder);
        var data = RootCategory.LeaveOut(all, Source);
        var root = all.Categories[0];
        string[] said =
            data.Categories.Count < all.Categories.Count
                ?
                [
                    $"{AnnotationFile}: the class {root.Id} {root.Name} has no boxes and only groups the others; it is left out",
                ]
                : [];
        return data with { Notices = [.. Notices(), .. said, .. all.Notices] };
    }

    /// <summary>Reads the part for a model with these classes.</summary>
    /// <exception cref="InputError">As <see cref="CocoDataset.Load"/>, or the classes differ.</exception>
    public CocoDataset LoadFor(IReadOnlyList<ObjectClass> classes) => LoadFor(ReadFor(classes), classes);

    /// <summary>
    /// Reads the annotations for a model with these classes. Where the format states no ids, the classes are the model's if their names are.
    /// </summary>
    /// <inheritdoc cref="Read(bool, bool)"/>
    public AnnotationFile ReadFor(IReadOnlyList<ObjectClass> classes, bool annotationsOptional = false)
    {
        var file = Read(annotationsOptional);
        return Source.StatesClassIds ? file : file.ByName(classes) ?? file;
    }

    /// <summary>The same of a file that was read before; a class that only groups the others is one of the model's or none.</summary>
    /// <exception cref="InputError">As <see cref="CocoDataset.Of"/>, or the classes differ.</exception>
    public CocoDataset LoadFor(AnnotationFile file, IReadOnlyList<ObjectClass> classes)
    {
        // COCO's test files list images alone
        var all = CocoDataset.Of(file, ImageFolder, file.HasAnnotations ? null : classes);
        var data = all.Categories.SequenceEqual(classes) ? all : RootCategory.LeaveOut(all, Source);
        return data.Categories.SequenceEqual(classes)
            ? data with
            {
                Notices = [.. Notices(), .. data.Notices],
            }
            : throw new InputError(
                $"{AnnotationFile}: its {data.Categories.Count} classes ({Some(data.Categories)}) are not the model's {classes.Count} "
                    + $"({Some(classes)}){Only("the file", data.Categories, classes)}{Only("the model", classes, data.Categories)}; "
                    + $"categories need the same {(Source.StatesClassIds ? "ids and " : "")}names"
            );
    }

    // Files that are read only in training: everything else is found by looking.
    private bool IsThere => Source is not CocoFile || File.Exists(AnnotationFile);

    private IEnumerable<string> Notices()
    {
        if (Notice is not null)
        {
            yield return Notice;
        }

        if (Share is not null)
        {
            yield return Share.Notice(AnnotationFile);
        }

        foreach (var remark in Found)
        {
            yield return remark.Reason;
        }
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
