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

    private static readonly LabelKind kind = new(
        FormatName,
        ".xml",
        ["annotations", "annotation", "xml", "xmls", "labels"],
        VocFile.IsOne
    );

    /// <inheritdoc/>
    public string Name => FormatName;

    /// <inheritdoc/>
    public string LookedFor => "Annotations/*.xml with JPEGImages/, or *.xml in any folder or beside the images";

    /// <inheritdoc/>
    public Finding Find(string root)
    {
        var home = Home(root);
        var (parts, missing) = PairedFolders.Find(home, kind);
        return missing is not null ? Finding.Half(missing)
            : parts.Count == 0 ? Finding.None
            : Joined(root, [.. parts.SelectMany(part => Parts(root, home, part))]);
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

    // The parts that ImageSets lists of all, if it lists any to train on.
    private static IEnumerable<FoundPart> Parts(string root, string home, PairedPart all)
    {
        var lists = Path.Combine(home, "ImageSets", "Main");
        string[] names = File.Exists(Path.Combine(lists, "train.txt"))
            ? ["train", "val", "test"]
            : ["trainval", "test"];
        var listed = names
            .Where(name => all.Role == PartRole.Whole && File.Exists(Path.Combine(lists, $"{name}.txt")))
            .Select(name =>
                Part(
                    root,
                    all with
                    {
                        Role = PartNames.RoleOf(name) ?? PartRole.Training,
                        Name = name,
                    },
                    Path.Combine(lists, $"{name}.txt")
                )
            )
            .ToList();
        return listed.Any(part => part.Role == PartRole.Training) ? listed : [Part(root, all, null)];
    }

    private static Finding Joined(string root, List<FoundPart> parts)
    {
        NamedLabels.Join([.. parts.Select(part => (NamedLabels)part.Part.Source)]);
        return Finding.Of(new(root, FormatName, [.. parts.OrderBy(part => part.Role)]));
    }

    private static FoundPart Part(string root, PairedPart part, string? list)
    {
        var (labels, images) = (part.Labels, part.Images);
        var stems = new Lazy<IReadOnlyList<string>>(() =>
            list is null
                ? [.. PairedFolders.Files(part, kind).Select(file => ImageFinder.Stem(labels, file))]
                : Names(list)
        );
        return new(
            part.Role,
            new(new VocLabels(root, list ?? labels, labels, new(images), stems), images) { Name = part.Name }
        );
    }

    // A name a line; in the lists of single classes a number follows, which is not read.
    private static IReadOnlyList<string> Names(string list) =>
        [
            .. TextFile
                .Lines(list, MostListBytes)
                .Select(line => line.Trim())
                .Where(line => line.Length > 0)
                .Distinct(StringComparer.Ordinal)
                .Order(StringComparer.Ordinal),
        ];
}
