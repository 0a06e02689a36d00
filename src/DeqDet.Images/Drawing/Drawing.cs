using System.Runtime.InteropServices;
using SkiaSharp;

namespace DeqDet.Images;

/// <summary>A picture in the making.</summary>
public sealed class Drawing : IDisposable
{
    private readonly byte[] pixels;
    private readonly SKSurface surface;
    private readonly SKImageInfo info;
    private GCHandle pin;

    /// <summary>An area of one colour; sizes in px.</summary>
    public Drawing(int width, int height, SKColor ground)
    {
        info = new(width, height, SKColorType.Rgba8888, SKAlphaType.Opaque);
        pixels = new byte[info.BytesSize];
        pin = GCHandle.Alloc(pixels, GCHandleType.Pinned);
        surface = SKSurface.Create(info, pin.AddrOfPinnedObject());
        Canvas.Clear(ground);
    }

    /// <summary>What to draw on.</summary>
    public SKCanvas Canvas => surface.Canvas;

    /// <summary>Puts an image at a place, px, smoothly enlarged by a whole number.</summary>
    public void Put(RgbImage image, int left, int top, int times = 1)
    {
        var source = new SKImageInfo(image.Width, image.Height, SKColorType.Rgba8888, SKAlphaType.Opaque);
        using var copy = SKImage.FromPixelCopy(source, WithAlpha(image.Pixels));
        var target = SKRect.Create(left, top, image.Width * times, image.Height * times);
        var sampling = times == 1 ? SKSamplingOptions.Default : new SKSamplingOptions(SKCubicResampler.CatmullRom);
        Canvas.DrawImage(copy, target, sampling);
    }

    /// <summary>What has been drawn.</summary>
    public RgbImage Finish()
    {
        Canvas.Flush();
        var rgb = new byte[info.Width * info.Height * 3];
        for (var (from, to) = (0, 0); to < rgb.Length; from += 4, to += 3)
        {
            (rgb[to], rgb[to + 1], rgb[to + 2]) = (pixels[from], pixels[from + 1], pixels[from + 2]);
        }
        return new(rgb, info.Width, info.Height);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        surface.Dispose();
        pin.Free();
    }

    /// <summary>Bytes R G B -> R G B 255.</summary>
    public static byte[] WithAlpha(byte[] rgb)
    {
        var rgba = new byte[rgb.Length / 3 * 4];
        for (var (from, to) = (0, 0); from < rgb.Length; from += 3, to += 4)
        {
            (rgba[to], rgba[to + 1], rgba[to + 2], rgba[to + 3]) = (rgb[from], rgb[from + 1], rgb[from + 2], 255);
        }
        return rgba;
    }
}
