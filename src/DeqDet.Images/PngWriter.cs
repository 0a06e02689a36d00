using System.Buffers.Binary;
using System.IO.Compression;
using System.IO.Hashing;

namespace DeqDet.Images;

/// <summary>Writes 8-bit RGB pictures as PNG without any native library.</summary>
public static class PngWriter
{
    private const int PaethFilter = 4;

    /// <summary>The PNG file of interleaved RGB bytes, [height, width, 3].</summary>
    public static byte[] Encode(ReadOnlySpan<byte> rgb, int width, int height)
    {
        if (rgb.Length != width * height * 3)
        {
            throw new ArgumentException($"{rgb.Length} bytes are no {width} x {height} RGB picture");
        }

        using var file = new MemoryStream(rgb.Length / 2 + 64);
        file.Write([0x89, (byte)'P', (byte)'N', (byte)'G', 0x0D, 0x0A, 0x1A, 0x0A]);
        Span<byte> header = stackalloc byte[13];
        BinaryPrimitives.WriteInt32BigEndian(header, width);
        BinaryPrimitives.WriteInt32BigEndian(header[4..], height);
        header[8] = 8; // bits a channel
        header[9] = 2; // RGB
        header[10..].Clear();
        WriteChunk(file, "IHDR"u8, header);
        WriteChunk(file, "IDAT"u8, Compress(Filter(rgb, width * 3, height)));
        WriteChunk(file, "IEND"u8, []);
        return file.ToArray();
    }

    private static byte[] Filter(ReadOnlySpan<byte> rgb, int stride, int height)
    {
        var filtered = new byte[(stride + 1) * height];
        ReadOnlySpan<byte> above = new byte[stride];
        for (var y = 0; y < height; y++)
        {
            var row = rgb.Slice(y * stride, stride);
            var target = filtered.AsSpan(y * (stride + 1), stride + 1);
            target[0] = PaethFilter;
            for (var i = 0; i < stride; i++)
            {
                var (left, corner) = i < 3 ? (0, 0) : (row[i - 3], above[i - 3]);
                target[i + 1] = (byte)(row[i] - Paeth(left, above[i], corner));
            }

            above = row;
        }

        return filtered;
    }

    private static int Paeth(int left, int above, int corner)
    {
        var toLeft = Math.Abs(above - corner);
        var toAbove = Math.Abs(left - corner);
        var toCorner = Math.Abs(left + above - 2 * corner);
        if (toLeft <= toAbove && toLeft <= toCorner)
        {
            return left;
        }

        return toAbove <= toCorner ? above : corner;
    }

    private static byte[] Compress(byte[] data)
    {
        // Entropy coding alone: noisy pictures hold few repetitions worth the search, and what it writes hangs on no
        // match finder, the part in which zlib's relatives differ.
        var options = new ZLibCompressionOptions
        {
            CompressionLevel = 6,
            CompressionStrategy = ZLibCompressionStrategy.HuffmanOnly,
        };
        using var target = new MemoryStream(data.Length);
        using (var zlib = new ZLibStream(target, options, leaveOpen: true))
        {
            zlib.Write(data);
        }

        return target.ToArray();
    }

    private static void WriteChunk(Stream file, ReadOnlySpan<byte> type, ReadOnlySpan<byte> data)
    {
        Span<byte> number = stackalloc byte[4];
        BinaryPrimitives.WriteInt32BigEndian(number, data.Length);
        file.Write(number);
        file.Write(type);
        file.Write(data);
        var sum = new Crc32();
        sum.Append(type);
        sum.Append(data);
        BinaryPrimitives.WriteUInt32BigEndian(number, sum.GetCurrentHashAsUInt32());
        file.Write(number);
    }
}
