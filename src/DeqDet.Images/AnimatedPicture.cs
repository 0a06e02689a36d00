using DeqDet.Images.Decoding;
using NetVips;

namespace DeqDet.Images;

/// <summary>Pictures one after the other as one moving picture, an animated WebP file, which browsers and forges show as any other picture.</summary>
public static class AnimatedPicture
{
    // Thin lines of pure colours suffer first, since colours are kept at half the resolution.
    private const int Quality = 84;
    private const int Effort = 4;

    /// <summary>The bytes of the file, which begins again when it ends.</summary>
    /// <param name="frames">At least one; all of one size.</param>
    /// <param name="milliseconds">How long each is shown.</param>
    /// <exception cref="ArgumentException">The frames have different sizes, or another number than the times.</exception>
    /// <exception cref="InputError">The library that encodes it cannot be loaded.</exception>
    public static byte[] Encode(IReadOnlyList<RgbImage> frames, IReadOnlyList<int> milliseconds)
    {
        if (frames.Count == 0 || frames.Count != milliseconds.Count)
        {
            throw new ArgumentException($"{frames.Count} frames and {milliseconds.Count} times are no moving picture");
        }

        var (width, height) = (frames[0].Width, frames[0].Height);
        var pixels = new byte[(long)width * height * 3 * frames.Count];
        var at = 0;
        foreach (var frame in frames)
        {
            if (frame.Width != width || frame.Height != height)
            {
                throw new ArgumentException(
                    $"a frame of {frame.Width} x {frame.Height} px among those of {width} x {height}"
                );
            }

            frame.Pixels.CopyTo(pixels, at);
            at += frame.Pixels.Length;
        }

        Vips.Ensure();
        // the library takes the frames as one tall picture, and says in its metadata where one ends
        using var tall = Image.NewFromMemory(pixels, width, height * frames.Count, 3, Enums.BandFormat.Uchar);
        using var timed = tall.Mutate(image =>
        {
            image.Set(GValue.GIntType, "page-height", height);
            image.Set(GValue.ArrayIntType, "delay", milliseconds.ToArray());
            image.Set(GValue.GIntType, "loop", 0);
        });
        return timed.WebpsaveBuffer(q: Quality, effort: Effort, smartSubsample: true);
    }
}
