using System.Buffers;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using DeqDet.Images.Jpeg;
using SkiaSharp;

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
    /// <exception cref="InputError">As for <see cref="Load"/>.</exception>
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

        using var data = PinnedData(file, out var pin);
        try
        {
            using var codec = SKCodec.Create(data) ?? throw NoImage(name);
            var header = ImageHeader.Of(codec, name);
            var origin = Orientation(header, name, stated);
            var quick =
                codec.EncodedFormat == SKEncodedImageFormat.Jpeg
                    ? JpegDecoder.Decode(file, header.Width, header.Height, buffers)
                    : null;
            return Oriented(quick ?? Pixels(codec, header.Width, header.Height, name), origin);
        }
        finally
        {
            pin.Free();
        }
    }

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

    internal static InputError Empty(string name) =>
        new($"{name}: the image file is empty; replace it, or take it out of the data");

    internal static InputError NoImage(string name) =>
        new($"{name}: not a readable image (JPEG, PNG, WebP, BMP or GIF); replace it, or take it out of the data");

    private static InputError Missing(string path) =>
        new($"{path}: no such image file; check the data folder and the image folder's name");

    private static int Read(string path, byte[] buffer)
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

    private static SKData PinnedData(ArraySegment<byte> file, out GCHandle pin)
    {
        pin = GCHandle.Alloc(file.Array, GCHandleType.Pinned);
        return SKData.Create(pin.AddrOfPinnedObject() + file.Offset, file.Count);
    }

    private static SKEncodedOrigin Orientation(ImageHeader header, string name, (int Width, int Height)? stated)
    {
        var (width, height) = (header.Width, header.Height);
        var turned = header.SwapsSides ? (height, width) : (width, height);
        if (stated is not { } size || turned == size)
        {
            return (SKEncodedOrigin)header.Orientation;
        }

        if ((width, height) == size)
        {
            return SKEncodedOrigin.TopLeft;
        }

        throw new InputError(
            $"{name}: the image has {width} x {height} pixels, the annotations say {size.Width} x {size.Height}; "
                + "the boxes would not fit. Use the images that were annotated, or correct width and height"
        );
    }

    private static RgbImage Pixels(SKCodec codec, int width, int height, string name)
    {
        // No colour space: the numbers as they are in the file. Not premultiplied: colours of transparent pixels as they are.
        var opaque = codec.Info.AlphaType == SKAlphaType.Opaque;
        var info = new SKImageInfo(
            width,
            height,
            SKColorType.Rgba8888,
            opaque ? SKAlphaType.Opaque : SKAlphaType.Unpremul,
            null
        );
        using var bitmap = new SKBitmap();
        if (!bitmap.TryAllocPixels(info))
        {
            throw new InputError($"{name}: not enough memory for {width} x {height} pixels; scale the image down");
        }

        var result = codec.GetPixels(info, bitmap.GetPixels());
        if (result != SKCodecResult.Success)
        {
            var reason = result switch
            {
                SKCodecResult.IncompleteInput => "the image file is truncated",
                SKCodecResult.ErrorInInput => "the image file is damaged",
                _ => $"the image cannot be decoded ({result})",
            };
            throw new InputError($"{name}: {reason}; replace it, or take it out of the data");
        }

        var rgb = GC.AllocateUninitializedArray<byte>(width * height * 3);
        DropAlpha(bitmap.GetPixelSpan(), rgb);
        return new(rgb, width, height);
    }

    private static void DropAlpha(ReadOnlySpan<byte> rgba, Span<byte> rgb)
    {
        var order = Vector128.Create((byte)0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, 255, 255, 255, 255);
        var (from, to) = (0, 0);
        // Each step writes 16 bytes of which 12 count; the rest is overwritten by the next one.
        for (; to + 16 <= rgb.Length; from += 16, to += 12)
        {
            Vector128.Shuffle(Vector128.Create(rgba[from..(from + 16)]), order).CopyTo(rgb[to..]);
        }

        for (; to < rgb.Length; from += 4, to += 3)
        {
            (rgb[to], rgb[to + 1], rgb[to + 2]) = (rgba[from], rgba[from + 1], rgba[from + 2]);
        }
    }

    private static RgbImage Oriented(RgbImage image, SKEncodedOrigin origin)
    {
        var (w, h) = (image.Width, image.Height);
        return origin switch
        {
            SKEncodedOrigin.TopRight => image.FlippedHorizontally(),
            SKEncodedOrigin.BottomRight => image.Rearranged(w, h, (x, y) => (w - 1 - x, h - 1 - y)),
            SKEncodedOrigin.BottomLeft => image.FlippedVertically(),
            SKEncodedOrigin.LeftTop => image.Rearranged(h, w, (x, y) => (y, x)),
            SKEncodedOrigin.RightTop => image.Rearranged(h, w, (x, y) => (y, h - 1 - x)),
            SKEncodedOrigin.RightBottom => image.Rearranged(h, w, (x, y) => (w - 1 - y, h - 1 - x)),
            SKEncodedOrigin.LeftBottom => image.Rearranged(h, w, (x, y) => (w - 1 - y, x)),
            _ => image,
        };
    }
}
