using DeqDet.Images.Decoding;

namespace DeqDet.Images;

/// <summary>What an image file says of itself before any pixel is decoded.</summary>
/// <param name="Width">Width as stored, px.</param>
/// <param name="Height">Height as stored, px.</param>
/// <param name="Orientation">EXIF orientation, 1 to 8; 1 where there is none: as stored.</param>
/// <param name="Format">As in "JPEG".</param>
public sealed record ImageHeader(int Width, int Height, int Orientation, string Format)
{
    /// <summary>Whether the orientation exchanges width and height.</summary>
    public bool SwapsSides => Orientation >= 5;

    /// <summary>Reads the header of a file.</summary>
    /// <exception cref="InputError">The file is missing, empty, no image or too large to be decoded.</exception>
    public static ImageHeader Read(string path)
    {
        if (ImageFile.Length(path) == 0)
        {
            throw ImageFile.Empty(path);
        }

        var start = new byte[ImageKind.Prefix];
        var kind = ImageKind.Of(start.AsSpan(0, ImageFile.Read(path, start)));
        if (kind == ImageKind.Tiff)
        {
            // Its directory may lie anywhere.
            ArraySegment<byte> file = new byte[ImageFile.Length(path)];
            file = file[..ImageFile.Read(path, file.Array!)];
            kind = ImageFile.KindOf(file);
        }

        using var picture = ImageFile.Open(kind, path) ?? throw ImageFile.NoImage(path, kind);
        return Of(picture, kind, path);
    }

    /// <summary>
    /// The header of a file's bytes, however many pixels it states; null where they are of no kind that is read, or the header is damaged.
    /// </summary>
    public static ImageHeader? TryRead(byte[] file)
    {
        var kind = ImageFile.KindOf(file);
        using var picture = ImageFile.Open(kind, file);
        return picture is null ? null : new(picture.Width, picture.Height, picture.Orientation, kind.Format!);
    }

    /// <summary>The header of a file that is being decoded; <paramref name="name"/> is what errors call it.</summary>
    /// <exception cref="InputError">It has more pixels than are decoded.</exception>
    internal static ImageHeader Of(IStoredPicture picture, ImageKind kind, string name)
    {
        var (width, height) = (picture.Width, picture.Height);
        if ((long)width * height > ImageFile.MaxPixels)
        {
            throw new InputError(
                $"{name}: {width} x {height} pixels are more than the {ImageFile.MaxPixels / 1_000_000} million that are read; scale the image down"
            );
        }

        return new(width, height, picture.Orientation, kind.Format!);
    }
}
