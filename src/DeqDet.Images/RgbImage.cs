using System.Runtime.Intrinsics;

namespace DeqDet.Images;

/// <summary>A picture in memory: interleaved 8-bit RGB, [height, width, 3]. Its bytes are never changed after construction.</summary>
public sealed record RgbImage
{
    /// <summary>Wraps the bytes; their number must be height * width * 3.</summary>
    public RgbImage(byte[] pixels, int width, int height)
    {
        if (width < 1 || height < 1 || pixels.Length != (long)width * height * 3)
        {
            throw new ArgumentException($"{pixels.Length} bytes are no {width} x {height} RGB picture");
        }

        (Pixels, Width, Height) = (pixels, width, height);
    }

    /// <summary>The bytes, row by row.</summary>
    public byte[] Pixels { get; }

    /// <summary>Width, px.</summary>
    public int Width { get; }

    /// <summary>Height, px.</summary>
    public int Height { get; }

    /// <summary>What a reader should know of the file that the picture was read from, such as a missing end marker; mostly nothing.</summary>
    public IReadOnlyList<string> Notes { get; init; } = [];

    /// <summary>One row.</summary>
    public ReadOnlySpan<byte> Row(int y) => Pixels.AsSpan(y * Width * 3, Width * 3);

    /// <summary>The rectangle of the given corner and size, which must lie inside.</summary>
    public RgbImage Cropped(int left, int top, int width, int height)
    {
        var cropped = GC.AllocateUninitializedArray<byte>(width * height * 3);
        for (var y = 0; y < height; y++)
        {
            Row(top + y).Slice(left * 3, width * 3).CopyTo(cropped.AsSpan(y * width * 3));
        }

        return new(cropped, width, height);
    }

    /// <summary>The picture with left and right exchanged.</summary>
    public RgbImage FlippedHorizontally()
    {
        var flipped = GC.AllocateUninitializedArray<byte>(Pixels.Length);
        for (var y = 0; y < Height; y++)
        {
            Reverse(Row(y), flipped.AsSpan(y * Width * 3, Width * 3));
        }

        return new(flipped, Width, Height);
    }

    /// <summary>The picture with top and bottom exchanged.</summary>
    public RgbImage FlippedVertically() => Rearranged(Width, Height, (x, y) => (x, Height - 1 - y));

    /// <summary>A picture of the given size whose pixel (x, y) is this picture's pixel at <paramref name="source"/>(x, y), an affine function.</summary>
    public RgbImage Rearranged(int width, int height, Func<int, int, (int X, int Y)> source)
    {
        var pixels = GC.AllocateUninitializedArray<byte>(Pixels.Length);
        var target = 0;
        for (var y = 0; y < height; y++)
        {
            var (startX, startY) = source(0, y);
            var (nextX, nextY) = width > 1 ? source(1, y) : (startX, startY);
            var from = (startY * Width + startX) * 3;
            var step = (nextY * Width + nextX) * 3 - from;
            for (var x = 0; x < width; x++, target += 3, from += step)
            {
                pixels[target] = Pixels[from];
                pixels[target + 1] = Pixels[from + 1];
                pixels[target + 2] = Pixels[from + 2];
            }
        }

        return new(pixels, width, height);
    }

    /// <summary>The pixels of a row in reverse order.</summary>
    internal static void Reverse(ReadOnlySpan<byte> row, Span<byte> target)
    {
        // Five pixels a step; the sixteenth byte is overwritten by the next step's pixels.
        var order = Vector128.Create((byte)12, 13, 14, 9, 10, 11, 6, 7, 8, 3, 4, 5, 0, 1, 2, 15);
        var (from, to) = (row.Length, 0);
        for (; from >= 16 && to + 16 <= target.Length; from -= 15, to += 15)
        {
            // The pixels end at byte `from`; the read ends one byte later, so that they start the vector, except at the row's end.
            var pixels = from == row.Length ? LastFive(row) : Vector128.Create(row[(from - 15)..(from + 1)]);
            Vector128.Shuffle(pixels, order).CopyTo(target[to..]);
        }

        for (; from > 0; from -= 3, to += 3)
        {
            row[(from - 3)..from].CopyTo(target[to..]);
        }
    }

    /// <summary>The last five pixels of a row, first in the vector.</summary>
    private static Vector128<byte> LastFive(ReadOnlySpan<byte> row) =>
        Vector128.Shuffle(
            Vector128.Create(row[^16..]),
            Vector128.Create((byte)1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 255)
        );
}
