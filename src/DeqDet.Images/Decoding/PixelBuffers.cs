using System.Collections.Concurrent;

namespace DeqDet.Images;

/// <summary>
/// Memory of decoded pictures, used again by pictures of the same size: data sets have few sizes, and new memory costs a good part of the
/// time of decoding. Safe for many threads.
/// </summary>
/// <param name="limit">Most bytes kept for later.</param>
public sealed class PixelBuffers(long limit)
{
    private readonly ConcurrentDictionary<int, ConcurrentBag<byte[]>> free = [];
    private long kept;

    /// <summary>Bytes kept for later.</summary>
    public long Kept => Interlocked.Read(ref kept);

    /// <summary>Memory of exactly this many bytes, with anything in it.</summary>
    public byte[] Rent(int length)
    {
        if (!free.TryGetValue(length, out var bag) || !bag.TryTake(out var buffer))
        {
            return GC.AllocateUninitializedArray<byte>(length);
        }

        Interlocked.Add(ref kept, -length);
        return buffer;
    }

    /// <summary>Gives memory back that nobody looks at any more.</summary>
    public void Return(byte[] buffer)
    {
        if (Interlocked.Add(ref kept, buffer.Length) > limit)
        {
            Interlocked.Add(ref kept, -buffer.Length);
            return;
        }

        free.GetOrAdd(buffer.Length, _ => []).Add(buffer);
    }
}
