using System.Buffers.Binary;
using System.IO.Hashing;
using System.Text;

namespace DeqDet.Checkpoints.PyTorch;

/// <summary>A stored (uncompressed) member of a zip archive: where its bytes lie in the file.</summary>
internal sealed record ZipMember(string Name, long Offset, long Length, uint Crc)
{
    /// <summary>Compares the bytes with the check sum. A recorded sum of 0 means that the writer computed none.</summary>
    /// <exception cref="CheckpointError">They differ.</exception>
    public void Verify(MappedFile file)
    {
        if (Crc == 0)
        {
            return;
        }
        var sum = new Crc32();
        for (long done = 0; done < Length; )
        {
            var count = (int)Math.Min(Length - done, 1 << 20);
            sum.Append(file.Slice(Offset + done, count));
            done += count;
        }
        if (sum.GetCurrentHashAsUInt32() != Crc)
        {
            throw new CheckpointError(file.Path, $"the check sum of '{Name}' is wrong; the file is damaged");
        }
    }
}

/// <summary>
/// The directory of a zip archive, 32- or 64-bit, read strictly: members are stored, not encrypted, inside the file, and named
/// once. Format: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT.
/// </summary>
internal static class ZipDirectory
{
    private const int EndLength = 22;
    private const int End64LocatorLength = 20;
    private const int End64Length = 56;
    private const int EntryLength = 46;
    private const int LocalHeaderLength = 30;
    private const ushort Zip64Field = 1;

    /// <summary>All members by name.</summary>
    /// <exception cref="CheckpointError">The archive is truncated, damaged, compressed or encrypted.</exception>
    public static Dictionary<string, ZipMember> Read(MappedFile file, MemoryBudget budget)
    {
        var (count, length, start) = FindDirectory(file);
        var members = new Dictionary<string, ZipMember>(StringComparer.Ordinal);
        var position = start;
        for (long i = 0; i < count; i++)
        {
            position += ReadEntry(file, position, start + length, start, members, budget);
        }
        if (position != start + length)
        {
            throw Bad(file, "its directory is longer than its members");
        }
        return members;
    }

    private static CheckpointError Bad(MappedFile file, string problem) =>
        new(file.Path, $"damaged or truncated zip archive: {problem}");

    private static (long Count, long Length, long Start) FindDirectory(MappedFile file)
    {
        var tail = file.Slice(
            Math.Max(0, file.Length - EndLength - ushort.MaxValue),
            (int)Math.Min(file.Length, EndLength + ushort.MaxValue)
        );
        var at = tail.Length - EndLength;
        while (at >= 0 && !IsEnd(tail[at..]))
        {
            at--;
        }
        if (at < 0)
        {
            throw Bad(file, "its end is missing");
        }
        var end = tail[at..];
        var endOffset = file.Length - end.Length;
        long count = BinaryPrimitives.ReadUInt16LittleEndian(end[10..]);
        long length = BinaryPrimitives.ReadUInt32LittleEndian(end[12..]);
        long start = BinaryPrimitives.ReadUInt32LittleEndian(end[16..]);
        var disks = BinaryPrimitives.ReadUInt32LittleEndian(end[4..]);
        var limit = endOffset;
        if (count == ushort.MaxValue || length == uint.MaxValue || start == uint.MaxValue)
        {
            (count, length, start, limit) = ReadEnd64(file, endOffset);
            disks = 0;
        }
        if (disks != 0 || count < 0 || length < 0 || start < 0 || length > limit || start > limit - length)
        {
            throw Bad(file, "its directory does not lie inside the file");
        }
        return (count, length, start);

        static bool IsEnd(ReadOnlySpan<byte> bytes) =>
            BinaryPrimitives.ReadUInt32LittleEndian(bytes) == 0x06054b50
            && BinaryPrimitives.ReadUInt16LittleEndian(bytes[20..]) == bytes.Length - EndLength;
    }

    private static (long Count, long Length, long Start, long Limit) ReadEnd64(MappedFile file, long endOffset)
    {
        var locatorOffset = endOffset - End64LocatorLength;
        if (locatorOffset >= 0)
        {
            var locator = file.Slice(locatorOffset, End64LocatorLength);
            var offset = BinaryPrimitives.ReadInt64LittleEndian(locator[8..]);
            if (
                BinaryPrimitives.ReadUInt32LittleEndian(locator) == 0x07064b50
                && offset >= 0
                && offset <= locatorOffset - End64Length
            )
            {
                var end = file.Slice(offset, End64Length);
                if (BinaryPrimitives.ReadUInt32LittleEndian(end) == 0x06064b50)
                {
                    return (
                        BinaryPrimitives.ReadInt64LittleEndian(end[32..]),
                        BinaryPrimitives.ReadInt64LittleEndian(end[40..]),
                        BinaryPrimitives.ReadInt64LittleEndian(end[48..]),
                        offset
                    );
                }
            }
        }
        throw Bad(file, "its 64-bit end is missing");
    }

