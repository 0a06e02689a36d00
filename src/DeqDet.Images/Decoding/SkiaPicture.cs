using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using SkiaSharp;

namespace DeqDet.Images.Decoding;

/// <summary>A PNG, WebP, GIF or BMP picture, which SkiaSharp decodes.</summary>
internal sealed class SkiaPicture : IStoredPicture
{
    private readonly SKCodec codec;
    private readonly SKData? data;
    private readonly GCHandle pin;

    private SkiaPicture(SKCodec codec, SKData? data, GCHandle pin) =>
        (this.codec, this.data, this.pin) = (codec, data, pin);

    /// <inheritdoc/>
    public int Width => codec.Info.Width;

    /// <inheritdoc/>
    public int Height => codec.Info.Height;

    /// <inheritdoc/>
    public int Orientation => (int)codec.EncodedOrigin;

    /// <summary>Opens a file's bytes, which must not change before the end; null for a damaged header.</summary>
    public static SkiaPicture? Open(ArraySegment<byte> file)
    {
        var pin = GCHandle.Alloc(file.Array, GCHandleType.Pinned);
        var data = SKData.Create(pin.AddrOfPinnedObject() + file.Offset, file.Count);
        if (SKCodec.Create(data) is { } codec)
        {
            return new(codec, data, pin);
        }

        data.Dispose();
        pin.Free();
        return null;
    }

    /// <summary>Opens a file, of which only the header is read; null for a damaged one.</summary>
    public static SkiaPicture? Open(string path) =>
        SKCodec.Create(path) is { } codec ? new(codec, data: null, default) : null;

    /// <inheritdoc/>
    public RgbImage Pixels(string name, PixelBuffers? buffers)
    {
        // No colour space: the numbers as they are in the file. Not premultiplied: colours of transparent pixels as they are.
        var opaque = codec.Info.AlphaType == SKAlphaType.Opaque;
        var info = new SKImageInfo(
            Width,
            Height,
            SKColorType.Rgba8888,
            opaque ? SKAlphaType.Opaque : SKAlphaType.Unpremul,
            null
        );
        using var bitmap = new SKBitmap();
        if (!bitmap.TryAllocPixels(info))
        {
            throw new InputError($"{name}: not enough memory for {Width} x {Height} pixels; scale the image down");
        }

        var result = codec.GetPixels(info, bitmap.GetPixels());
        if (result != SKCodecResult.Success)
        {
            var reason = result switch
            {
                SKCodecResult.IncompleteInput => ImageFile.Truncated,
                SKCodecResult.ErrorInInput => ImageFile.Damaged,
                _ => $"the image cannot be decoded ({result})",
            };
            throw ImageFile.Unusable(name, reason);
        }

        var length = Width * Height * 3;
        var rgb = buffers?.Rent(length) ?? GC.AllocateUninitializedArray<byte>(length);
        DropAlpha(bitmap.GetPixelSpan(), rgb);
        return new(rgb, Width, Height);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        codec.Dispose();
        data?.Dispose();
        if (pin.IsAllocated)
        {
            pin.Free();
        }
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
}
