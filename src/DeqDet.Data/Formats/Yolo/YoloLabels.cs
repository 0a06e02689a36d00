using DeqDet.Coco;

namespace DeqDet.Data.Formats.Yolo;

/// <summary>
/// A part of a YOLO data set: image files, and for each a text file with a line a box. That one lies in <c>labels</c> where the image lies in
/// <c>images</c> (of the folders of its path the last one of that name; both may have other usual names), or else beside the image. An image
/// without it shows nothing.
/// </summary>
/// <param name="path">What messages call the whole: data.yaml or the list of classes.</param>
/// <param name="folder">Folder that file names are relative to.</param>
/// <param name="images">The image files, full paths below it, in ordinal order.</param>
/// <param name="classes">Names of the classes by their numbers.</param>
/// <param name="keyPoints">Numbers of key points a box; 0 but for data sets of poses.</param>
internal sealed class YoloLabels(
    string path,
    string folder,
    Lazy<IReadOnlyList<string>> images,
    IReadOnlyList<string> classes,
    int keyPoints
) : LabelFiles
{
    /// <summary>Greatest length of a label file, bytes.</summary>
    public const long MostBytes = 16 << 20;

    private static readonly string[] labelFolders = ["labels", "Labels", "label", "annotations", "Annotations", "txt"];

    /// <inheritdoc/>
    public override string Path => path;

    /// <inheritdoc/>
    public override string Format => YoloFormat.FormatName;

    /// <inheritdoc/>
    protected override int Count => images.Value.Count;

    /// <summary>The label file of an image: in <c>labels</c> beside <c>images</c>, or beside the image, whichever is there.</summary>
    public static string LabelOf(string image)
    {
        var beside = System.IO.Path.ChangeExtension(image, ".txt");
        var apart = Apart(beside);
        return apart.FirstOrDefault(File.Exists)
            ?? (
                File.Exists(beside)
                    ? beside
                    : apart.FirstOrDefault(HasFolder) ?? (IsBelowImages(beside) ? apart.First() : beside)
            );
    }

    /// <summary>Whether any image of a folder has a label file; those in folders below it are not looked at.</summary>
    public static bool AreOf(string images)
    {
        if (!Directory.Exists(images))
        {
            return false;
        }

        // Most folders of images have no texts anywhere, and very many images.
        var names = new Lazy<HashSet<string>>(() =>
            FolderImages.In(images).Select(NameOf).OfType<string>().ToHashSet(StringComparer.Ordinal)
        );
        return Apart(System.IO.Path.Combine(images, "any"))
            .Select(System.IO.Path.GetDirectoryName)
            .OfType<string>()
            .Append(images)
            .Where(Directory.Exists)
            .SelectMany(folder => Directory.EnumerateFiles(folder, "*.txt"))
            .Any(label => names.Value.Contains(NameOf(label)!));
    }

    // What lies beside an image as it would lie in a folder of labels.
    private static IEnumerable<string> Apart(string beside)
    {
        var (parts, at) = FolderOf(beside);
        return at < 0
            ? []
            : labelFolders.Select(folder => string.Join('/', [.. parts[..at], folder, .. parts[(at + 1)..]]));
    }

    // Where labels/ is expected, even if it is not there: another name may be that of any folder.
    private static bool IsBelowImages(string beside) =>
        FolderOf(beside) is (var parts, >= 0 and var at)
        && parts[at].Equals("images", StringComparison.OrdinalIgnoreCase);

    // The parts of a path, and which of them is the folder of images.
    private static (string[] Parts, int At) FolderOf(string beside)
    {
        var parts = beside.Split('/', '\\');
        return (parts, Array.FindLastIndex(parts, parts.Length - 2, FolderImages.IsUsualName));
    }

    private static string? NameOf(string file) => System.IO.Path.GetFileNameWithoutExtension(file);

    private static bool HasFolder(string file) => Directory.Exists(System.IO.Path.GetDirectoryName(file));

    /// <inheritdoc/>
    protected override LabelledImage ReadImage(int number)
    {
        var file = images.Value[number];
        var label = LabelOf(file);
        var image = new LabelledImage(FolderImages.NameIn(folder, file), FolderImages.NameIn(Root, label));
        if (!image.FindSize(file))
        {
            return image;
        }

        if (!File.Exists(label))
        {
            image.Faults.Add(new(FaultKind.ImageWithoutLabel, image.FileName, $"there is no {image.Label}"));
            return image;
        }

        try
        {
            var lines = TextFile.Lines(label, MostBytes);
            for (var i = 0; i < lines.Length; i++)
            {
                if (!string.IsNullOrWhiteSpace(lines[i]))
                {
                    YoloLine.Read(lines[i], i + 1, keyPoints, image);
                }
            }
        }
        catch (InputError error)
        {
            image.Fault(error, label);
        }

        return image;
    }

    /// <inheritdoc/>
    protected override IReadOnlyList<(string Key, string Name)> Classes(IReadOnlyList<LabelledImage> images) =>
        [.. classes.Select((name, number) => (YoloLine.Key(number), name))];

    /// <inheritdoc/>
    protected override string UnknownClass(string key) =>
        $"class {key} is not among the {Counted.Of(classes.Count, "class", "classes")} of {System.IO.Path.GetFileName(path)}, which are numbered from 0; "
        + "add its name there, or correct the line";

    /// <inheritdoc/>
    protected override void Remark(IAnnotationSink sink)
    {
        foreach (var shared in images.Value.GroupBy(LabelOf, StringComparer.Ordinal).Where(group => group.Count() > 1))
        {
            var names = shared.Select(file => FolderImages.NameIn(folder, file)).ToList();
            sink.Found(
                new(
                    FaultKind.SharedLabel,
                    names[1],
                    $"has the label file of {names[0]}, {FolderImages.NameIn(Root, shared.Key)}"
                )
            );
        }

        // Images that a list leaves to another part have labels, too.
        var known = Folders(images.Value).SelectMany(FolderImages.In).Select(LabelOf).ToHashSet(StringComparer.Ordinal);
        var folders = Folders(images.Value.Select(LabelOf));
        foreach (var label in folders.Where(Directory.Exists).Order(StringComparer.Ordinal).SelectMany(Labels))
        {
            if (!known.Contains(label))
            {
                sink.Found(
                    new(FaultKind.LabelWithoutImage, FolderImages.NameIn(Root, label), "there is no image of its name")
                );
            }
        }
    }

    private string Root => System.IO.Path.GetDirectoryName(path)!;

    private static IEnumerable<string> Folders(IEnumerable<string> files) =>
        files.Select(file => System.IO.Path.GetDirectoryName(file)!).Distinct(StringComparer.Ordinal);

    // Lists of classes and of images, and notes, lie beside labels.
    private static IEnumerable<string> Labels(string folder) =>
        Directory.EnumerateFiles(folder, "*.txt").Where(IsLabel).Order(StringComparer.Ordinal);

    private static bool IsLabel(string file)
    {
        using var reader = new StreamReader(file);
        var buffer = new char[64];
        var start = new string(buffer, 0, reader.Read(buffer)).TrimStart();
        return start.Length > 0 && (char.IsAsciiDigit(start[0]) || start[0] == '-') && start.Contains(' ');
    }
}
