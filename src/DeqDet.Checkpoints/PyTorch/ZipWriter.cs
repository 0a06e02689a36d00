using System.Buffers.Binary;
using System.IO.Hashing;
using System.Text;

namespace DeqDet.Checkpoints.PyTorch;

/// <summary>
/// Writes a zip archive of stored members whose bytes start at multiples of 64, as PyTorch lays out its archives, to a stream
/// that can seek. Sizes and positions beyond 4 GB are written in the 64-bit form. All times are those of the format's first day.
/// </summary>
internal sealed class ZipWriter(Stream stream)
{
    private const int Alignment = 64;
    private const int HeaderLength = 30;
    private const ushort FirstDay = (1 << 5) | 1;
    private const ushort Utf8Names = 0x0800;
    private const uint TooLarge = uint.MaxValue;

    private readonly List<(byte[] Name, long Header, long Length, uint Crc)> _members = [];

    /// <summary>Adds a member of known length; its bytes pass through <paramref name="write"/> once.</summary>
    public void Add(string name, long length, Action<Stream> write)
    {
        var nameBytes = Encoding.UTF8.GetBytes(name);
        var start = stream.Position;
        Span<byte> zip64 = stackalloc byte[length >= TooLarge ? 20 : 0];
        if (zip64.Length > 0)
        {
            BinaryPrimitives.WriteUInt16LittleEndian(zip64, 1);
            BinaryPrimitives.WriteUInt16LittleEndian(zip64[2..], 16);
            BinaryPrimitives.WriteInt64LittleEndian(zip64[4..], length);
            BinaryPrimitives.WriteInt64LittleEndian(zip64[12..], length);
        }
        // An extra field with a meaningless identifier fills up to the next multiple.
        var unpadded = start + HeaderLength + nameBytes.Length + zip64.Length + 4;
        var padding = (int)(-unpadded & (Alignment - 1));
        Span<byte> header = stackalloc byte[HeaderLength];
        BinaryPrimitives.WriteUInt32LittleEndian(header, 0x04034b50);
        WriteCommon(header[4..], length, 0);
        BinaryPrimitives.WriteUInt16LittleEndian(header[26..], (ushort)nameBytes.Length);
        BinaryPrimitives.WriteUInt16LittleEndian(header[28..], (ushort)(zip64.Length + 4 + padding));
        stream.Write(header);
        stream.Write(nameBytes);
        stream.Write(zip64);
        Span<byte> filler = stackalloc byte[4 + padding];
        filler.Fill((byte)'Z');
        "FB"u8.CopyTo(filler);
        BinaryPrimitives.WriteUInt16LittleEndian(filler[2..], (ushort)padding);
        stream.Write(filler);

        var summing = new SummingStream(stream);
        write(summing);
        if (summing.Count != length)
        {
            throw new InvalidOperationException($"member '{name}' wrote {summing.Count} bytes instead of {length}");
        }
        var end = stream.Position;
        Span<byte> crc = stackalloc byte[4];
        BinaryPrimitives.WriteUInt32LittleEndian(crc, summing.Crc);
        stream.Position = start + 14;
        stream.Write(crc);
        stream.Position = end;
        _members.Add((nameBytes, start, length, summing.Crc));
    }

    /// <summary>Adds a short member.</summary>
    public void Add(string name, byte[] bytes) => Add(name, bytes.Length, target => target.Write(bytes));

    /// <summary>Writes the directory; nothing may follow.</summary>
    public void Finish()
    {
        var start = stream.Position;
        foreach (var (name, header, length, crc) in _members)
        {
            WriteEntry(name, header, length, crc);
        }
        var size = stream.Position - start;
        var large = start >= TooLarge || size >= TooLarge || _members.Count >= ushort.MaxValue;
        if (large)
        {
            WriteEnd64(start, size);
        }
        Span<byte> end = stackalloc byte[22];
        BinaryPrimitives.WriteUInt32LittleEndian(end, 0x06054b50);
        var count = large ? ushort.MaxValue : (ushort)_members.Count;
        BinaryPrimitives.WriteUInt16LittleEndian(end[8..], count);
        BinaryPrimitives.WriteUInt16LittleEndian(end[10..], count);
        BinaryPrimitives.WriteUInt32LittleEndian(end[12..], large ? TooLarge : (uint)size);
        BinaryPrimitives.WriteUInt32LittleEndian(end[16..], large ? TooLarge : (uint)start);
        stream.Write(end);
    }

