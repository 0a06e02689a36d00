using DeqDet.Coco;
using DeqDet.Data.Formats.LabelStudio;

namespace DeqDet.Data.Formats;

/// <summary>
/// COCO's files in <c>annotations/</c> or in the folder itself, with image folders beside them: COCO's own layout, the exports of CVAT
/// (<c>annotations/instances_default.json</c>) and Label Studio (<c>result.json</c>), and any one file with one image folder; a file in each folder
/// of a part, whatever it is called; and files in <c>labels/</c> and the like. Label Studio's own JSON is found the same way.
/// </summary>
internal sealed class CocoFormat : IDataFormat
{
    private const string CocoPrefix = "instances_";

    private static readonly string[] labelFolders =
    [
        "annotations",
        "annotation",
        "annots",
        "labels",
        "label",
        "json",
        "jsons",
        "coco",
    ];

    private static ReadOnlySpan<string> Keys => new[] { "images", "annotations" };

    /// <inheritdoc/>
    public string Name => "COCO";

    /// <inheritdoc/>
    public string LookedFor => "*.json in annotations/ or the folder itself, with images";

    /// <inheritdoc/>
    public Finding Find(string root)
    {
        var annotations = Path.Combine(root, "annotations");
        var files = Directory.Exists(annotations) ? Files(annotations) : [];
        if (files.Count == 0 && RoboflowLayout.Parts(root).Count > 0)
        {
            return Finding.None;
        }

        var all = files.Count == 0 ? Files(root) : files;
        // Tools write notes and settings beside the annotations of other formats.
        files = files.Count == 0 ? [.. all.Where(file => !IsOther(file))] : files;
        return files.Count > 0 ? Of(root, Paired(root, files))
            : InParts(root) is { Count: > 0 } parts ? Of(root, parts)
            : FolderImages.NamedIn(root, labelFolders).Select(In).FirstOrDefault(found => found.Count > 0) is { } apart
                ? Of(root, Paired(root, apart))
            : all.Count > 0
                ? Finding.Half(
                    $"{all[0]}: has no \"images\" list; a COCO annotation file needs images, annotations and categories"
                )
            : Finding.None;
    }

    private Finding Of(string root, IReadOnlyList<(string File, string? Images, string? Name)> found)
    {
        if (found.FirstOrDefault(entry => entry.Images is null) is { File: { } file })
        {
            return Finding.Half(NoImages(root, file));
        }

        var parts = found
            .Select(entry => (Part: DataPart.Of(root, entry.File, entry.Images!), entry.Name))
            .Select(entry => entry.Name is { } name ? entry.Part with { Name = name } : entry.Part)
            .ToList();
        NamedLabels.Join([.. parts.Select(part => part.Source).OfType<NamedLabels>()]);
        return Finding.Of(new(root, Name, [.. Roles(parts)]));
    }

    // train/annotations.json with train/images, or in train/annotations; the folder is the part's name.
    private static List<(string File, string? Images, string? Name)> InParts(string root) =>
        [
            .. PartNames
                .FoldersIn(root)
                .SelectMany(part =>
                    PartNames
                        .OtherFoldersIn(part.Folder)
                        .Prepend(part.Folder)
                        .Select(In)
                        .FirstOrDefault(files => files.Count > 0, [])
                        .Take(1)
                        .Select(file =>
                            (
                                file,
                                FolderImages.NamedIn(part.Folder).FirstOrDefault()
                                    ?? (FolderImages.Any(part.Folder) ? part.Folder : Only(part.Folder)),
                                Path.GetFileName(part.Folder)
                            )
                        )
                ),
        ];

    private static bool IsOther(string file) => LabelJson.LacksKeys(file, Keys) && !LabelStudioTasks.IsOne(file);

    // Files that say themselves that they are of this kind.
    private static List<string> In(string folder) => [.. Files(folder).Where(file => LabelJson.HasKey(file, 1, Keys))];

