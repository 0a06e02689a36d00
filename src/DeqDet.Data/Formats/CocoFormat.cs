using DeqDet.Coco;
using DeqDet.Data.Formats.LabelStudio;

namespace DeqDet.Data.Formats;

/// <summary>
/// COCO's files in <c>annotations/</c> or in the folder itself, with image folders beside them: COCO's own layout, the exports of CVAT
/// (<c>annotations/instances_default.json</c>) and Label Studio (<c>result.json</c>), and any one file with one image folder. Label Studio's own
/// JSON is found the same way.
/// </summary>
internal sealed class CocoFormat : IDataFormat
{
    private const string CocoPrefix = "instances_";

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

        files = files.Count == 0 ? Files(root) : files;
        var parts = new List<FoundPart>();
        foreach (var file in files)
        {
            var isBeside = RoboflowLayout.IsPart(file);
            if ((isBeside ? root : Images(root, file) ?? Only(root, files)) is not { } folder)
            {
                return Finding.Half(NoImages(root, file));
            }

            var part = DataPart.Of(root, file, folder);
            parts.Add(new(PartNames.RoleOf(part.Name) ?? PartRole.Whole, part));
        }

        NamedLabels.Join([.. parts.Select(part => part.Part.Source).OfType<NamedLabels>()]);
        return parts.Count == 0 ? Finding.None : Finding.Of(new(root, Name, [.. Roles(parts)]));
    }

    /// <summary>What reads an annotation file of this kind.</summary>
    /// <param name="root">The data folder.</param>
    /// <param name="file">The file.</param>
    /// <param name="images">The folder of its images.</param>
    internal static IAnnotationSource SourceOf(string root, string file, string images) =>
        LabelStudioTasks.IsOne(file) ? new LabelStudioTasks(root, file, images)
        : IsOfLabelStudio(file) ? new LabelStudioFile(file, images)
        : new CocoFile(file);

    // A single file is everything, whatever it is called. Of several, those without a usual name have no role in training.
    private static IEnumerable<FoundPart> Roles(List<FoundPart> parts) =>
        parts.Count == 1 && parts[0].Role != PartRole.Training ? [parts[0] with { Role = PartRole.Whole }]
        : parts.Count == 1 ? parts
        : parts.Select(part => part.Role == PartRole.Whole ? part with { Role = PartRole.Other } : part);

    // One file, and images in one folder alone, whatever that is called.
    private static string? Only(string root, List<string> files)
    {
        if (files.Count != 1)
        {
            return null;
        }

        var folders = Directory
            .EnumerateDirectories(root)
            .Where(folder => Path.GetFileName(folder) != "annotations")
            .Append(root)
            .Where(FolderImages.Any)
            .Take(2)
            .ToList();
        return folders is [var only] ? only : null;
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
        var word = name.TrimEnd("0123456789".ToCharArray());
        string[] places = [name, $"images/{name}", word, $"images/{word}", "images", "data"];
        return [.. places.Where(place => place.Length > 0).Distinct()];
    }

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
