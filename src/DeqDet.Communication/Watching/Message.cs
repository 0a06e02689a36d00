using System.Buffers.Binary;
using System.Text;

namespace DeqDet.Communication.Watching;

internal enum MessageKind : byte
{
    /// <summary>A process says who it is: its rank, and the token as text.</summary>
    Hello = 1,

    /// <summary>Process 0 has understood that.</summary>
    Welcome,

    /// <summary>Nothing but that the sender is there.</summary>
    Alive,

    /// <summary>A process has failed or is gone: its rank, the exit code, and the reason.</summary>
    Failed,

    /// <summary>A process is about to end in an orderly way: its rank, and how many exchanges it has taken part in.</summary>
    Leaving,
}

/// <summary>What processes tell each other beside MPI.</summary>
/// <param name="Kind">What it is.</param>
/// <param name="Rank">Of which process it tells.</param>
/// <param name="Number">An exit code or a number of exchanges.</param>
/// <param name="Text">A token or a reason.</param>
internal sealed record Message(MessageKind Kind, int Rank, long Number, string Text)
{
    private const int Head = sizeof(int) + 1 + sizeof(int) + sizeof(long);
    private const int MostText = 4096;

    /// <summary>As bytes: the length of what follows (int32), kind (byte), rank (int32), number (int64), text (UTF-8).</summary>
    public byte[] ToBytes()
    {
        var text = Encoding.UTF8.GetBytes(Text.Length > MostText / 4 ? Text[..(MostText / 4)] : Text);
        var bytes = new byte[Head + text.Length];
        BinaryPrimitives.WriteInt32LittleEndian(bytes, bytes.Length - sizeof(int));
        bytes[4] = (byte)Kind;
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(5), Rank);
        BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(9), Number);
        text.CopyTo(bytes.AsSpan(Head));
        return bytes;
    }

    /// <summary>Takes the first message from the front of what has arrived.</summary>
    /// <param name="arrived">Bytes; those of the message are removed.</param>
    /// <returns>Null if it is not all there yet.</returns>
    /// <exception cref="InvalidDataException">These are not messages of ours.</exception>
    public static Message? Take(List<byte> arrived)
    {
        if (arrived.Count < sizeof(int))
        {
            return null;
        }

        var length = BinaryPrimitives.ReadInt32LittleEndian(arrived[..sizeof(int)].ToArray());
        if (length is < Head - sizeof(int) or > Head - sizeof(int) + MostText)
        {
            throw new InvalidDataException($"a message of {length} bytes");
        }

        if (arrived.Count < sizeof(int) + length)
        {
            return null;
        }

        ReadOnlySpan<byte> bytes = arrived[..(sizeof(int) + length)].ToArray();
        arrived.RemoveRange(0, bytes.Length);
        var kind = (MessageKind)bytes[4];
        if (!Enum.IsDefined(kind))
        {
            throw new InvalidDataException($"a message of kind {bytes[4]}");
        }

        return new Message(
            kind,
            BinaryPrimitives.ReadInt32LittleEndian(bytes[5..]),
            BinaryPrimitives.ReadInt64LittleEndian(bytes[9..]),
            Encoding.UTF8.GetString(bytes[Head..])
        );
    }
}
