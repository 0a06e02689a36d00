namespace DeqDet.Data.Formats.Voc;

/// <summary>
/// Pascal VOC's layouts: an XML file an image, in <c>Annotations/</c> with images in <c>JPEGImages/</c> and lists of the parts in
/// <c>ImageSets/Main/</c>; in other folders of such names; beside the images; and each of these in folders of parts.
/// </summary>
internal sealed class VocFormat : IDataFormat
{
    /// <summary>Name of the format.</summary>
    public const string FormatName = "Pascal VOC";

    private const long MostListBytes = 64 << 20;

    private static readonly string[] labelFolders = ["annotations", "annotation", "xml", "xmls", "labels"];
    private static readonly string[] imageFolders = ["jpegimages", "images", "image", "imgs", "img"];

    /// <inheritdoc/>
    public string Name => FormatName;

    /// <inheritdoc/>
    public string LookedFor => "Annotations/*.xml with JPEGImages/, or *.xml beside the images";

    /// <inheritdoc/>
    public Finding Find(string root)
    {
        var home = Home(root);
        var apart = LabelFolders.Named(home, labelFolders).SelectMany(PartNames.FoldersIn);
        var parts = new List<FoundPart>();
        foreach (var (role, folder) in PartNames.FoldersIn(home).Concat(apart))
        {
            if (Pair(folder) is { } pair && (pair.Images ?? Sibling(home, folder)) is { } images)
            {
                parts.Add(Part(root, role, Path.GetFileName(folder), pair.Labels, images, null));
            }
        }

        return parts.Count > 0 ? Joined(root, parts)
            : Pair(home) is not { } whole ? Finding.None
            : whole.Images is null
                ? Finding.Half(
                    $"{whole.Labels} has Pascal VOC labels, but there is no folder of their images (JPEGImages or images) in {home}"
                )
            : Parts(root, home, whole.Labels, whole.Images);
    }

    // VOCdevkit/VOC2012 is given as VOCdevkit, or as what lies around it.
    private static string Home(string root)
    {
        var below = Directory.EnumerateDirectories(root).ToList();
        return below.FirstOrDefault(folder => Path.GetFileName(folder) == "VOCdevkit") is { } kit ? Home(kit)
            : below
                .Where(folder => Path.GetFileName(folder).StartsWith("VOC20", StringComparison.Ordinal))
                .Take(2)
                .ToList()
                is [var only]
                ? only
            : root;
    }

    private static (string Labels, string? Images)? Pair(string folder)
    {
        var images = LabelFolders.Named(folder, imageFolders).FirstOrDefault();
        if (
            LabelFolders.Named(folder, labelFolders).FirstOrDefault(labels => HasLabels(labels, isDeep: true)) is
            { } labels
        )
        {
            return (
                labels,
                images
                    ?? (
                        FolderImages.Any(folder) ? folder
                        : FolderImages.Any(labels) ? labels
                        : null
                    )
            );
        }

        return HasLabels(folder, isDeep: false) ? (folder, FolderImages.Any(folder) ? folder : images) : null;
    }

    // annotations/train with images/train
    private static string? Sibling(string home, string labels) =>
        LabelFolders
            .Named(home, imageFolders)
            .Select(images => Path.Combine(images, Path.GetFileName(labels)))
            .FirstOrDefault(Directory.Exists);

    private static bool HasLabels(string folder, bool isDeep) =>
        LabelFolders.Any(folder, ".xml", isDeep, VocFile.IsOne);

    private static Finding Parts(string root, string home, string labels, string images)
    {
        var lists = Path.Combine(home, "ImageSets", "Main");
        string[] names = File.Exists(Path.Combine(lists, "train.txt"))
            ? ["train", "val", "test"]
            : ["trainval", "test"];
        var parts = names
            .Where(name => File.Exists(Path.Combine(lists, $"{name}.txt")))
            .Select(name =>
                Part(
                    root,
                    PartNames.RoleOf(name) ?? PartRole.Training,
                    name,
                    labels,
                    images,
                    Path.Combine(lists, $"{name}.txt")
                )
            )
            .ToList();
        return parts.Any(part => part.Role == PartRole.Training)
            ? Joined(root, parts)
            : Joined(root, [Part(root, PartRole.Whole, Path.GetFileName(root), labels, images, null)]);
    }

    private static Finding Joined(string root, List<FoundPart> parts)
    {
        NamedLabels.Join([.. parts.Select(part => (NamedLabels)part.Part.Source)]);
        return Finding.Of(new(root, FormatName, [.. parts.OrderBy(part => part.Role)]));
    }

    private static FoundPart Part(string root, PartRole role, string name, string labels, string images, string? list)
    {
        var stems = new Lazy<IReadOnlyList<string>>(() =>
            list is null
                ?
                [
                    .. LabelFolders
                        .Files(labels, ".xml", isDeep: labels != images)
                        .Select(file => ImageFinder.Stem(labels, file)),
                ]
                : Listed(list)
        );
        return new(role, new(new VocLabels(root, list ?? labels, labels, new(images), stems), images) { Name = name });
    }

    // A name a line; in the lists of single classes a number follows, which is not read.
    private static IReadOnlyList<string> Listed(string list) =>
        [
            .. TextFile
                .Lines(list, MostListBytes)
                .Select(line => line.Trim())
                .Where(line => line.Length > 0)
                .Distinct(StringComparer.Ordinal)
                .Order(StringComparer.Ordinal),
        ];
}
