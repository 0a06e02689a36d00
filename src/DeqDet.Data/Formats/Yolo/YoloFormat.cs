using DeqDet.Coco;

namespace DeqDet.Data.Formats.Yolo;

/// <summary>
/// YOLO's layouts: a <c>data.yaml</c> that names classes and places of the images, as ultralytics and Roboflow write it; Darknet's
/// <c>obj.data</c>; or a list of classes (<c>classes.txt</c>) with <c>images/</c> and <c>labels/</c> side by side, those of each part below them or
/// in the parts' own folders, or label files beside the images.
/// </summary>
internal sealed class YoloFormat : IDataFormat
{
    /// <summary>Name of the format.</summary>
    public const string FormatName = "YOLO";

    /// <inheritdoc/>
    public string Name => FormatName;

    /// <inheritdoc/>
    public string LookedFor => "data.yaml, or classes.txt with labels/*.txt";

    /// <inheritdoc/>
    public Finding Find(string root) =>
        YoloYaml.FileOf(root) is { } yaml ? Described(root, yaml)
        : Darknet.FileOf(root) is { } darknet ? Described(root, darknet, Darknet.Read(darknet))
        : Listed(root);

    private static Finding Described(string root, string yaml)
    {
        var said = YoloYaml.Read(yaml);
        return said.Parts.Count == 0 ? ByFolders(root, yaml, said.Names, said.KeyPoints) : Described(root, yaml, said);
    }

    private static Finding Described(string root, string file, YoloYaml said)
    {
        var parts = new List<FoundPart>();
        foreach (var (role, entries) in said.Parts.OrderBy(part => part.Key))
        {
            var places = entries.Select(entry => YoloPlaces.Find(root, said.Path, entry)).ToList();
            if (places.IndexOf(null) is >= 0 and var missing)
            {
                // a test part that was not unpacked is no reason to stop
                if (role == PartRole.Test)
                {
                    continue;
                }

                return Finding.Half(
                    $"{file}: there is no {entries[missing]}, which it names for {Word(role)}; looked for below {root}"
                        + (said.Path is null ? "" : $" and {said.Path}")
                );
            }

            parts.Add(new(role, Part(root, file, Word(role), [.. places.Select(place => place!)], said)));
        }

        return parts.Any(part => part.Role != PartRole.Test)
            ? Finding.Of(new(root, FormatName, parts))
            : Finding.Half($"{file}: names no images to train on; write train and val");
    }

    private static DataPart Part(string root, string file, string name, IReadOnlyList<string> places, YoloYaml said)
    {
        var folders = places.Where(Directory.Exists).ToList();
        var isSingle = places.Count == 1 && folders.Count == 1;
        var isInside = places.All(place => IsBelow(root, place));
        var folder =
            isSingle ? places[0]
            : isInside ? root
            : Common([root, .. places]);
        var images = new Lazy<IReadOnlyList<string>>(() =>
            [.. places.SelectMany(place => YoloPlaces.Images(root, place)).Distinct(StringComparer.Ordinal)]
        );
        return new(new YoloLabels(file, folder, images, said.Names, said.KeyPoints), folder)
        {
            Name = name,
            Found = isInside
                ? []
                :
                [
                    new(
                        FaultKind.Elsewhere,
                        "",
                        $"{file}: the images for {name} are outside its folder, in {places.First(place => !IsBelow(root, place))}"
                    ),
                ],
        };
    }

    private static Finding Listed(string root) =>
        Parts(root, "", [], 0).FirstOrDefault() is not { } part ? Finding.None
        : YoloNames.FileOf(root) is { } names
            ? Finding.Of(new(root, FormatName, Parts(root, names, YoloNames.Read(names), 0)))
        : Finding.Half(
            $"{part.Part.ImageFolder} has YOLO labels, but {root} has no list of their classes; write data.yaml with names, or "
                + $"{YoloNames.LookedFor} with a name a line, the class 0 first"
        );

    private static Finding ByFolders(string root, string file, IReadOnlyList<string> classes, int keyPoints) =>
        Parts(root, file, classes, keyPoints) is { Count: > 0 } parts
            ? Finding.Of(new(root, FormatName, parts))
            : Finding.Half($"{file}: names classes, but there are no images with labels/*.txt below {root}");

    // images/train and labels/train; train/images and train/labels; train/ with both; or the same without parts. images/ may be called otherwise.
    private static List<FoundPart> Parts(string root, string file, IReadOnlyList<string> classes, int keyPoints)
    {
        var images = FolderImages.NamedIn(root);
        var below = images
            .SelectMany(PartNames.FoldersIn)
            .Concat(PartNames.FoldersIn(root))
            .Select(entry => (entry.Role, Images(entry.Folder), entry.Folder))
            .Where(entry => YoloLabels.AreOf(entry.Item2))
            .ToList();
        var parts = below.Select(entry =>
            (Role: entry.Role, Folder: entry.Item2, Name: Path.GetFileName(entry.Folder))
        );
        if (below.Count == 0)
        {
            parts = images
                .Append(root)
                .Append(FolderImages.OnlyOther(root) ?? root)
                .Where(YoloLabels.AreOf)
                .Take(1)
                .Select(folder => (PartRole.Whole, folder, Path.GetFileName(root)));
        }

        return
        [
            .. parts
                .OrderBy(part => part.Role)
                .Select(part => new FoundPart(
                    part.Role,
                    new(
                        new YoloLabels(
                            file,
                            part.Folder,
                            new(() => FolderImages.Below(part.Folder)),
                            classes,
                            keyPoints
                        ),
                        part.Folder
                    )
                    {
                        Name = part.Name,
                    }
                )),
        ];
    }

    private static string Images(string folder) => FolderImages.NamedIn(folder) is [var below, ..] ? below : folder;

    private static bool IsBelow(string root, string path) =>
        path == root
        || path.StartsWith(
            Path.TrimEndingDirectorySeparator(root) + Path.DirectorySeparatorChar,
            StringComparison.Ordinal
        );

    private static string Common(IReadOnlyList<string> paths)
    {
        var common = paths[0];
        while (!paths.All(path => IsBelow(common, path)))
        {
            common = Path.GetDirectoryName(common) ?? Path.GetPathRoot(common)!;
        }

        return common;
    }

    private static string Word(PartRole role) =>
        role switch
        {
            PartRole.Training => "train",
            PartRole.Validation => "val",
            _ => "test",
        };
}
