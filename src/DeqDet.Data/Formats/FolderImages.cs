using DeqDet.Images;

namespace DeqDet.Data.Formats;

/// <summary>The image files of folders, and their sizes.</summary>
internal static class FolderImages
{
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