    private static long ReadEntry(
        MappedFile file,
        long position,
        long directoryEnd,
        long dataEnd,
        Dictionary<string, ZipMember> members,
        MemoryBudget budget
    )
    {
        if (position > directoryEnd - EntryLength)
        {
            throw Bad(file, "its directory ends too early");
        }
        var entry = file.Slice(position, EntryLength);
        var flags = BinaryPrimitives.ReadUInt16LittleEndian(entry[8..]);
        var method = BinaryPrimitives.ReadUInt16LittleEndian(entry[10..]);
        var crc = BinaryPrimitives.ReadUInt32LittleEndian(entry[16..]);
        long packed = BinaryPrimitives.ReadUInt32LittleEndian(entry[20..]);
        long length = BinaryPrimitives.ReadUInt32LittleEndian(entry[24..]);
        int nameLength = BinaryPrimitives.ReadUInt16LittleEndian(entry[28..]);
        int extraLength = BinaryPrimitives.ReadUInt16LittleEndian(entry[30..]);
        int commentLength = BinaryPrimitives.ReadUInt16LittleEndian(entry[32..]);
        long local = BinaryPrimitives.ReadUInt32LittleEndian(entry[42..]);
        long whole = EntryLength + nameLength + extraLength + commentLength;
        if (BinaryPrimitives.ReadUInt32LittleEndian(entry) != 0x02014b50 || position > directoryEnd - whole)
        {
            throw Bad(file, $"entry {members.Count} of its directory is broken");
        }
        var nameBytes = file.Slice(position + EntryLength, nameLength);
        budget.Charge(250 + 2 * nameLength);
        var name = Encoding.UTF8.GetString(nameBytes);
        var extra = file.Slice(position + EntryLength + nameLength, extraLength);
        if (!TryZip64(extra, ref length, ref packed, ref local))
        {
            throw Bad(file, $"the sizes of '{name}' are broken");
        }
        if ((flags & 0x2041) != 0)
        {
            throw new CheckpointError(file.Path, $"its member '{name}' is encrypted");
        }
        if (method != 0)
        {
            throw new CheckpointError(
                file.Path,
                $"its member '{name}' is compressed, which PyTorch never does; unpack the archive and pack it again without compression"
            );
        }
        if (packed != length || local < 0 || length < 0 || local > dataEnd - LocalHeaderLength)
        {
            throw Bad(file, $"the sizes of '{name}' are broken");
        }
        var header = file.Slice(local, LocalHeaderLength);
        int localName = BinaryPrimitives.ReadUInt16LittleEndian(header[26..]);
        int localExtra = BinaryPrimitives.ReadUInt16LittleEndian(header[28..]);
        var data = local + LocalHeaderLength + localName + localExtra;
        if (
            BinaryPrimitives.ReadUInt32LittleEndian(header) != 0x04034b50
            || BinaryPrimitives.ReadUInt16LittleEndian(header[8..]) != 0
            || data > dataEnd
            || length > dataEnd - data
            || !file.Slice(local + LocalHeaderLength, localName).SequenceEqual(nameBytes)
        )
        {
            throw Bad(file, $"'{name}' does not lie where the directory says");
        }
        if (!members.TryAdd(name, new ZipMember(name, data, length, crc)))
        {
            throw Bad(file, $"it has two members '{name}'");
        }
        return whole;
    }

    // Numbers that do not fit 32 bits stand, in this order, in an extra field.
    private static bool TryZip64(ReadOnlySpan<byte> extra, ref long length, ref long packed, ref long local)
    {
        var wanted =
            (length == uint.MaxValue ? 1 : 0) + (packed == uint.MaxValue ? 1 : 0) + (local == uint.MaxValue ? 1 : 0);
        if (wanted == 0)
        {
            return true;
        }
        while (extra.Length >= 4)
        {
            int size = BinaryPrimitives.ReadUInt16LittleEndian(extra[2..]);
            if (size > extra.Length - 4)
            {
                return false;
            }
            if (BinaryPrimitives.ReadUInt16LittleEndian(extra) == Zip64Field)
            {
                var numbers = extra.Slice(4, size);
                return Take(ref numbers, ref length) && Take(ref numbers, ref packed) && Take(ref numbers, ref local);
            }
            extra = extra[(4 + size)..];
        }
        return false;

        static bool Take(ref ReadOnlySpan<byte> numbers, ref long value)
        {
            if (value != uint.MaxValue)
            {
                return true;
            }
            if (numbers.Length < 8)
            {
                return false;
            }
            value = BinaryPrimitives.ReadInt64LittleEndian(numbers);
            numbers = numbers[8..];
            return true;
        }
    }
}
