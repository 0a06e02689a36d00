using System.Runtime.InteropServices;
using NetVips;

namespace DeqDet.Images.Decoding;

/// <summary>A JPEG or TIFF picture, which libvips decodes.</summary>
internal sealed class VipsPicture : IStoredPicture
{
    private const string NoEnd = "the image file has no end marker; every pixel is there";

    private static readonly byte[] endOfJpeg = [0xFF, 0xD9];
    private static readonly byte[] startOfScan = [0xFF, 0xDA];

    private readonly ImageKind kind;
    private readonly Image image;
    private readonly Func<ReadOnlySpan<byte>> file;

    private VipsPicture(ImageKind kind, Image image, Func<ReadOnlySpan<byte>> file) =>
        (this.kind, this.image, this.file, Width, Height) = (kind, image, file, image.Width, image.Height);

    /// <inheritdoc/>
    public int Width { get; }

    /// <inheritdoc/>
    public int Height { get; }

    /// <inheritdoc/>
    public int Orientation =>
        image.Contains("orientation") && image.Get("orientation") is int known and >= 1 and <= 8 ? known : 1;

    /// <summary>Opens a file's bytes; null for a damaged header.</summary>
    public static VipsPicture? Open(ImageKind kind, ArraySegment<byte> file) =>
        Load(kind, file) is { } image ? new(kind, image, () => file) : null;

    /// <summary>Opens a file, of which only the header is read; null for a damaged one.</summary>
    public static VipsPicture? Open(ImageKind kind, string path)
    {
        Vips.Ensure();
        try
        {
            using var source = Source.NewFromFile(path);
            return new(kind, Load(kind, source), () => throw new InvalidOperationException("only the header was read"));
        }
        catch (VipsException)
        {
            return null;
        }
    }

    /// <inheritdoc/>
    public RgbImage Pixels(string name, PixelBuffers? buffers)
    {
        var layout = VipsLayout.Of(image) ?? throw ImageFile.Unusable(name, VipsLayout.Refusal(image));
        var pixels = Rent(buffers);
        if (Read(image, layout, pixels) is { } warnings)
        {
            return new(pixels, Width, Height) { Notes = Notes(warnings) };
        }

        buffers?.Return(pixels);
        return (kind == ImageKind.Jpeg ? WithEnd(name, layout, buffers) : null)
            ?? throw ImageFile.Unusable(
                name,
                kind == ImageKind.Jpeg ? ImageFile.Damaged : "the image file is truncated or damaged"
            );
    }

    /// <inheritdoc/>
    public void Dispose() => image.Dispose();

    /// <summary>
    /// Decodes a JPEG that ends too early as if its end were there. The decoder gives no warning then if nothing else was missing; null where
    /// that was not the reason.
    /// </summary>
    /// <exception cref="InputError">Pixels are missing.</exception>
    private RgbImage? WithEnd(string name, VipsLayout layout, PixelBuffers? buffers)
    {
        using var completed = Load(kind, [.. file(), .. endOfJpeg]);
        if (completed is null)
        {
            return null;
        }

        var pixels = Rent(buffers);
        if (Read(completed, layout, pixels) is not { } warnings)
        {
            return null;
        }

        return warnings == 0
            ? new(pixels, Width, Height) { Notes = [NoEnd] }
            : throw ImageFile.Unusable(name, ImageFile.Truncated);
    }

    private IReadOnlyList<string> Notes(int warnings) =>
        warnings > 0 ? ["the image file is damaged; it was decoded as far as it could be"]
        : kind == ImageKind.Jpeg && !HasEnd(file()) ? [NoEnd]
        : [];

    // After the last scan, because previews in the metadata have ends of their own.
    private static bool HasEnd(ReadOnlySpan<byte> jpeg) =>
        jpeg.EndsWith(endOfJpeg) || jpeg.LastIndexOf(endOfJpeg) > jpeg.LastIndexOf(startOfScan);

    private byte[] Rent(PixelBuffers? buffers)
    {
        var length = Width * Height * 3;
        return buffers?.Rent(length) ?? GC.AllocateUninitializedArray<byte>(length);
    }

    private static Image? Load(ImageKind kind, ReadOnlySpan<byte> file)
    {
        Vips.Ensure();
        try
        {
            using var source = Source.NewFromMemory(file);
            return Load(kind, source);
        }
        catch (VipsException)
        {
            return null;
        }
    }

    private static Image Load(ImageKind kind, Source source)
    {
        var (access, strict) = (Enums.Access.Sequential, Enums.FailOn.Error);
        return kind == ImageKind.Jpeg
            ? Image.JpegloadSource(source, access: access, failOn: strict)
            : Image.TiffloadSource(source, access: access, failOn: strict);
    }

    /// <summary>Decodes an image, and closes it; the number of warnings, null where it fails.</summary>
    private static int? Read(Image image, VipsLayout layout, byte[] pixels)
    {
        Vips.TakeWarnings();
        bool whole;
        using (image)
        {
            whole = layout.IsRgb ? VipsRows.Read(image, pixels) : layout.Read(image, pixels);
        }

        var warnings = Vips.TakeWarnings();
        return whole ? warnings : null;
    }
}