    // Version needed, flags, method, time, date, check sum, two sizes: the same in both kinds of headers.
    private static void WriteCommon(Span<byte> fields, long length, uint crc)
    {
        var size = (uint)Math.Min(length, TooLarge);
        BinaryPrimitives.WriteUInt16LittleEndian(fields, length >= TooLarge ? (ushort)45 : (ushort)20);
        BinaryPrimitives.WriteUInt16LittleEndian(fields[2..], Utf8Names);
        BinaryPrimitives.WriteUInt16LittleEndian(fields[8..], FirstDay);
        BinaryPrimitives.WriteUInt32LittleEndian(fields[10..], crc);
        BinaryPrimitives.WriteUInt32LittleEndian(fields[14..], size);
        BinaryPrimitives.WriteUInt32LittleEndian(fields[18..], size);
    }

    private void WriteEntry(byte[] name, long header, long length, uint crc)
    {
        Span<byte> zip64 = stackalloc byte[28];
        var used = 4;
        if (length >= TooLarge)
        {
            BinaryPrimitives.WriteInt64LittleEndian(zip64[used..], length);
            BinaryPrimitives.WriteInt64LittleEndian(zip64[(used + 8)..], length);
            used += 16;
        }
        if (header >= TooLarge)
        {
            BinaryPrimitives.WriteInt64LittleEndian(zip64[used..], header);
            used += 8;
        }
        BinaryPrimitives.WriteUInt16LittleEndian(zip64, 1);
        BinaryPrimitives.WriteUInt16LittleEndian(zip64[2..], (ushort)(used - 4));
        var extra = used > 4 ? zip64[..used] : [];
        Span<byte> entry = stackalloc byte[46];
        BinaryPrimitives.WriteUInt32LittleEndian(entry, 0x02014b50);
        BinaryPrimitives.WriteUInt16LittleEndian(entry[4..], extra.Length > 0 ? (ushort)45 : (ushort)20);
        WriteCommon(entry[6..], length, crc);
        BinaryPrimitives.WriteUInt16LittleEndian(entry[28..], (ushort)name.Length);
        BinaryPrimitives.WriteUInt16LittleEndian(entry[30..], (ushort)extra.Length);
        BinaryPrimitives.WriteUInt32LittleEndian(entry[42..], (uint)Math.Min(header, TooLarge));
        stream.Write(entry);
        stream.Write(name);
        stream.Write(extra);
    }

    private void WriteEnd64(long start, long size)
    {
        var position = stream.Position;
        Span<byte> end = stackalloc byte[56 + 20];
        BinaryPrimitives.WriteUInt32LittleEndian(end, 0x06064b50);
        BinaryPrimitives.WriteInt64LittleEndian(end[4..], 44);
        BinaryPrimitives.WriteUInt16LittleEndian(end[12..], 45);
        BinaryPrimitives.WriteUInt16LittleEndian(end[14..], 45);
        BinaryPrimitives.WriteInt64LittleEndian(end[24..], _members.Count);
        BinaryPrimitives.WriteInt64LittleEndian(end[32..], _members.Count);
        BinaryPrimitives.WriteInt64LittleEndian(end[40..], size);
        BinaryPrimitives.WriteInt64LittleEndian(end[48..], start);
        BinaryPrimitives.WriteUInt32LittleEndian(end[56..], 0x07064b50);
        BinaryPrimitives.WriteInt64LittleEndian(end[64..], position);
        BinaryPrimitives.WriteUInt32LittleEndian(end[72..], 1);
        stream.Write(end);
    }

    /// <summary>Hands bytes on, counting them and summing them up.</summary>
    private sealed class SummingStream(Stream target) : Stream
    {
        private readonly Crc32 _sum = new();

        public long Count { get; private set; }
        public uint Crc => _sum.GetCurrentHashAsUInt32();

        public override bool CanRead => false;
        public override bool CanSeek => false;
        public override bool CanWrite => true;
        public override long Length => Count;

        public override long Position
        {
            get => Count;
            set => throw new NotSupportedException();
        }

        public override void Write(ReadOnlySpan<byte> buffer)
        {
            target.Write(buffer);
            Count += buffer.Length;
            _sum.Append(buffer);
        }

        public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

        public override void Flush() { }

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();
    }
}
