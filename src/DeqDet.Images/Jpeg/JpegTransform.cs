using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace DeqDet.Images.Jpeg;

/// <summary>
/// The inverse cosine transform of 8 x 8 coefficients in whole numbers (Loeffler, Ligtenberg and Moschytz 1989; 13 bits of precision, two
/// more between the passes): bit for bit what libjpeg's accurate method gives. Eight columns, then eight rows are computed at a time.
/// </summary>
internal static class JpegTransform
{
    private const int Precision = 13;
    private const int Between = 2;

    /// <summary>Writes the 8 x 8 pixels of a block.</summary>
    /// <param name="coefficients">64 of them in rows, each at most 9000 in size.</param>
    /// <param name="last">Position in zigzag order of the last one that is not 0.</param>
    /// <param name="target">Where the block begins; its rows are <paramref name="stride"/> bytes apart.</param>
    /// <param name="stride">Bytes a row.</param>
    public static void Inverse(ReadOnlySpan<short> coefficients, int last, Span<byte> target, int stride)
    {
        if (last == 0)
        {
            Flat(coefficients[0], target, stride);
            return;
        }

        ref var source = ref MemoryMarshal.GetReference(coefficients);
        var (r0, r1, r2, r3) = (Row(ref source, 0), Row(ref source, 1), Row(ref source, 2), Row(ref source, 3));
        var (r4, r5, r6, r7) = (Row(ref source, 4), Row(ref source, 5), Row(ref source, 6), Row(ref source, 7));
        Pass(ref r0, ref r1, ref r2, ref r3, ref r4, ref r5, ref r6, ref r7, Precision - Between);
        Transpose(ref r0, ref r1, ref r2, ref r3, ref r4, ref r5, ref r6, ref r7);
        Pass(ref r0, ref r1, ref r2, ref r3, ref r4, ref r5, ref r6, ref r7, Precision + Between + 3);
        Store(Four(r0, r1, r2, r3), Four(r4, r5, r6, r7), target, stride);
    }

    private static void Flat(int dc, Span<byte> target, int stride)
    {
        var level = (byte)Math.Clamp(TenBits((dc + 4) >> 3) + 128, 0, 255);
        for (var y = 0; y < 8; y++)
        {
            target.Slice(y * stride, 8).Fill(level);
        }
    }

    // Libjpeg looks its results up by their ten lowest bits.
    private static int TenBits(int value) => (value << 22) >> 22;

