using System.Buffers;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace DeqDet.Host.Data;

/// <summary>Limits of a keep-ratio resize: the short side may reach Short, the long one Long, px.</summary>
public readonly record struct ResizeLimit(int Short, int Long)
{
    /// <summary>
    /// The size a picture takes: as large as both limits allow, its ratio kept, rounded half up
    /// (the rule of mmcv's <c>rescale_size</c>); at least 1 px a side.
    /// </summary>
    public (int Width, int Height) Of(int width, int height)
    {
        var factor = Math.Min(
            (double)Math.Max(Short, Long) / Math.Max(width, height),
            (double)Math.Min(Short, Long) / Math.Min(width, height)
        );
        return (Math.Max((int)(width * factor + 0.5), 1), Math.Max((int)(height * factor + 0.5), 1));
    }
}

/// <summary>
/// Bilinear resize as OpenCV's INTER_LINEAR computes it on bytes: pixel centres at halves, no smoothing before shrinking, weights of 11
/// bits, rounding after both passes. Shrinking to exactly half averages 2 x 2 pixels, as there.
/// </summary>
public static class Resize
{
    private const int WeightOne = 2048;

    /// <summary>The picture at another size.</summary>
    public static RgbImage Bilinear(RgbImage image, int width, int height)
    {
        if ((width, height) == (image.Width, image.Height))
        {
            return image;
        }

        var target = GC.AllocateUninitializedArray<byte>(width * height * 3);
        if (width * 2 == image.Width && height * 2 == image.Height)
        {
            Halve(image, target, width, height);
            return new(target, width, height);
        }

        var columns = Taps(image.Width, width);
        var rows = Taps(image.Height, height);
        // Two rows of the horizontal pass are alive at a time. One more lane than needed: pixels are handled four lanes at a time.
        var length = width * 3;
        var upper = ArrayPool<int>.Shared.Rent(length + 1);
        var lower = ArrayPool<int>.Shared.Rent(length + 1);
        var (upperRow, lowerRow) = (-1, -1);
        for (var y = 0; y < height; y++)
        {
            var (first, second) = (rows[y].First, rows[y].Second);
            if (upperRow != first)
            {
                if (lowerRow == first)
                {
                    (upper, lower, upperRow, lowerRow) = (lower, upper, lowerRow, upperRow);
                }
                else
                {
                    Horizontal(image, first, columns, upper);
                    upperRow = first;
                }
            }

            if (lowerRow != second)
            {
                Horizontal(image, second, columns, lower);
                lowerRow = second;
            }

            Vertical(upper.AsSpan(0, length), lower.AsSpan(0, length), rows[y], target.AsSpan(y * length, length));
        }

        ArrayPool<int>.Shared.Return(upper);
        ArrayPool<int>.Shared.Return(lower);
        return new(target, width, height);
    }

    private static Tap[] Taps(int from, int to)
    {
        var scale = 1.0 / ((double)to / from);
        var taps = new Tap[to];
        for (var i = 0; i < to; i++)
        {
            var position = (float)((i + 0.5) * scale - 0.5);
            var first = (int)MathF.Floor(position);
            var fraction = position - first;
            if (first < 0 || first >= from - 1)
            {
                (first, fraction) = (Math.Clamp(first, 0, from - 1), 0);
            }

            var weight = (int)MathF.Round(fraction * WeightOne);
            taps[i] = new(first, Math.Min(first + 1, from - 1), (int)MathF.Round((1 - fraction) * WeightOne), weight);
        }

        return taps;
    }

    /// <summary>One row of the horizontal pass, in 1/128 grey levels: the vertical one looks at no finer digits.</summary>
    private static void Horizontal(RgbImage image, int y, Tap[] columns, int[] target)
    {
        var row = image.Row(y);
        var i = 0;
        if (Vector128.IsHardwareAccelerated)
        {
            ref var bytes = ref MemoryMarshal.GetReference(row);
            // A read takes 4 bytes, of which 3 count: the row's last pixel has no fourth.
            for (; i < columns.Length && columns[i].Second * 3 + 4 <= row.Length; i++)
            {
                var tap = columns[i];
                var sum =
                    Lanes(ref bytes, tap.First * 3) * tap.FirstWeight
                    + Lanes(ref bytes, tap.Second * 3) * tap.SecondWeight;
                (sum >> 4).StoreUnsafe(ref target[i * 3]);
            }
        }

        for (; i < columns.Length; i++)
        {
            var tap = columns[i];
            for (var c = 0; c < 3; c++)
            {
                var sum = row[tap.First * 3 + c] * tap.FirstWeight + row[tap.Second * 3 + c] * tap.SecondWeight;
                target[i * 3 + c] = sum >> 4;
            }
        }
    }

    private static Vector128<int> Lanes(ref byte bytes, int at)
    {
        var pixel = Unsafe.ReadUnaligned<uint>(ref Unsafe.Add(ref bytes, at));
        return Vector128.WidenLower(Vector128.WidenLower(Vector128.CreateScalar(pixel).AsByte())).AsInt32();
    }

    private static void Vertical(ReadOnlySpan<int> upper, ReadOnlySpan<int> lower, Tap tap, Span<byte> target)
    {
        var i = 0;
        var lanes = Vector<int>.Count;
        for (; i + 4 * lanes <= target.Length; i += 4 * lanes)
        {
            var a = Vector.Narrow(Blend(upper, lower, tap, i), Blend(upper, lower, tap, i + lanes));
            var b = Vector.Narrow(Blend(upper, lower, tap, i + 2 * lanes), Blend(upper, lower, tap, i + 3 * lanes));
            Vector.Narrow(Vector.AsVectorUInt16(a), Vector.AsVectorUInt16(b)).CopyTo(target[i..]);
        }

        for (; i < target.Length; i++)
        {
            var high = (tap.FirstWeight * upper[i]) >> 16;
            var low = (tap.SecondWeight * lower[i]) >> 16;
            target[i] = (byte)((high + low + 2) >> 2);
        }
    }

    private static Vector<int> Blend(ReadOnlySpan<int> upper, ReadOnlySpan<int> lower, Tap tap, int at)
    {
        var high = (new Vector<int>(upper[at..]) * tap.FirstWeight) >> 16;
        var low = (new Vector<int>(lower[at..]) * tap.SecondWeight) >> 16;
        return (high + low + new Vector<int>(2)) >> 2;
    }

    private static void Halve(RgbImage image, byte[] target, int width, int height)
    {
        for (var y = 0; y < height; y++)
        {
            var upper = image.Row(2 * y);
            var lower = image.Row(2 * y + 1);
            for (var x = 0; x < width; x++)
            {
                for (var c = 0; c < 3; c++)
                {
                    var at = x * 6 + c;
                    target[(y * width + x) * 3 + c] = (byte)(
                        (upper[at] + upper[at + 3] + lower[at] + lower[at + 3] + 2) >> 2
                    );
                }
            }
        }
    }

    /// <summary>The two source pixels of a target pixel, and their weights in 1/2048.</summary>
    private readonly record struct Tap(int First, int Second, int FirstWeight, int SecondWeight);
}
