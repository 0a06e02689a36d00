using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace DeqDet.Images.Jpeg;

/// <summary>From rows of components to rows of RGB, bit for bit as libjpeg does it.</summary>
internal static class JpegColour
{
    /// <summary>Elements before a row of samples that take its first one.</summary>
    public const int Before = 16;

    /// <summary>Elements after a row that may be read and written.</summary>
    public const int After = 32;

    /// <summary>
    /// Weighted sums of the nearer and the farther of two rows of chroma, 3 to 1 (with one row alone: itself), with the first and the last
    /// repeated at the ends. The target's first sum stands at <see cref="Before"/>.
    /// </summary>
    public static void Sums(ReadOnlySpan<byte> nearer, ReadOnlySpan<byte> farther, Span<short> target)
    {
        var sums = target[Before..];
        ref var near = ref MemoryMarshal.GetReference(nearer);
        ref var far = ref MemoryMarshal.GetReference(farther);
        ref var values = ref MemoryMarshal.GetReference(sums);
        var i = 0;
        for (; i + 16 <= nearer.Length; i += 16)
        {
            var a = Avx2.ConvertToVector256Int16(Vector128.LoadUnsafe(ref near, (nuint)i));
            var b = Avx2.ConvertToVector256Int16(Vector128.LoadUnsafe(ref far, (nuint)i));
            (a + a + a + b).StoreUnsafe(ref values, (nuint)i);
        }

        for (; i < nearer.Length; i++)
        {
            sums[i] = (short)(3 * nearer[i] + farther[i]);
        }

        target[Before - 1] = sums[0];
        sums[nearer.Length] = sums[nearer.Length - 1];
    }

    /// <summary>
    /// Twice as many samples as there are sums: each between itself and its left, and itself and its right neighbour, 3 to 1; the sums are of
    /// four samples, or with <paramref name="shift"/> 2 of one.
    /// </summary>
    public static void Widen(ReadOnlySpan<short> sums, int count, int shift, Span<byte> target)
    {
        // libjpeg rounds the two differently, so that no direction is favoured.
        var (roundLeft, roundRight) = shift == 4 ? ((short)8, (short)7) : ((short)1, (short)2);
        ref var values = ref MemoryMarshal.GetReference(sums);
        ref var bytes = ref MemoryMarshal.GetReference(target);
        for (var i = 0; i < count; i += 16)
        {
            var at = Vector256.LoadUnsafe(ref values, (nuint)(Before + i));
            var three = at + at + at;
            var left = three + Vector256.LoadUnsafe(ref values, (nuint)(Before + i - 1)) + Vector256.Create(roundLeft);
            var right =
                three + Vector256.LoadUnsafe(ref values, (nuint)(Before + i + 1)) + Vector256.Create(roundRight);
            var pair = (left >> shift) | ((right >> shift) << 8);
            pair.AsByte().StoreUnsafe(ref bytes, (nuint)(2 * i));
        }
    }

    /// <summary>Samples as sums of one, for <see cref="Widen"/>.</summary>
    public static void Singles(ReadOnlySpan<byte> row, Span<short> target)
    {
        var sums = target[Before..];
        for (var i = 0; i < row.Length; i++)
        {
            sums[i] = row[i];
        }

        target[Before - 1] = sums[0];
        sums[row.Length] = sums[row.Length - 1];
    }

    /// <summary>A row of YCbCr as RGB. The rows of components are <see cref="After"/> bytes longer than they are wide.</summary>
    public static void ToRgb(ReadOnlySpan<byte> y, ReadOnlySpan<byte> cb, ReadOnlySpan<byte> cr, Span<byte> rgb)
    {
        var width = rgb.Length / 3;
        const byte none = 255;
        var dense = Vector128.Create((byte)0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, none, none, none, none);
        ref var ys = ref MemoryMarshal.GetReference(y);
        ref var blues = ref MemoryMarshal.GetReference(cb);
        ref var reds = ref MemoryMarshal.GetReference(cr);
        Span<byte> end = stackalloc byte[40];
        for (var x = 0; x < width; x += 8)
        {
            var pixels = Pixels(Eight(ref ys, x), Eight(ref blues, x), Eight(ref reds, x)).AsByte();
            // Each store writes 16 bytes of which 12 count; near the row's end they go through a buffer.
            var whole = x * 3 + 28 <= rgb.Length;
            var target = whole ? rgb[(x * 3)..] : end;
            Vector128.Shuffle(pixels.GetLower(), dense).CopyTo(target);
            Vector128.Shuffle(pixels.GetUpper(), dense).CopyTo(target[12..]);
            if (!whole)
            {
                var rest = Math.Min(24, rgb.Length - x * 3);
                end[..rest].CopyTo(rgb[(x * 3)..]);
            }
        }
    }

    /// <summary>A row of grey levels as RGB.</summary>
    public static void ToRgb(ReadOnlySpan<byte> grey, Span<byte> rgb)
    {
        for (var x = 0; x * 3 < rgb.Length; x++)
        {
            rgb.Slice(x * 3, 3).Fill(grey[x]);
        }
    }

    private static Vector256<int> Eight(ref byte row, int at) =>
        Avx2.ConvertToVector256Int32(
            Vector128.CreateScalarUnsafe(Unsafe.ReadUnaligned<ulong>(ref Unsafe.Add(ref row, at))).AsByte()
        );

    // Red, green and blue of eight pixels in the lower three bytes of each lane.
    private static Vector256<int> Pixels(Vector256<int> y, Vector256<int> cb, Vector256<int> cr)
    {
        var centre = Vector256.Create(128);
        var half = Vector256.Create(1 << 15);
        (cb, cr) = (cb - centre, cr - centre);
        var red = Byte(y + ((cr * 91881 + half) >> 16));
        var green = Byte(y + ((half - cb * 22554 - cr * 46802) >> 16));
        var blue = Byte(y + ((cb * 116130 + half) >> 16));
        return red | (green << 8) | (blue << 16);
    }

    private static Vector256<int> Byte(Vector256<int> value) =>
        Vector256.Min(Vector256.Max(value, Vector256<int>.Zero), Vector256.Create(255));
}
