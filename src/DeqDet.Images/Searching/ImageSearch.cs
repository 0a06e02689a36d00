namespace DeqDet.Images;

/// <summary>Images that a user named, by themselves or by their folder.</summary>
/// <param name="Files">Their paths.</param>
/// <param name="Notices">What was passed over and why, one line each; to be told to the user.</param>
public sealed record FoundImages(IReadOnlyList<string> Files, IReadOnlyList<string> Notices);

/// <summary>Finds the images that a user means by files and folders.</summary>
public static class ImageSearch
{
    /// <summary>Endings of formats that are read.</summary>
    internal static readonly string[] Usual = [".jpg", ".jpeg", ".png", ".bmp", ".webp", ".gif"];

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
    /// Every image below a folder, in natural order (<see cref="NaturalOrder"/>); single files as they are named; no real file
    /// twice. Links are followed as <see cref="FolderFiles"/> says.
    /// </summary>
    /// <exception cref="InputError">A place is not there, or a folder holds no images.</exception>
    public static FoundImages Find(IReadOnlyList<string> places)
    {
        var (files, notices) = (new List<FolderFile>(), new List<string>());
        foreach (var place in places)
        {
            if (Directory.Exists(place))
            {
                var below = FolderMedia.Of(place);
                if (below.Images.Count == 0)
                {
                    throw below.Empty("images");
                }

                files.AddRange(below.Images);
                notices.AddRange(below.Notices);
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

    /// <summary>Whether a file's name is that of an image of a format that is read.</summary>
    internal static bool IsUsual(string file) =>
        Usual.Contains(Path.GetExtension(file), StringComparer.OrdinalIgnoreCase);
}
