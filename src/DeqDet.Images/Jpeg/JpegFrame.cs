using System.Buffers.Binary;

namespace DeqDet.Images.Jpeg;

/// <summary>One component of a JPEG frame: how densely it is sampled, and its tables.</summary>
internal sealed class JpegComponent
{
    public required byte Id { get; init; }

    /// <summary>Blocks of a unit side by side.</summary>
    public required int Across { get; init; }

    /// <summary>Blocks of a unit one below the other.</summary>
    public required int Down { get; init; }

    /// <summary>Steps of quantisation in zigzag order.</summary>
    public required int[] Steps { get; init; }

    public JpegHuffman Dc { get; set; } = null!;

    public JpegHuffman Ac { get; set; } = null!;
}

/// <summary>
/// The headers of a JPEG file of the kind that cameras and data sets mostly hold: sequential, Huffman-coded, 8 bits, grey or YCbCr with
/// chroma at full, half-width or half size, in one scan without restarts.
/// </summary>
/// <param name="Width">Width, px.</param>
/// <param name="Height">Height, px.</param>
/// <param name="Components">One or three.</param>
/// <param name="Scan">Where the entropy-coded data begins.</param>
internal sealed record JpegFrame(int Width, int Height, JpegComponent[] Components, int Scan)
{
    /// <summary>Blocks of the largest component in a unit, side by side.</summary>
    public int Across => Components[0].Across;

    /// <summary>Blocks of the largest component in a unit, one below the other.</summary>
    public int Down => Components[0].Down;

    /// <summary>Reads the headers; null for every other kind of file, right or wrong.</summary>
    public static JpegFrame? Read(ReadOnlySpan<byte> file)
    {
        var parser = new Parser();
        var at = 2;
        if (file is not [0xFF, 0xD8, ..])
        {
            return null;
        }

        while (at + 4 <= file.Length && file[at] == 0xFF)
        {
            var marker = file[at + 1];
            var length = BinaryPrimitives.ReadUInt16BigEndian(file[(at + 2)..]);
            if (length < 2 || at + 2 + length > file.Length)
            {
                return null;
            }

            var segment = file.Slice(at + 4, length - 2);
            at += 2 + length;
            if (marker == 0xDA)
            {
                return parser.Finish(segment, at);
            }

            if (!parser.Take(marker, segment))
            {
                return null;
            }
        }

        return null;
    }

    private sealed class Parser
    {
        private readonly int[]?[] steps = new int[4][];
        private readonly JpegHuffman?[] dc = new JpegHuffman[4];
        private readonly JpegHuffman?[] ac = new JpegHuffman[4];
        private byte[]? frame;
        private bool jfif;
        private int adobe = -1;

        public bool Take(byte marker, ReadOnlySpan<byte> segment)
        {
            switch (marker)
            {
                case 0xDB:
                    return TakeSteps(segment);
                case 0xC4:
                    return TakeHuffman(segment);
                case 0xC0 or 0xC1 when frame is null:
                    frame = segment.ToArray();
                    return true;
                case 0xE0:
                    jfif |= segment.StartsWith("JFIF\0"u8);
                    return true;
                case 0xEE:
                    adobe = segment.Length >= 12 && segment.StartsWith("Adobe"u8) ? segment[11] : adobe;
                    return true;
                default:
                    // Application data and comments; no other kind of frame, no restarts, nothing unknown.
                    return marker is (>= 0xE1 and <= 0xEF) or 0xFE;
            }
        }

        public JpegFrame? Finish(ReadOnlySpan<byte> scan, int at)
        {
            if (frame is not [8, _, _, _, _, var count, ..] || count is not (1 or 3) || frame.Length != 6 + 3 * count)
            {
                return null;
            }

            var height = BinaryPrimitives.ReadUInt16BigEndian(frame.AsSpan(1));
            var width = BinaryPrimitives.ReadUInt16BigEndian(frame.AsSpan(3));
            var components = new JpegComponent[count];
            for (var i = 0; i < count; i++)
            {
                var (id, sampling, table) = (frame[6 + 3 * i], frame[7 + 3 * i], frame[8 + 3 * i]);
                if (table > 3 || steps[table] is not { } known)
                {
                    return null;
                }

                // A component alone is sampled as it is, whatever it says.
                var (across, down) = count == 1 ? (1, 1) : (sampling >> 4, sampling & 15);
                components[i] = new()
                {
                    Id = id,
                    Across = across,
                    Down = down,
                    Steps = known,
                };
            }

            return width > 0 && height > 0 && Supported(components) && TakeScan(scan, components)
                ? new(width, height, components, at)
                : null;
        }

        private bool Supported(JpegComponent[] components)
        {
            if (components.Length == 1)
            {
                return true;
            }

            var (first, second, third) = (components[0], components[1], components[2]);
            var sampled = (first.Across, first.Down) is (1, 1) or (2, 1) or (2, 2);
            var plainChroma = (second.Across, second.Down, third.Across, third.Down) == (1, 1, 1, 1);
            // The rules by which libjpeg takes three components for YCbCr.
            var colour = jfif || adobe == 1 || adobe < 0 && (first.Id, second.Id, third.Id) == (1, 2, 3);
            return sampled && plainChroma && colour;
        }

        private bool TakeSteps(ReadOnlySpan<byte> segment)
        {
            for (; segment.Length >= 65 && segment[0] <= 3; segment = segment[65..])
            {
                steps[segment[0]] = Array.ConvertAll(segment[1..65].ToArray(), step => (int)step);
            }

            return segment.IsEmpty;
        }

        private bool TakeHuffman(ReadOnlySpan<byte> segment)
        {
            while (segment.Length >= 17)
            {
                var (kind, place) = (segment[0] >> 4, segment[0] & 15);
                var counts = segment[1..17];
                var symbols = 0;
                foreach (var count in counts)
                {
                    symbols += count;
                }

                if (kind > 1 || place > 3 || symbols > 256 || segment.Length < 17 + symbols)
                {
                    return false;
                }

                var table = JpegHuffman.Create(counts, segment.Slice(17, symbols), isDc: kind == 0);
                if (table is null)
                {
                    return false;
                }

                (kind == 0 ? dc : ac)[place] = table;
                segment = segment[(17 + symbols)..];
            }

            return segment.IsEmpty;
        }

        private bool TakeScan(ReadOnlySpan<byte> scan, JpegComponent[] components)
        {
            if (scan.Length != 4 + 2 * components.Length || scan[0] != components.Length)
            {
                return false;
            }

            for (var i = 0; i < components.Length; i++)
            {
                var (id, tables) = (scan[1 + 2 * i], scan[2 + 2 * i]);
                if (
                    id != components[i].Id
                    || tables >> 4 > 3
                    || (tables & 15) > 3
                    || dc[tables >> 4] is not { } forDc
                    || ac[tables & 15] is not { } forAc
                )
                {
                    return false;
                }

                (components[i].Dc, components[i].Ac) = (forDc, forAc);
            }

            return scan[^3..] is [0, 63, 0];
        }
    }
}
