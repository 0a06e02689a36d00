using System.Buffers;

namespace DeqDet.Images;

/// <summary>Takes the rows of a picture while it is made, from top to bottom.</summary>
public interface IRowSink
{
    /// <summary>Row <paramref name="y"/>, interleaved RGB; its memory is used again after the call.</summary>
    void Take(int y, ReadOnlySpan<byte> row);
}

/// <summary>
/// Bilinear resize as OpenCV's INTER_LINEAR computes it on bytes: pixel centres at halves, no smoothing before shrinking, weights of 11
/// bits, rounding after both passes. Shrinking to exactly half averages 2 x 2 pixels, as there.
/// </summary>
public static class Resize
{
    /// <summary>The picture at another size.</summary>
    public static RgbImage Bilinear(RgbImage image, int width, int height)
    {
        if ((width, height) == (image.Width, image.Height))
        {
            return image;
        }

        var pixels = GC.AllocateUninitializedArray<byte>(width * height * 3);
        var sink = new PictureSink(pixels);
        Rows(image, width, height, flip: false, ref sink);
        return new(pixels, width, height);
    }

    /// <summary>
    /// The rows of the picture at another size, mirrored left to right where <paramref name="flip"/>: the same bytes as those of
    /// <see cref="Bilinear"/> and a flip after it, without the pictures in between.
    /// </summary>
    public static void Rows<TSink>(RgbImage image, int width, int height, bool flip, ref TSink sink)
        where TSink : struct, IRowSink, allows ref struct
    {
        if ((width, height) == (image.Width, image.Height))
        {
            Copy(image, flip, ref sink);
        }
        else if (width * 2 == image.Width && height * 2 == image.Height)
        {
            Halve(image, flip, ref sink);
        }
        else
        {
            Interpolate(image, width, height, flip, ref sink);
        }
    }

    private static void Interpolate<TSink>(RgbImage image, int width, int height, bool flip, ref TSink sink)
        where TSink : struct, IRowSink, allows ref struct
    {
        var columns = new ResizeTaps(image.Width, width, step: 3);
        var rows = new ResizeTaps(image.Height, height, step: 1);
        if (flip)
        {
            columns.Reverse();
        }

        var pairs = columns.Pairs();
        // Two rows of the horizontal pass are alive at a time.
        var length = width * 3;
        var upper = ArrayPool<short>.Shared.Rent(length + ResizeRows.Slack);
        var lower = ArrayPool<short>.Shared.Rent(length + ResizeRows.Slack);
        var padded = ArrayPool<byte>.Shared.Rent(image.Width * 3 + ResizeRows.Slack);
        var target = ArrayPool<byte>.Shared.Rent(length);
        var (upperRow, lowerRow) = (-1, -1);
        for (var y = 0; y < height; y++)
        {
            var (first, second) = (rows.First[y], Math.Min(rows.First[y] + 1, image.Height - 1));
            if (upperRow != first)
            {
                if (lowerRow == first)
                {
                    (upper, lower, upperRow, lowerRow) = (lower, upper, lowerRow, upperRow);
                }
                else
                {
                    ResizeRows.Horizontal(Readable(image, first, padded), columns, pairs, upper);
                    upperRow = first;
                }
            }

            if (lowerRow != second)
            {
                ResizeRows.Horizontal(Readable(image, second, padded), columns, pairs, lower);
                lowerRow = second;
            }

            ResizeRows.Vertical(
                upper.AsSpan(0, length),
                lower.AsSpan(0, length),
                rows.FirstWeight[y],
                rows.SecondWeight[y],
                target
            );
            sink.Take(y, target.AsSpan(0, length));
        }

        ArrayPool<short>.Shared.Return(upper);
        ArrayPool<short>.Shared.Return(lower);
        ArrayPool<byte>.Shared.Return(padded);
        ArrayPool<byte>.Shared.Return(target);
    }

    /// <summary>A row with some bytes after it that may be read: the next row's, or for the last rows those of a copy.</summary>
    private static ReadOnlySpan<byte> Readable(RgbImage image, int y, byte[] padded)
    {
        var (start, length) = (y * image.Width * 3, image.Width * 3 + ResizeRows.Slack);
        if (start + length <= image.Pixels.Length)
        {
            return image.Pixels.AsSpan(start, length);
        }

        image.Row(y).CopyTo(padded);
        return padded.AsSpan(0, length);
    }

    private static void Copy<TSink>(RgbImage image, bool flip, ref TSink sink)
        where TSink : struct, IRowSink, allows ref struct
    {
        var row = ArrayPool<byte>.Shared.Rent(image.Width * 3);
        for (var y = 0; y < image.Height; y++)
        {
            var target = row.AsSpan(0, image.Width * 3);
            if (flip)
            {
                RgbImage.Reverse(image.Row(y), target);
            }

            sink.Take(y, flip ? target : image.Row(y));
        }

        ArrayPool<byte>.Shared.Return(row);
    }

    private static void Halve<TSink>(RgbImage image, bool flip, ref TSink sink)
        where TSink : struct, IRowSink, allows ref struct
    {
        var width = image.Width / 2;
        var row = ArrayPool<byte>.Shared.Rent(width * 3);
        for (var y = 0; y < image.Height / 2; y++)
        {
            var upper = image.Row(2 * y);
            var lower = image.Row(2 * y + 1);
            for (var x = 0; x < width; x++)
            {
                var target = (flip ? width - 1 - x : x) * 3;
                for (var c = 0; c < 3; c++)
                {
                    var at = x * 6 + c;
                    row[target + c] = (byte)((upper[at] + upper[at + 3] + lower[at] + lower[at + 3] + 2) >> 2);
                }
            }

            sink.Take(y, row.AsSpan(0, width * 3));
        }

        ArrayPool<byte>.Shared.Return(row);
    }

    private readonly struct PictureSink(byte[] pixels) : IRowSink
    {
        public void Take(int y, ReadOnlySpan<byte> row) => row.CopyTo(pixels.AsSpan(y * row.Length));
    }
}