    private static Vector256<int> Row(ref short source, int row) =>
        Avx2.ConvertToVector256Int32(Vector128.LoadUnsafe(ref source, (nuint)(row * 8)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Pass(
        ref Vector256<int> r0,
        ref Vector256<int> r1,
        ref Vector256<int> r2,
        ref Vector256<int> r3,
        ref Vector256<int> r4,
        ref Vector256<int> r5,
        ref Vector256<int> r6,
        ref Vector256<int> r7,
        int shift
    )
    {
        // Even rows.
        var z1 = (r2 + r6) * 4433;
        var t2 = z1 - r6 * 15137;
        var t3 = z1 + r2 * 6270;
        var t0 = (r0 + r4) << Precision;
        var t1 = (r0 - r4) << Precision;
        var half = Vector256.Create(1 << (shift - 1));
        var (e0, e3) = (t0 + t3 + half, t0 - t3 + half);
        var (e1, e2) = (t1 + t2 + half, t1 - t2 + half);
        // Odd rows.
        var z3 = r7 + r3;
        var z4 = r5 + r1;
        var z5 = (z3 + z4) * 9633;
        z3 = z5 - z3 * 16069;
        z4 = z5 - z4 * 3196;
        var z17 = (r7 + r1) * 7373;
        var z35 = (r5 + r3) * 20995;
        var o0 = r7 * 2446 - z17 + z3;
        var o1 = r5 * 16819 - z35 + z4;
        var o2 = r3 * 25172 - z35 + z3;
        var o3 = r1 * 12299 - z17 + z4;
        r0 = (e0 + o3) >> shift;
        r7 = (e0 - o3) >> shift;
        r1 = (e1 + o2) >> shift;
        r6 = (e1 - o2) >> shift;
        r2 = (e2 + o1) >> shift;
        r5 = (e2 - o1) >> shift;
        r3 = (e3 + o0) >> shift;
        r4 = (e3 - o0) >> shift;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Transpose(
        ref Vector256<int> r0,
        ref Vector256<int> r1,
        ref Vector256<int> r2,
        ref Vector256<int> r3,
        ref Vector256<int> r4,
        ref Vector256<int> r5,
        ref Vector256<int> r6,
        ref Vector256<int> r7
    )
    {
        var (a0, a1) = (Avx2.UnpackLow(r0, r1), Avx2.UnpackHigh(r0, r1));
        var (a2, a3) = (Avx2.UnpackLow(r2, r3), Avx2.UnpackHigh(r2, r3));
        var (a4, a5) = (Avx2.UnpackLow(r4, r5), Avx2.UnpackHigh(r4, r5));
        var (a6, a7) = (Avx2.UnpackLow(r6, r7), Avx2.UnpackHigh(r6, r7));
        // Columns 0 and 4 (1 and 5, ...) of the upper and of the lower four rows.
        var (c0, c1) = (Low(a0, a2), High(a0, a2));
        var (c2, c3) = (Low(a1, a3), High(a1, a3));
        var (d0, d1) = (Low(a4, a6), High(a4, a6));
        var (d2, d3) = (Low(a5, a7), High(a5, a7));
        (r0, r4) = (Avx2.Permute2x128(c0, d0, 0x20), Avx2.Permute2x128(c0, d0, 0x31));
        (r1, r5) = (Avx2.Permute2x128(c1, d1, 0x20), Avx2.Permute2x128(c1, d1, 0x31));
        (r2, r6) = (Avx2.Permute2x128(c2, d2, 0x20), Avx2.Permute2x128(c2, d2, 0x31));
        (r3, r7) = (Avx2.Permute2x128(c3, d3, 0x20), Avx2.Permute2x128(c3, d3, 0x31));
    }

    private static Vector256<int> Low(Vector256<int> a, Vector256<int> b) =>
        Avx2.UnpackLow(a.AsInt64(), b.AsInt64()).AsInt32();

    private static Vector256<int> High(Vector256<int> a, Vector256<int> b) =>
        Avx2.UnpackHigh(a.AsInt64(), b.AsInt64()).AsInt32();

    private static void Store(Vector256<int> left, Vector256<int> right, Span<byte> target, int stride)
    {
        var even = Avx2.UnpackLow(left, right).AsInt64();
        var odd = Avx2.UnpackHigh(left, right).AsInt64();
        ref var start = ref MemoryMarshal.GetReference(target[..(7 * stride + 8)]);
        Unsafe.WriteUnaligned(ref start, even.GetElement(0));
        Unsafe.WriteUnaligned(ref Unsafe.Add(ref start, stride), even.GetElement(1));
        Unsafe.WriteUnaligned(ref Unsafe.Add(ref start, 2 * stride), odd.GetElement(0));
        Unsafe.WriteUnaligned(ref Unsafe.Add(ref start, 3 * stride), odd.GetElement(1));
        Unsafe.WriteUnaligned(ref Unsafe.Add(ref start, 4 * stride), even.GetElement(2));
        Unsafe.WriteUnaligned(ref Unsafe.Add(ref start, 5 * stride), even.GetElement(3));
        Unsafe.WriteUnaligned(ref Unsafe.Add(ref start, 6 * stride), odd.GetElement(2));
        Unsafe.WriteUnaligned(ref Unsafe.Add(ref start, 7 * stride), odd.GetElement(3));
    }

    /// <summary>Four columns of eight levels as bytes, the four of a row side by side.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> Four(Vector256<int> a, Vector256<int> b, Vector256<int> c, Vector256<int> d)
    {
        var rows = Vector128.Create((byte)0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
        var ab = Avx2.PackSignedSaturate(Level(a), Level(b));
        var cd = Avx2.PackSignedSaturate(Level(c), Level(d));
        return Avx2.Shuffle(Avx2.PackUnsignedSaturate(ab, cd), Vector256.Create(rows, rows)).AsInt32();
    }

    private static Vector256<int> Level(Vector256<int> value) => ((value << 22) >> 22) + Vector256.Create(128);
}
