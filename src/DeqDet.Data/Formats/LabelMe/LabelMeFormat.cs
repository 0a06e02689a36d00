namespace DeqDet.Data.Formats.LabelMe;

/// <summary>
/// LabelMe's layouts: a JSON file an image, beside it or in a folder of labels beside one of images; and the same in folders of parts.
/// </summary>
internal sealed class LabelMeFormat : IDataFormat
{
    /// <summary>Name of the format.</summary>
    public const string FormatName = "LabelMe";

    private static readonly LabelKind kind = new(
        FormatName,
        ".json",
        ["annotations", "labels", "json", "jsons"],
        LabelMeFile.IsOne
    );

    /// <inheritdoc/>
    public string Name => FormatName;

    /// <inheritdoc/>
    public string LookedFor => "*.json with shapes, in any folder or beside the images";

    /// <inheritdoc/>
    public Finding Find(string root)
    {
        var (parts, missing) = PairedFolders.Find(root, kind);
        return missing is not null ? Finding.Half(missing)
            : parts.Count == 0 ? Finding.None
            : Joined(root, [.. parts.Select(part => Part(root, part))]);
    }

    private static Finding Joined(string root, List<FoundPart> parts)
    {
        NamedLabels.Join([.. parts.Select(part => (NamedLabels)part.Part.Source)]);
        return Finding.Of(new(root, FormatName, parts));
    }

    private static FoundPart Part(string root, PairedPart part)
    {
        var files = new Lazy<IReadOnlyList<string>>(() => PairedFolders.Files(part, kind));
        return new(
            part.Role,
            new(new LabelMeLabels(root, part.Labels, new(part.Images), files), part.Images) { Name = part.Name }
        );
    }
}
