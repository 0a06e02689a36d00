namespace DeqDet.Images;

/// <summary>The pictures of a folder.</summary>
/// <param name="Folder">The folder.</param>
/// <param name="Images">Its images in natural order, as far as they can be read by their names or their headers.</param>
/// <param name="Videos">Its video files in natural order.</param>
/// <param name="Refused">What looks like an image and is not read, and why.</param>
internal sealed record FolderMedia(
    string Folder,
    IReadOnlyList<FolderFile> Images,
    IReadOnlyList<FolderFile> Videos,
    IReadOnlyList<string> Refused
)
{
    private const int MostNotices = 10;

    /// <summary>Looks through a folder and all below it.</summary>
    public static FolderMedia Of(string folder)
    {
        var (all, problems) = FolderFiles.Of(folder);
        var (images, videos, refused) = (new List<FolderFile>(), new List<FolderFile>(), new List<string>(problems));
        foreach (var file in all.OrderBy(file => file.Path, NaturalOrder.Instance))
        {
            if (VideoSource.IsNamedAsVideo(file.Path))
            {
                videos.Add(file);
            }
            else if (ImageSearch.IsUsual(file.Path))
            {
                images.Add(file);
            }
            else if (ImageSearch.IsNamedAsImage(file.Path))
            {
                if (Fault(file.Path) is { } fault)
                {
                    refused.Add(fault);
                }
                else
                {
                    images.Add(file);
                }
            }
        }

        return new(folder, images, videos, refused);
    }

    /// <summary>What was passed over, in a few lines.</summary>
    public IEnumerable<string> Notices =>
        Refused
            .Take(MostNotices)
            .Select(text => $"passed over: {text}")
            .Concat(
                Refused.Count > MostNotices
                    ? [$"{Folder}: {Refused.Count - MostNotices} more passed over"]
                    : (string[])[]
            );

    /// <summary>That nothing of a kind is in it.</summary>
    public InputError Empty(string kind) =>
        new(
            Refused.Count == 0
                ? $"{Folder}: no {kind} in this folder ({string.Join(", ", ImageSearch.Usual)})"
                : $"{Folder}: no {kind} in this folder that can be read; {(Refused.Count == 1 ? "1 file is" : $"{Refused.Count} files are")} passed over, the first is {Refused[0]}"
        );

    private static string? Fault(string file)
    {
        try
        {
            ImageHeader.Read(file);
            return null;
        }
        catch (InputError error)
        {
            return error.Message;
        }
    }
}
