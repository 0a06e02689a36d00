using System.Text;

namespace DeqDet.Images;

/// <summary>
/// What a file is by its first bytes: endings are often wrong. Kinds that are read have a <see cref="Format"/>; of the others messages say
/// what they are.
/// </summary>
/// <param name="Name">For messages, as in "a JPEG 2000 image".</param>
/// <param name="Format">The short name in reports, as in "JPEG"; null for what is not read.</param>
public sealed record ImageKind(string Name, string? Format = null)
{
    /// <summary>So many first bytes are enough to tell.</summary>
    public const int Prefix = 512;

    /// <summary>The kinds that are read, for messages.</summary>
    public const string Readable = "JPEG, PNG, WebP, BMP, GIF or TIFF";

    internal static readonly ImageKind Jpeg = new("a JPEG image", "JPEG");
    internal static readonly ImageKind Png = new("a PNG image", "PNG");
    internal static readonly ImageKind WebP = new("a WebP image", "WEBP");
    internal static readonly ImageKind Gif = new("a GIF image", "GIF");
    internal static readonly ImageKind Bmp = new("a BMP image", "BMP");
    internal static readonly ImageKind Tiff = new("a TIFF image", "TIFF");
    internal static readonly ImageKind Raw = new("a camera's raw file");

    private static readonly ImageKind jpeg2000 = new("a JPEG 2000 image");
    private static readonly ImageKind jpegXl = new("a JPEG XL image");
    private static readonly ImageKind jpegXr = new("a JPEG XR image");
    private static readonly ImageKind heic = new("a HEIC image");
    private static readonly ImageKind avif = new("an AVIF image");
    private static readonly ImageKind video = new("a video");
    private static readonly ImageKind svg = new("an SVG drawing");
    private static readonly ImageKind page = new("a web page (a download that failed?)");
    private static readonly ImageKind pointer = new("a pointer of Git LFS (`git lfs pull` fetches the image itself)");
    private static readonly ImageKind text = new("text");
    private static readonly ImageKind unknown = new("no known kind of image");

    // The first that fits counts: TIFF's relatives stand before TIFF.
    private static readonly (int At, byte[] Bytes, ImageKind Kind)[] signatures =
    [
        (0, [0xFF, 0xD8, 0xFF], Jpeg),
        (0, [0x89, .. "PNG\r\n\u001A\n"u8], Png),
        (0, [.. "GIF8"u8], Gif),
        (8, [.. "CR\u0002"u8], Raw), // Canon
        (0, [.. "IIU\0"u8], Raw), // Panasonic
        (0, [.. "IIRO"u8], Raw), // Olympus
        (0, [.. "IIRS"u8], Raw),
        (0, [.. "MMOR"u8], Raw),
        (0, [.. "FUJIFILMCCD-RAW"u8], Raw),
        (0, [.. "FOVb"u8], Raw), // Sigma
        (0, [.. "\0MRM"u8], Raw), // Minolta
        (0, [.. "II*\0"u8], Tiff),
        (0, [.. "MM\0*"u8], Tiff),
        (0, [.. "II+\0"u8], Tiff),
        (0, [.. "MM\0+"u8], Tiff),
        (4, [.. "jP  \r\n"u8], jpeg2000),
        (0, [0xFF, 0x4F, 0xFF, 0x51], jpeg2000),
        (0, [0xFF, 0x0A], jpegXl),
        (4, [.. "JXL \r\n"u8], jpegXl),
        (0, [.. "II"u8, 0xBC], jpegXr),
        (0, [.. "8BPS"u8], new("a Photoshop file")),
        (0, [.. "gimp xcf"u8], new("a GIMP file")),
        (0, [.. "%PDF"u8], new("a PDF document")),
        (0, [.. "%!PS"u8], new("a PostScript document")),
        (0, [0xC5, 0xD0, 0xD3, 0xC6], new("a PostScript document")),
        (0, [0, 0, 1, 0], new("an icon")),
        (0, [0x76, 0x2F, 0x31, 0x01], new("an OpenEXR image")),
        (0, [.. "#?RADIANCE"u8], new("a Radiance HDR image")),
        (0, [.. "qoif"u8], new("a QOI image")),
        (0, [.. "SIMPLE  ="u8], new("a FITS image")),
        (128, [.. "DICM"u8], new("a DICOM image")),
        (0, [0x93, .. "NUMPY"u8], new("a NumPy array")),
        (0, [0x89, .. "HDF\r\n"u8], new("an HDF5 file")),
        (0, [.. "PK\u0003\u0004"u8], new("a ZIP archive")),
        (0, [0x1F, 0x8B], new("a gzip archive")),
        (0, [0x1A, 0x45, 0xDF, 0xA3], video),
        (0, [0, 0, 1, 0xBA], video),
    ];

    /// <summary>Whether it is read.</summary>
    public bool IsRead => Format is not null;

    /// <summary>The kind of a file that begins with these bytes: the first <see cref="Prefix"/>, or all there are.</summary>
    public static ImageKind Of(ReadOnlySpan<byte> start)
    {
        foreach (var (at, bytes, kind) in signatures)
        {
            if (start.Length > at && start[at..].StartsWith(bytes))
            {
                return kind;
            }
        }

        return OfContainer(start) ?? OfText(start) ?? (start.StartsWith("BM"u8) ? Bmp : unknown);
    }

    private static ImageKind? OfContainer(ReadOnlySpan<byte> start)
    {
        if (start.Length < 12)
        {
            return null;
        }

        var brand = Encoding.Latin1.GetString(start[8..12]);
        if (start.StartsWith("RIFF"u8))
        {
            return brand switch
            {
                "WEBP" => WebP,
                "AVI " => video,
                _ => null,
            };
        }

        return !start[4..].StartsWith("ftyp"u8)
            ? null
            : brand switch
            {
                "avif" or "avis" => avif,
                "mif1" or "msf1" => heic,
                "crx " => Raw,
                _ when brand.StartsWith("he", StringComparison.Ordinal) => heic,
                _ => video,
            };
    }

    private static ImageKind? OfText(ReadOnlySpan<byte> start)
    {
        if (start is [0xFF, 0xFE, ..] or [0xFE, 0xFF, ..])
        {
            return text;
        }

        foreach (var value in start)
        {
            if (value < ' ' && value is not ((byte)'\t' or (byte)'\n' or (byte)'\f' or (byte)'\r') || value == 127)
            {
                return null;
            }
        }

        var words = Encoding.Latin1.GetString(start).ToLowerInvariant();
        return start.IsEmpty ? null
            : words.Contains("<svg", StringComparison.Ordinal) ? svg
            : words.Contains("<html", StringComparison.Ordinal)
            || words.Contains("<!doctype html", StringComparison.Ordinal)
                ? page
            : start.StartsWith("version https://git-lfs"u8) ? pointer
            : text;
    }
}
