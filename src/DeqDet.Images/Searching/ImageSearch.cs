namespace DeqDet.Images;

/// <summary>Images that a user named, by themselves or by their folder.</summary>
/// <param name="Files">Their paths.</param>
/// <param name="Notices">What was passed over and why, one line each; to be told to the user.</param>
public sealed record FoundImages(IReadOnlyList<string> Files, IReadOnlyList<string> Notices);

/// <summary>Finds the images that a user means by files and folders.</summary>
public static class ImageSearch
{
    private const int MostNotices = 10;

    private static readonly string[] usual = [".jpg", ".jpeg", ".png", ".bmp", ".webp", ".gif"];

    // What else images are called: the file itself says whether it can be read.
    private static readonly HashSet<string> unusual = new(
        (
            ".jpe .jfif .tif .tiff .jp2 .j2k .jpf .jpx .jpc .jxl .jxr .wdp .hdp .heic .heif .hif .avif "
            + ".dng .cr2 .cr3 .crw .nef .nrw .arw .srf .sr2 .orf .rw2 .raf .pef .srw .x3f .3fr .iiq .erf .kdc .mrw .raw "
            + ".psd .psb .xcf .svg .ico .tga .dds .exr .hdr .pnm .ppm .pgm .pbm .pcx .qoi .dcm"
        ).Split(' '),
        StringComparer.OrdinalIgnoreCase
    );

    /// <summary>Whether a file's name is that of an image, of whatever format.</summary>
    public static bool IsNamedAsImage(string file) => IsUsual(file) || unusual.Contains(Path.GetExtension(file));

    /// <summary>
    /// Every image below a folder, in ordinal order; single files as they are named; no real file twice. Links are followed as
    /// <see cref="FolderFiles"/> says.
    /// </summary>
    /// <exception cref="InputError">A place is not there, or a folder holds no images.</exception>
    public static FoundImages Find(IReadOnlyList<string> places)
    {
        var (files, notices) = (new List<FolderFile>(), new List<string>());
        foreach (var place in places)
        {
            if (Directory.Exists(place))
            {
                files.AddRange(InFolder(place, notices));
            }
            else if (File.Exists(place))
            {
                files.Add(new(place, RealPath.Of(place)));
            }
            else
            {
                throw new InputError($"{place}: no such image or folder");
            }
        }

        return new([.. files.DistinctBy(file => file.Real, StringComparer.Ordinal).Select(file => file.Path)], notices);
    }

    private static List<FolderFile> InFolder(string folder, List<string> notices)
    {
        var (all, problems) = FolderFiles.Of(folder);
        var (images, refused) = (new List<FolderFile>(), new List<string>(problems));
        foreach (var file in all)
        {
            if (IsUsual(file.Path))
            {
                images.Add(file);
            }
            else if (IsNamedAsImage(file.Path))
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

        if (images.Count == 0)
        {
            throw new InputError(
                refused.Count == 0
                    ? $"{folder}: no images in this folder ({string.Join(", ", usual)})"
                    : $"{folder}: no images in this folder that can be read; {Counted(refused.Count)} passed over, the first is {refused[0]}"
            );
        }

        notices.AddRange(refused.Take(MostNotices).Select(text => $"passed over: {text}"));
        if (refused.Count > MostNotices)
        {
            notices.Add($"{folder}: {refused.Count - MostNotices} more passed over");
        }

        return images;
    }

    private static bool IsUsual(string file) =>
        usual.Contains(Path.GetExtension(file), StringComparer.OrdinalIgnoreCase);

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

    private static string Counted(int files) => files == 1 ? "1 file is" : $"{files} files are";
}
