using System.Globalization;
using System.Text;

namespace DeqDet.Images;

/// <summary>
/// Frames as they go through pipes: binary PPM of 8 bits a colour, a header that tells the size and then the bare bytes, one frame after the
/// other.
/// </summary>
internal static class Ppm
{
    private const int LongestHeader = 64;
    private const string Damaged = "the frames that ffmpeg gives are damaged";

    /// <summary>What stands before a frame's bytes.</summary>
    public static byte[] Header(int width, int height) =>
        Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"P6\n{width} {height}\n255\n"));

    /// <summary>The next frame; null at the end.</summary>
    /// <exception cref="InputError">The stream ends within a frame, or holds something else, or a frame is too large.</exception>
    public static RgbImage? Read(Stream stream, string name)
    {
        if (Word(stream, name) is not { } magic)
        {
            return null;
        }

        if (magic != "P6")
        {
            throw new InputError($"{name}: {Damaged}");
        }

        var (width, height) = (Number(stream, name), Number(stream, name));
        if (Number(stream, name) != byte.MaxValue || width < 1 || height < 1)
        {
            throw new InputError($"{name}: {Damaged}");
        }

        if ((long)width * height > ImageFile.MaxPixels)
        {
            throw new InputError(
                $"{name}: frames of {width} x {height} pixels are more than the {ImageFile.MaxPixels / 1_000_000} million that are read; scale the video down"
            );
        }

        var pixels = GC.AllocateUninitializedArray<byte>(width * height * 3);
        return stream.ReadAtLeast(pixels, pixels.Length, throwOnEndOfStream: false) == pixels.Length
            ? new(pixels, width, height)
            : throw new InputError($"{name}: {Cut}");
    }

    private const string Cut = "the video ends within a frame";

    private static int Number(Stream stream, string name) =>
        int.TryParse(Word(stream, name), NumberStyles.None, CultureInfo.InvariantCulture, out var number)
            ? number
            : throw new InputError($"{name}: {Damaged}");

    // The header's words end with one blank; null where the stream ends before one begins.
    private static string? Word(Stream stream, string name)
    {
        var word = new StringBuilder();
        while (true)
        {
            switch (stream.ReadByte())
            {
                case -1 when word.Length == 0:
                    return null;
                case -1:
                    throw new InputError($"{name}: {Cut}");
                case ' ' or '\n':
                    return word.ToString();
                case var letter when word.Length < LongestHeader:
                    word.Append((char)letter);
                    break;
                default:
                    throw new InputError($"{name}: {Damaged}");
            }
        }
    }
}
