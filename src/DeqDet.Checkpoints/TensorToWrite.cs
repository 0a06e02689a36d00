namespace DeqDet.Checkpoints;

/// <summary>A tensor on its way into a file.</summary>
/// <param name="Name">Name in the file.</param>
/// <param name="Type">What its numbers are.</param>
/// <param name="Shape">Sizes; none for a scalar.</param>
/// <param name="WriteTo">Writes all elements, row-major and little-endian; called when its turn comes.</param>
public sealed record TensorToWrite(string Name, ElementType Type, IReadOnlyList<long> Shape, Action<Stream> WriteTo)
{
    /// <summary>A tensor whose bytes are already there.</summary>
    public static TensorToWrite Of(string name, ElementType type, IReadOnlyList<long> shape, byte[] bytes) =>
        new(name, type, shape, stream => stream.Write(bytes));

    /// <summary>A tensor of another file, copied in pieces of 1 MB.</summary>
    public static TensorToWrite Of(StoredTensor tensor, string? name = null) =>
        new(
            name ?? tensor.Name,
            tensor.Type,
            tensor.Shape,
            stream =>
            {
                var size = tensor.Type.ByteSize();
                var buffer = new byte[Math.Min(tensor.ByteCount, 1 << 20)];
                for (long done = 0; done < tensor.ByteCount; done += buffer.Length)
                {
                    var piece = buffer.AsSpan(0, (int)Math.Min(buffer.Length, tensor.ByteCount - done));
                    tensor.CopyTo(done / size, piece);
                    stream.Write(piece);
                }
            }
        );

    /// <summary>Bytes it takes in the file.</summary>
    /// <exception cref="ArgumentException">The shape is negative or too large.</exception>
    public long ByteCount =>
        TensorShape.TryMeasure(Shape, Type, out _, out var bytes)
            ? bytes
            : throw new ArgumentException($"tensor '{Name}' has the impossible shape {TensorShape.Text(Shape)}");

    /// <summary>Writes it and sees to it that it was as long as announced.</summary>
    internal void WriteChecked(Stream stream)
    {
        var start = stream.Position;
        WriteTo(stream);
        if (stream.Position - start != ByteCount)
        {
            throw new InvalidOperationException(
                $"tensor '{Name}' wrote {stream.Position - start} bytes instead of {ByteCount}"
            );
        }
    }
}
