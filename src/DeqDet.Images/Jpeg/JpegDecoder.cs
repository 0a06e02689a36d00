using System.Buffers;
using System.Runtime.Intrinsics.X86;

namespace DeqDet.Images.Jpeg;

/// <summary>
/// A decoder for the JPEG files that data sets mostly hold (<see cref="JpegFrame"/>), faster than the general one and equal to it byte for
/// byte. Whatever it does not know or trust (other kinds of files, damage, processors without AVX2) is left to the general one.
/// </summary>
public static class JpegDecoder
{
    /// <summary>The picture, or null where the general decoder has to look at the file.</summary>
    /// <param name="file">The file.</param>
    /// <param name="width">The width it is expected to have, px.</param>
    /// <param name="height">The height it is expected to have, px.</param>
    /// <param name="buffers">Where the picture's memory comes from; null for new memory.</param>
    public static RgbImage? Decode(ReadOnlySpan<byte> file, int width, int height, PixelBuffers? buffers = null)
    {
        if (
            !Avx2.IsSupported
            || JpegFrame.Read(file) is not { } frame
            || (frame.Width, frame.Height) != (width, height)
        )
        {
            return null;
        }

        var planes = Array.ConvertAll(frame.Components, component => new JpegPlane(frame, component));
        var data = ArrayPool<byte>.Shared.Rent(file.Length - frame.Scan + JpegReader.Padding);
        try
        {
            // Too narrow for libjpeg to smooth the chroma.
            var narrow = frame.Across == 2 && planes[^1].Width <= 2;
            return !narrow && Unstuff(file[frame.Scan..], data) is { } length && Fill(planes, frame, data, length)
                ? Compose(planes, frame, buffers)
                : null;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(data);
            foreach (var plane in planes)
            {
                plane.Dispose();
            }
        }
    }

    /// <summary>Copies the entropy-coded data without stuffed bytes, and zeros after it; null unless it is followed by the end of the image.</summary>
    private static int? Unstuff(ReadOnlySpan<byte> scan, Span<byte> target)
    {
        var length = 0;
        while (true)
        {
            var run = scan.IndexOf((byte)0xFF);
            if (run < 0 || run + 1 >= scan.Length)
            {
                return null;
            }

            scan[..run].CopyTo(target[length..]);
            length += run;
            if (scan[run + 1] != 0)
            {
                target.Slice(length, JpegReader.Padding).Clear();
                return scan[run + 1] == 0xD9 ? length : null;
            }

            target[length++] = 0xFF;
            scan = scan[(run + 2)..];
        }
    }

    private static bool Fill(JpegPlane[] planes, JpegFrame frame, ReadOnlySpan<byte> data, int length)
    {
        var reader = new JpegReader(data, length);
        Span<int> lastDc = stackalloc int[planes.Length];
        lastDc.Clear();
        Span<short> block = stackalloc short[64];
        var (unitsAcross, unitsDown) = (Units(frame.Width, frame.Across), Units(frame.Height, frame.Down));
        for (var unitY = 0; unitY < unitsDown; unitY++)
        {
            for (var unitX = 0; unitX < unitsAcross; unitX++)
            {
                for (var i = 0; i < planes.Length; i++)
                {
                    if (!FillUnit(ref reader, planes[i], frame.Components[i], unitX, unitY, ref lastDc[i], block))
                    {
                        return false;
                    }
                }
            }
        }

        // More than a few bytes left, or fewer than none: the data and the size do not belong together.
        return reader.Left is >= 0 and < 8;
    }

    private static bool FillUnit(
        ref JpegReader reader,
        JpegPlane plane,
        JpegComponent component,
        int unitX,
        int unitY,
        ref int lastDc,
        scoped Span<short> block
    )
    {
        for (var y = unitY * component.Down; y < (unitY + 1) * component.Down; y++)
        {
            for (var x = unitX * component.Across; x < (unitX + 1) * component.Across; x++)
            {
                block.Clear();
                var last = reader.Read(component, ref lastDc, block);
                if (last < 0)
                {
                    return false;
                }

                JpegTransform.Inverse(block, last, plane.At(x * 8, y * 8), plane.Stride);
            }
        }

        return true;
    }

    private static int Units(int size, int blocks) => (size + 8 * blocks - 1) / (8 * blocks);

    private static RgbImage Compose(JpegPlane[] planes, JpegFrame frame, PixelBuffers? buffers)
    {
        var length = frame.Width * frame.Height * 3;
        var pixels = buffers?.Rent(length) ?? GC.AllocateUninitializedArray<byte>(length);
        using var blue = new JpegRows(planes[planes.Length > 1 ? 1 : 0], frame);
        using var red = new JpegRows(planes[^1], frame);
        for (var y = 0; y < frame.Height; y++)
        {
            var target = pixels.AsSpan(y * frame.Width * 3, frame.Width * 3);
            if (planes.Length == 1)
            {
                JpegColour.ToRgb(planes[0].Row(y), target);
            }
            else
            {
                JpegColour.ToRgb(planes[0].Row(y), blue.At(y), red.At(y), target);
            }
        }

        return new(pixels, frame.Width, frame.Height);
    }
}
