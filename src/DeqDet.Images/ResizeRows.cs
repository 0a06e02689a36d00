using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace DeqDet.Images;

/// <summary>
/// The two passes of a bilinear resize on a row. With AVX2 four pixels and 32 values are computed at a time, with the same result:
/// everything is whole numbers.
/// </summary>
internal static class ResizeRows
{
    /// <summary>Elements after a row's end that may be read, or overwritten with anything.</summary>
    public const int Slack = 16;

    /// <summary>
    /// The horizontal pass, in 1/128 grey levels (at most 32640): the vertical one looks at no finer digits. The source and the target
    /// are <see cref="Slack"/> elements longer than their rows. <paramref name="pairs"/> are the columns' <see cref="ResizeTaps.Pairs"/>.
    /// </summary>
    public static void Horizontal(
        ReadOnlySpan<byte> row,
        ResizeTaps columns,
        ReadOnlySpan<Vector256<short>> pairs,
        Span<short> target
    )
    {
        var done = Avx2.IsSupported ? HorizontalAvx2(row, columns.First, pairs, target) : 0;
        for (var i = done; i < columns.First.Length; i++)
        {
            var first = columns.First[i];
            for (var c = 0; c < 3; c++)
            {
                var sum = row[first + c] * columns.FirstWeight[i] + row[first + 3 + c] * columns.SecondWeight[i];
                target[i * 3 + c] = (short)(sum >> 4);
            }
        }
    }

    /// <summary>The vertical pass: two rows of the horizontal one become a row of grey levels.</summary>
    public static void Vertical(
        ReadOnlySpan<short> upper,
        ReadOnlySpan<short> lower,
        short upperWeight,
        short lowerWeight,
        Span<byte> target
    )
    {
        var done = Avx2.IsSupported ? VerticalAvx2(upper, lower, upperWeight, lowerWeight, target) : 0;
        for (var i = done; i < upper.Length; i++)
        {
            var high = (upperWeight * upper[i]) >> 16;
            var low = (lowerWeight * lower[i]) >> 16;
            target[i] = (byte)((high + low + 2) >> 2);
        }
    }

    private static int HorizontalAvx2(
        ReadOnlySpan<byte> row,
        int[] first,
        ReadOnlySpan<Vector256<short>> pairs,
        Span<short> target
    )
    {
        const byte none = 255;
        // Both values of a channel side by side: r r g g b b.
        var twice = Vector128.Create(0, none, 3, none, 1, none, 4, none, 2, none, 5, none, none, none, none, none);
        var spread = Vector256.Create(twice, twice);
        // Of two pixels with an empty fourth channel, the six values.
        var six = Vector128.Create(0, 1, 2, 3, 4, 5, 8, 9, 10, 11, 12, 13, none, none, none, none);
        var dense = Vector256.Create(six, six);
        ref var bytes = ref MemoryMarshal.GetReference(row);
        ref var values = ref MemoryMarshal.GetReference(target);
        for (var i = 0; i + 1 < pairs.Length; i += 2)
        {
            var n = 2 * i;
            var even = Avx2.Shuffle(Two(ref bytes, first[n], first[n + 2]), spread).AsInt16();
            var odd = Avx2.Shuffle(Two(ref bytes, first[n + 1], first[n + 3]), spread).AsInt16();
            var a = Avx2.ShiftRightArithmetic(Avx2.MultiplyAddAdjacent(even, pairs[i]), 4);
            var b = Avx2.ShiftRightArithmetic(Avx2.MultiplyAddAdjacent(odd, pairs[i + 1]), 4);
            var packed = Avx2.Shuffle(Avx2.PackSignedSaturate(a, b).AsByte(), dense).AsInt16();
            packed.GetLower().StoreUnsafe(ref values, (nuint)(n * 3));
            packed.GetUpper().StoreUnsafe(ref values, (nuint)(n * 3 + 6));
        }

        return 2 * pairs.Length;
    }

    // Of the 16 bytes each, six are looked at.
    private static Vector256<byte> Two(ref byte bytes, int lower, int upper) =>
        Vector256.Create(Vector128.LoadUnsafe(ref bytes, (nuint)lower), Vector128.LoadUnsafe(ref bytes, (nuint)upper));

    private static int VerticalAvx2(
        ReadOnlySpan<short> upper,
        ReadOnlySpan<short> lower,
        short upperWeight,
        short lowerWeight,
        Span<byte> target
    )
    {
        var (high, low) = (Vector256.Create(upperWeight), Vector256.Create(lowerWeight));
        ref var above = ref MemoryMarshal.GetReference(upper);
        ref var below = ref MemoryMarshal.GetReference(lower);
        ref var values = ref MemoryMarshal.GetReference(target);
        var i = 0;
        for (; i + 32 <= upper.Length; i += 32)
        {
            var a = Blend(ref above, ref below, high, low, i);
            var b = Blend(ref above, ref below, high, low, i + 16);
            // Packing interleaves the halves of the two.
            Avx2.Permute4x64(Avx2.PackUnsignedSaturate(a, b).AsInt64(), 0b11_01_10_00)
                .AsByte()
                .StoreUnsafe(ref values, (nuint)i);
        }

        return i;
    }

    private static Vector256<short> Blend(
        ref short above,
        ref short below,
        Vector256<short> high,
        Vector256<short> low,
        int at
    )
    {
        var a = Avx2.MultiplyHigh(Vector256.LoadUnsafe(ref above, (nuint)at), high);
        var b = Avx2.MultiplyHigh(Vector256.LoadUnsafe(ref below, (nuint)at), low);
        return Avx2.ShiftRightArithmetic(Avx2.Add(Avx2.Add(a, b), Vector256.Create((short)2)), 2);
    }
}