    /// <summary>What reads an annotation file of this kind.</summary>
    /// <param name="root">The data folder.</param>
    /// <param name="file">The file.</param>
    /// <param name="images">The folder of its images.</param>
    internal static IAnnotationSource SourceOf(string root, string file, string images) =>
        LabelStudioTasks.IsOne(file) ? new LabelStudioTasks(root, file, images)
        : IsOfLabelStudio(file) ? new LabelStudioFile(file, images)
        : new CocoFile(file);

    // A single file is everything, whatever it is called. Of several, those without a usual name have no role in training, and those of a usual
    // name come before those with it in their names.
    private static IEnumerable<FoundPart> Roles(List<DataPart> parts)
    {
        var known = parts.Select(part => PartNames.RoleOf(part.Name)).OfType<PartRole>().ToHashSet();
        var roles = parts.Select(part => (Part: part, Role: RoleOf(part.Name))).ToList();
        return roles is [{ Role: not PartRole.Training }]
            ? [new(PartRole.Whole, parts[0])]
            : roles.Select(entry => new FoundPart(entry.Role ?? PartRole.Other, entry.Part));

        PartRole? RoleOf(string name) =>
            PartNames.RoleOf(name)
            ?? (
                PartNames.WordIn(name) is { } word && PartNames.RoleOf(word) is { } role && !known.Contains(role)
                    ? role
                    : null
            );
    }

    private static IReadOnlyList<(string File, string? Images, string? Name)> Paired(string root, List<string> files) =>
        [
            .. files.Select(file =>
                (
                    file,
                    RoboflowLayout.IsPart(file) ? root : Images(root, file) ?? (files.Count == 1 ? Only(root) : null),
                    (string?)null
                )
            ),
        ];

    // Of one file: images in one folder alone, whatever that is called, be they in folders below it.
    private static string? Only(string root)
    {
        var folders = PartNames
            .FoldersIn(root)
            .Select(part => part.Folder)
            .Concat(PartNames.OtherFoldersIn(root))
            .Where(folder => Path.GetFileName(folder) != "annotations")
            .ToList();
        var places = folders.Append(root).Where(FolderImages.Any).Take(2).ToList();
        return places is [var only] ? only
            : places.Count == 0 && folders.Where(FolderImages.AnyBelow).Take(2).ToList() is [var deep] ? deep
            : null;
    }

    private static bool IsOfLabelStudio(string file) =>
        Path.GetFileName(file).StartsWith("result", StringComparison.OrdinalIgnoreCase);

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
        // A file an image is LabelMe's way.
        if (all.Take(20).Any(LabelMe.LabelMeFile.IsOne))
        {
            return [];
        }

        var instances = all.Where(file => Path.GetFileName(file).StartsWith(CocoPrefix, StringComparison.Ordinal))
            .ToList();
        // One that lies there both plain and compressed is one; training reads the plain one.
        return (instances.Count > 0 ? instances : all).DistinctBy(DataPart.NameOf).ToList();
    }

    private static IReadOnlyList<string> Places(string file)
    {
        var name = DataPart.NameOf(file);
        var part = PartNames.WordIn(name) ?? name;
        var names = new[] { name, WithoutYear(name), part, WithoutYear(part) }.Where(word => word.Length > 0);
        return [.. names.SelectMany(word => new[] { word, $"images/{word}" }).Concat(["images", "data"]).Distinct()];
    }

    private static string WithoutYear(string name) => name.TrimEnd("0123456789".ToCharArray());

    private static string? Images(string root, string file) =>
        Places(file).Select(place => Path.Combine(root, place)).FirstOrDefault(Directory.Exists);

    private static string NoImages(string root, string file) =>
        $"{file}: no folder of its images below {root} (looked for {string.Join(", ", Places(file))}); "
        + $"name it with --annotations {Shell.quote(file)} --images {Likely(root)}";

    // A suggestion is to be pasted: where there is only one folder, it is that one.
    private static string Likely(string root)
    {
        var folders = Directory.EnumerateDirectories(root).Where(folder => Path.GetFileName(folder) != "annotations");
        return folders.Take(2).ToList() is [var only] ? Shell.quote(only) : "DIR";
    }
}
