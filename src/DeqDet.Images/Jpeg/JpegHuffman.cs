namespace DeqDet.Images.Jpeg;

/// <summary>
/// A Huffman table. Most codes together with the number that follows them are short: one look at the next <see cref="Bits"/> bits gives
/// both. What is longer is decoded in steps.
/// </summary>
internal sealed class JpegHuffman
{
    /// <summary>Bits that are looked at at once.</summary>
    public const int Bits = 10;

    /// <summary>The run of an end of block: beyond any block.</summary>
    public const int EndRun = 64;

    // Codes of n bits are below limits[n], shifted to 16 bits; symbols[code + offsets[n]] is what they stand for.
    private readonly int[] limits = new int[18];
    private readonly int[] offsets = new int[17];
    private readonly byte[] symbols;

    private JpegHuffman(byte[] symbols) => this.symbols = symbols;

    /// <summary>For each <see cref="Bits"/> bits: value &lt;&lt; 16 | run &lt;&lt; 8 | bits used; 0 where they do not suffice.</summary>
    public int[] Fast { get; } = new int[1 << Bits];

    // For each Bits bits: symbol << 8 | length of the code they begin with; 0 where it is longer.
    private readonly ushort[] codes = new ushort[1 << Bits];

    /// <summary>A table from the number of codes of 1 to 16 bits and their symbols; null if there are no such codes.</summary>
    public static JpegHuffman? Create(ReadOnlySpan<byte> counts, ReadOnlySpan<byte> symbols, bool isDc)
    {
        // Larger differences than of 11 bits are for other precisions.
        if (isDc && symbols.ContainsAnyExceptInRange((byte)0, (byte)11))
        {
            return null;
        }

        var table = new JpegHuffman(symbols.ToArray());
        var (code, next) = (0, 0);
        for (var length = 1; length <= 16; length++)
        {
            table.offsets[length] = next - code;
            for (var i = 0; i < counts[length - 1]; i++, code++, next++)
            {
                if (code >= 1 << length)
                {
                    return null;
                }

                table.Enter(code, length, symbols[next], isDc);
            }

            table.limits[length] = code << (16 - length);
            code <<= 1;
        }

        table.limits[17] = int.MaxValue;
        return table;
    }

    /// <summary>The symbol that the next 16 bits begin with, and its length; length 17 where there is none.</summary>
    public (int Symbol, int Length) Find(int sixteen)
    {
        var code = codes[sixteen >> (16 - Bits)];
        if (code != 0)
        {
            return (code >> 8, code & 0xFF);
        }

        var length = Bits + 1;
        while (sixteen >= limits[length])
        {
            length++;
        }

        return length > 16 ? (0, 17) : (symbols[(sixteen >> (16 - length)) + offsets[length]], length);
    }

    /// <summary>The signed number that <paramref name="size"/> bits stand for.</summary>
    public static int Extend(int bits, int size) => bits < 1 << (size - 1) ? bits - (1 << size) + 1 : bits;

    private void Enter(int code, int length, int symbol, bool isDc)
    {
        if (length <= Bits)
        {
            codes.AsSpan(code << (Bits - length), 1 << (Bits - length)).Fill((ushort)((symbol << 8) | length));
        }

        var (run, size) = isDc ? (0, symbol) : (symbol >> 4, symbol & 15);
        if (length + size > Bits || !isDc && symbol == 0xF0)
        {
            return;
        }

        if (!isDc && size == 0)
        {
            run = EndRun;
        }

        var free = Bits - length;
        for (var rest = 0; rest < 1 << free; rest++)
        {
            var value = size == 0 ? 0 : Extend(rest >> (free - size), size);
            Fast[(code << free) + rest] = (value << 16) | (run << 8) | (length + size);
        }
    }
}
