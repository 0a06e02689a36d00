namespace DeqDet.Data.Formats;

/// <summary>Recognises <see cref="RoboflowLayout"/>.</summary>
internal sealed class RoboflowFormat : IDataFormat
{
    /// <inheritdoc/>
    public string Name => "COCO as Roboflow writes it";

    /// <inheritdoc/>
    public string LookedFor => $"train/{RoboflowLayout.FileName}";

    /// <inheritdoc/>
    public Finding Find(string root)
    {
        var parts = RoboflowLayout.Parts(root);
        return parts.Count == 0
            ? Finding.None
            : Finding.Of(
                new(
                    root,
                    Name,
                    [
                        .. parts.Select(part => new FoundPart(
                            PartNames.RoleOf(part.Name) ?? (parts.Count == 1 ? PartRole.Whole : PartRole.Test),
                            part
                        )),
                    ]
                )
            );
    }
}
