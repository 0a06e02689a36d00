using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace DeqDet.Images.Jpeg;

/// <summary>Reads blocks of coefficients from entropy-coded data from which stuffed bytes have been taken out.</summary>
internal ref struct JpegReader
{
    /// <summary>Zeros that have to follow the data.</summary>
    public const int Padding = 16;

    // Larger coefficients do not come from pixels; with these, the inverse transform fits into 32 bits.
    private const int Largest = 9000;

    private readonly ReadOnlySpan<byte> data;
    private readonly int end;
    private int position;
    private ulong bits;
    private int count;

    /// <summary>A reader of data of <paramref name="length"/> bytes with zeros after them.</summary>
    public JpegReader(ReadOnlySpan<byte> padded, int length)
    {
        data = padded;
        end = length;
    }

    private static ReadOnlySpan<byte> Natural =>
        [
            0,
            1,
            8,
            16,
            9,
            2,
            3,
            10,
            17,
            24,
            32,
            25,
            18,
            11,
            4,
            5,
            12,
            19,
            26,
            33,
            40,
            48,
            41,
            34,
            27,
            20,
            13,
            6,
            7,
            14,
            21,
            28,
            35,
            42,
            49,
            56,
            57,
            50,
            43,
            36,
            29,
            22,
            15,
            23,
            30,
            37,
            44,
            51,
            58,
            59,
            52,
            45,
            38,
            31,
            39,
            46,
            53,
            60,
            61,
            54,
            47,
            55,
            62,
            63,
        ];

    /// <summary>Whole bytes of the data that have not been touched; negative where more was read than there is.</summary>
    public readonly int Left => end - (position - count / 8);

    /// <summary>
    /// Reads a block of a component into 64 cleared coefficients, multiplied by their steps.
    /// </summary>
    /// <returns>The position in zigzag order of the last one that is not 0, at least 0; -1 for data that is damaged.</returns>
    public int Read(JpegComponent component, ref int lastDc, scoped Span<short> block)
    {
        var (bits, count, position) = (this.bits, this.count, this.position);
        ref var source = ref MemoryMarshal.GetReference(data);
        ref var target = ref MemoryMarshal.GetReference(block);
        ref var natural = ref MemoryMarshal.GetReference(Natural);
        ref var steps = ref MemoryMarshal.GetArrayDataReference(component.Steps);
        ref var fast = ref MemoryMarshal.GetArrayDataReference(component.Dc.Fast);
        Refill(ref source, ref bits, ref count, ref position);
        var entry = Unsafe.Add(ref fast, (int)(bits >> (64 - JpegHuffman.Bits)));
        if (entry == 0 && (entry = Slow(component.Dc, bits)) == 0)
        {
            return -1;
        }

        bits <<= entry & 0xFF;
        count -= entry & 0xFF;
        lastDc += entry >> 16;
        var value = lastDc * steps;
        if ((uint)(value + Largest) > 2 * Largest)
        {
            return -1;
        }

        target = (short)value;
        fast = ref MemoryMarshal.GetArrayDataReference(component.Ac.Fast);
        var last = 0;
        for (var k = 1; k < 64; k++)
        {
            if (count < 32)
            {
                Refill(ref source, ref bits, ref count, ref position);
            }

            entry = Unsafe.Add(ref fast, (int)(bits >> (64 - JpegHuffman.Bits)));
            if (entry == 0 && (entry = Slow(component.Ac, bits)) == 0)
            {
                return -1;
            }

            bits <<= entry & 0xFF;
            count -= entry & 0xFF;
            k += (entry >> 8) & 0xFF;
            if (k > 63)
            {
                // The end of the block, and nothing else, lies beyond it.
                if (((entry >> 8) & 0xFF) != JpegHuffman.EndRun)
                {
                    return -1;
                }

                break;
            }

            value = (entry >> 16) * Unsafe.Add(ref steps, k);
            if ((uint)(value + Largest) > 2 * Largest)
            {
                return -1;
            }

            Unsafe.Add(ref target, (int)Unsafe.Add(ref natural, k)) = (short)value;
            last = k;
        }

        (this.bits, this.count, this.position) = (bits, count, position);
        return last;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private readonly void Refill(ref byte source, ref ulong bits, ref int count, ref int position)
    {
        var next = BinaryPrimitives.ReverseEndianness(
            Unsafe.ReadUnaligned<ulong>(ref Unsafe.Add(ref source, position))
        );
        bits |= next >> count;
        position = Math.Min(position + ((63 - count) >> 3), end + 8);
        count |= 56;
    }

    /// <summary>An entry like those of <see cref="JpegHuffman.Fast"/>, for longer codes; 0 for what is no code. A run of 16 zeros has run 15 and value 0.</summary>
    private static int Slow(JpegHuffman table, ulong bits)
    {
        var (symbol, length) = table.Find((int)(bits >> 48));
        if (length > 16)
        {
            return 0;
        }

        var (run, size) = (symbol >> 4, symbol & 15);
        if (size == 0)
        {
            run = run == 15 ? 15 : JpegHuffman.EndRun;
            return (run << 8) | length;
        }

        var extra = (int)(bits << length >> (64 - size));
        return (JpegHuffman.Extend(extra, size) << 16) | (run << 8) | (length + size);
    }
}
