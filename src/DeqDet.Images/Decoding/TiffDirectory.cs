using System.Buffers.Binary;

namespace DeqDet.Images.Decoding;

/// <summary>
/// Tells the raw files of cameras that are TIFF files outside (DNG, NEF, ARW, ...): the first picture of theirs is a small preview, which
/// would be taken for the image. Fields: TIFF 6.0, section 2; BigTIFF.
/// </summary>
internal static class TiffDirectory
{
    private const ushort NewSubfileType = 254;
    private const ushort DngVersion = 50706;

    /// <summary>Whether the first directory of a file says that it is a reduced picture of another, or that the file is a DNG.</summary>
    public static bool IsRaw(ReadOnlySpan<byte> file)
    {
        var little = file is [(byte)'I', ..];
        if (file.Length < 16)
        {
            return false;
        }

        var big = U16(file[2..], little) == 43;
        var start = big ? U64(file[8..], little) : U32(file[4..], little);
        var (countSize, entrySize) = big ? (8, 20) : (2, 12);
        if (start + (ulong)countSize > (ulong)file.Length)
        {
            return false;
        }

        var directory = file[(int)start..];
        var count = big ? U64(directory, little) : U16(directory, little);
        for (var (i, at) = (0ul, countSize); i < count && at + entrySize <= directory.Length; i++, at += entrySize)
        {
            var entry = directory.Slice(at, entrySize);
            var tag = U16(entry, little);
            if (
                tag == DngVersion
                || tag == NewSubfileType && (U32(entry[(entrySize == 20 ? 12 : 8)..], little) & 1) != 0
            )
            {
                return true;
            }
        }

        return false;
    }

    private static ushort U16(ReadOnlySpan<byte> at, bool little) =>
        little ? BinaryPrimitives.ReadUInt16LittleEndian(at) : BinaryPrimitives.ReadUInt16BigEndian(at);

    private static uint U32(ReadOnlySpan<byte> at, bool little) =>
        little ? BinaryPrimitives.ReadUInt32LittleEndian(at) : BinaryPrimitives.ReadUInt32BigEndian(at);

    private static ulong U64(ReadOnlySpan<byte> at, bool little) =>
        little ? BinaryPrimitives.ReadUInt64LittleEndian(at) : BinaryPrimitives.ReadUInt64BigEndian(at);
}
