using System.Buffers;
using DeqDet.Images.Decoding;

namespace DeqDet.Images;

/// <summary>
/// Reads image files (JPEG, PNG, WebP, BMP, GIF's first frame): grey-scale, palette, CMYK and 16-bit ones become 8-bit RGB, transparency is
/// dropped without blending, embedded colour profiles are not applied. JPEG decodes to libjpeg-turbo's bytes.
/// </summary>
/// <remarks>
/// The EXIF orientation is applied, as OpenCV does in the reference. Where annotations state a size that only fits the pixels as they are
/// stored, those are what was annotated, and it is not applied.
/// </remarks>
public static class ImageFile
{
    /// <summary>Largest picture that is decoded, pixels: a defence against small files that claim huge sizes.</summary>
    public const long MaxPixels = ImageLimits.MaxPixels;

    /// <summary>Largest file that is read, bytes.</summary>
    public const long MaxFileBytes = 1L << 30;

    /// <summary>Reads a file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="stated">Width and height that the annotations state, px; null when there are none.</param>
    /// <exception cref="InputError">Missing, unreadable, empty, truncated, no image, too large, or not of the stated size.</exception>
    public static RgbImage Load(string path, (int Width, int Height)? stated = null) => Load(path, stated, null);

    /// <summary>As <see cref="Load(string, ValueTuple{int, int}?)"/>, into memory of <paramref name="buffers"/> where that is possible.</summary>
    /// <exception cref="InputError">As there.</exception>
    public static RgbImage Load(string path, (int Width, int Height)? stated, PixelBuffers? buffers)
    {
        var buffer = ArrayPool<byte>.Shared.Rent((int)Math.Max(1, Length(path)));
        try
        {
            return Decode(new(buffer, 0, Read(path, buffer)), path, stated, buffers);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    /// <summary>Decodes a file's bytes; <paramref name="name"/> is what errors call it.</summary>
    /// <exception cref="InputError">As for <see cref="Load(string, ValueTuple{int, int}?)"/>.</exception>
    public static RgbImage Decode(byte[] file, string name, (int Width, int Height)? stated = null) =>
        Decode(new(file), name, stated, null);

    private static RgbImage Decode(
        ArraySegment<byte> file,
        string name,
        (int Width, int Height)? stated,
        PixelBuffers? buffers
    )
    {
        if (file.Count == 0)
        {
            throw Empty(name);
        }

        var kind = KindOf(file);
        using var picture = Open(kind, file) ?? throw NoImage(name, kind);
        var header = ImageHeader.Of(picture, kind, name);
        var orientation = Orientation(header, name, stated);
        var stored = picture.Pixels(name, buffers);
        return Oriented(stored, orientation) with { Notes = stored.Notes };
    }

    /// <summary>What a file's bytes are.</summary>
    internal static ImageKind KindOf(ArraySegment<byte> file)
    {
        var kind = ImageKind.Of(file[..Math.Min(file.Count, ImageKind.Prefix)]);
        return kind == ImageKind.Tiff && TiffDirectory.IsRaw(file) ? ImageKind.Raw : kind;
    }

    /// <summary>Opens a file's bytes; null where it is of no kind that is read, or its header is damaged.</summary>
    internal static IStoredPicture? Open(ImageKind kind, ArraySegment<byte> file) =>
        !kind.IsRead ? null
        : ByVips(kind) ? VipsPicture.Open(kind, file)
        : SkiaPicture.Open(file);

    /// <summary>Opens a file, of which only the header is read; otherwise as for its bytes.</summary>
    internal static IStoredPicture? Open(ImageKind kind, string path) =>
        !kind.IsRead ? null
        : ByVips(kind) ? VipsPicture.Open(kind, path)
        : SkiaPicture.Open(path);

    // SkiaSharp's libjpeg-turbo is built without SIMD, and it has no TIFF. The other kinds it decodes as fast (PNG) or faster (WebP), and
    // tells more damaged files (GIF).
    private static bool ByVips(ImageKind kind) => kind == ImageKind.Jpeg || kind == ImageKind.Tiff;

    /// <summary>Bytes of a file.</summary>
    /// <exception cref="InputError">It is missing or too large.</exception>
    internal static long Length(string path)
    {
        var file = new FileInfo(path);
        return !file.Exists ? throw Missing(path)
            : file.Length > MaxFileBytes
                ? throw new InputError(
                    $"{path}: the image file is larger than {MaxFileBytes >> 20} MiB; scale the image down"
                )
            : file.Length;
    }

    private const string Replace = "replace it, or take it out of the data";

    internal static ImageError Empty(string name) => new(name, "the image file is empty", Replace);

    internal const string Truncated = "the image file is truncated";

    internal const string Damaged = "the image file is damaged";

    internal static ImageError Unusable(string name, string reason) => new(name, reason, Replace);

    internal static ImageError NoImage(string name, ImageKind kind) =>
        kind.IsRead
            ? Unusable(name, $"not a readable image: {kind.Name} whose header is damaged")
            : new(
                name,
                $"not a readable image ({ImageKind.Readable}) but {kind.Name}",
                "convert it to PNG or JPEG, or take it out of the data"
            );

    private static InputError Missing(string path) =>
        new($"{path}: no such image file; check the data folder and the image folder's name");

    /// <summary>Reads a file's first bytes, as many as there is room for; returns their number.</summary>
    /// <exception cref="InputError">It is missing or cannot be read.</exception>
    internal static int Read(string path, byte[] buffer)
    {
        try
        {
            using var file = File.OpenHandle(path, options: FileOptions.SequentialScan);
            var length = 0;
            while (length < buffer.Length && RandomAccess.Read(file, buffer.AsSpan(length), length) is > 0 and var read)
            {
                length += read;
            }

            return length;
        }
        catch (Exception error) when (error is FileNotFoundException or DirectoryNotFoundException)
        {
            throw Missing(path);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new InputError($"{path}: the image cannot be read: {error.Message}");
        }
    }

    private static int Orientation(ImageHeader header, string name, (int Width, int Height)? stated)
    {
        var (width, height) = (header.Width, header.Height);
        var turned = header.SwapsSides ? (height, width) : (width, height);
        if (stated is not { } size || turned == size)
        {
            return header.Orientation;
        }

        if ((width, height) == size)
        {
            return 1;
        }

        throw new InputError(
            $"{name}: the image has {width} x {height} pixels, the annotations say {size.Width} x {size.Height}; "
                + "the boxes would not fit. Use the images that were annotated, or correct width and height"
        );
    }

    private static RgbImage Oriented(RgbImage image, int orientation)
    {
        var (w, h) = (image.Width, image.Height);
        return orientation switch
        {
            2 => image.FlippedHorizontally(),
            3 => image.Rearranged(w, h, (x, y) => (w - 1 - x, h - 1 - y)),
            4 => image.FlippedVertically(),
            5 => image.Rearranged(h, w, (x, y) => (y, x)),
            6 => image.Rearranged(h, w, (x, y) => (y, h - 1 - x)),
            7 => image.Rearranged(h, w, (x, y) => (w - 1 - y, h - 1 - x)),
            8 => image.Rearranged(h, w, (x, y) => (w - 1 - y, x)),
            _ => image,
        };
    }
}
