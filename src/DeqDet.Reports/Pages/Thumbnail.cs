using DeqDet.Images;
using SkiaSharp;

namespace DeqDet.Reports.Pages;

/// <summary>Pictures small enough to be part of a page.</summary>
public static class Thumbnail
{
    /// <summary>Longest side of pictures in pages, px.</summary>
    public const int LongestSide = 800;

    private const int Quality = 82;
    private const int WebpQuality = 74;

    /// <summary>The bytes of a JPEG file whose longer side has at most so many px; pictures are never enlarged.</summary>
    public static byte[] Jpeg(RgbImage image, int longestSide) =>
        Encoded(image, longestSide, pixels => pixels.Encode(new SKJpegEncoderOptions(Quality)));

    /// <summary>The same as WebP, for pages of many pictures: about two thirds of the bytes.</summary>
    public static byte[] Webp(RgbImage image, int longestSide) =>
        Encoded(
            image,
            longestSide,
            pixels => pixels.Encode(new SKWebpEncoderOptions(SKWebpEncoderCompression.Lossy, WebpQuality))
        );

    private static byte[] Encoded(RgbImage image, int longestSide, Func<SKPixmap, SKData?> encode)
    {
        var scale = Math.Min(1, longestSide / (double)Math.Max(image.Width, image.Height));
        var (width, height) = (Side(image.Width), Side(image.Height));
        var info = new SKImageInfo(image.Width, image.Height, SKColorType.Rgba8888, SKAlphaType.Opaque);
        using var original = SKImage.FromPixelCopy(info, Drawing.WithAlpha(image.Pixels));
        using var small = new SKBitmap(info.WithSize(width, height));
        using var pixels = small.PeekPixels();
        // Mipmaps: shrinking by more than two would leave out pixels otherwise.
        original.ScalePixels(pixels, new SKSamplingOptions(SKFilterMode.Linear, SKMipmapMode.Linear));
        using var data = encode(pixels);
        return data!.ToArray();

        int Side(int length) => Math.Max(1, (int)Math.Round(length * scale));
    }
}
