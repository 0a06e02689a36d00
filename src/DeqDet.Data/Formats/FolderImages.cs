using DeqDet.Images;

namespace DeqDet.Data.Formats;

/// <summary>The image files of folders, and their sizes.</summary>
internal static class FolderImages
{
    /// <summary>So many files of a folder of any name are looked at: it may hold very many of another kind.</summary>
    public const int LookedThrough = 1_000;

    /// <summary>With the folders below; links to folders are not followed, as they might lead in a circle.</summary>
    public static readonly EnumerationOptions Deep = new()
    {
        RecurseSubdirectories = true,
        AttributesToSkip = FileAttributes.ReparsePoint,
    };

    private static readonly string[] usualNames = ["jpegimages", "images", "image", "imgs", "img"];

    /// <summary>Whether folders of images are often called so.</summary>
    public static bool IsUsualName(string name) => usualNames.Contains(name.ToLowerInvariant());

    /// <summary>The folders directly below one that are called as folders of images often are.</summary>
    public static IReadOnlyList<string> NamedIn(string folder) => NamedIn(folder, usualNames);

    /// <summary>The folders directly below one that have one of these names, in whatever case, in the order of the names.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="names">In lower case.</param>
    public static List<string> NamedIn(string folder, string[] names) =>
        [
            .. Directory
                .EnumerateDirectories(folder)
                .Where(entry => names.Contains(Path.GetFileName(entry).ToLowerInvariant()))
                .OrderBy(entry => Array.IndexOf(names, Path.GetFileName(entry).ToLowerInvariant()))
                .ThenBy(entry => entry, StringComparer.Ordinal),
        ];

    /// <summary>
    /// The only folder directly below one that holds images, in itself or in parts; null where there are none or several. Folders of parts are not
    /// looked at.
    /// </summary>
    /// <param name="folder">The folder.</param>
    /// <param name="but">One that is not looked at, either.</param>
    public static string? OnlyOther(string folder, string? but = null) =>
        PartNames
            .OtherFoldersIn(folder)
            .Where(other => other != but && PartNames.AndParts(other).Any(Any))
            .Take(2)
            .ToList()
            is [var only]
            ? only
            : null;

    /// <summary>Everything below a folder that is named as an image, in ordinal order.</summary>
    public static IReadOnlyList<string> Below(string folder) =>
        [.. FolderFiles.Of(folder).Files.Select(file => file.Path).Where(ImageSearch.IsNamedAsImage)];

    /// <summary>The image files directly in a folder, in ordinal order.</summary>
    public static IReadOnlyList<string> In(string folder) =>
        Directory.Exists(folder)
            ? [.. Directory.EnumerateFiles(folder).Where(ImageSearch.IsNamedAsImage).Order(StringComparer.Ordinal)]
            : [];

    /// <summary>Whether an image is directly in a folder.</summary>
    public static bool Any(string folder) =>
        Directory.Exists(folder) && Directory.EnumerateFiles(folder).Any(ImageSearch.IsNamedAsImage);

    /// <summary>Whether an image is among the first files below a folder.</summary>
    public static bool AnyBelow(string folder) =>
        Directory.EnumerateFiles(folder, "*", Deep).Take(LookedThrough).Any(ImageSearch.IsNamedAsImage);

    /// <summary>Width and height of an image as it is shown, px: turned as its EXIF orientation says.</summary>
    /// <exception cref="InputError">It cannot be read.</exception>
    public static (int Width, int Height) SizeOf(string path)
    {
        var header = ImageHeader.Read(path);
        return header.SwapsSides ? (header.Height, header.Width) : (header.Width, header.Height);
    }

    /// <summary>A path below a folder as annotation files write it: relative, with slashes.</summary>
    public static string NameIn(string folder, string path) => Path.GetRelativePath(folder, path).Replace('\\', '/');
}
