using System.Runtime.InteropServices;

namespace DeqDet.Checkpoints;

/// <summary>
/// A tensor in a mapped checkpoint file: what it is and where its numbers lie. Nothing is copied until it is asked for. It
/// lives as long as the file it came from stays open.
/// </summary>
public sealed class StoredTensor
{
    private readonly MappedFile _file;
    private readonly long _offset;
    private readonly long[] _shape;

    // The order of the elements, row-major over these sizes; the shape may merge some of them into one dimension.
    private readonly long[] _sizes;
    private readonly long[] _strides;
    private readonly Action? _verify;
    private readonly float? _everywhere;

    /// <summary>The caller has checked that every element lies inside the file.</summary>
    /// <param name="file">The mapped file.</param>
    /// <param name="offset">Byte position of the first element in it.</param>
    /// <param name="name">Name in the checkpoint.</param>
    /// <param name="type">Type of the elements, little-endian.</param>
    /// <param name="shape">Sizes.</param>
    /// <param name="strides">Steps in elements; null for row-major order.</param>
    /// <param name="verify">Called before numbers are read; raises CheckpointError if they are damaged.</param>
    internal StoredTensor(
        MappedFile file,
        long offset,
        string name,
        ElementType type,
        long[] shape,
        long[]? strides = null,
        Action? verify = null
    )
    {
        _file = file;
        _offset = offset;
        _shape = shape;
        _sizes = shape;
        _strides = strides ?? TensorShape.ContiguousStrides(shape);
        _verify = verify;
        Name = name;
        Type = type;
        ElementCount = shape.Aggregate(1L, (product, size) => product * size);
        IsContiguous = strides is null || ElementCount == 0 || IsRowMajor(_sizes, _strides);
    }

    private StoredTensor(StoredTensor other, string name, long[] sizes, long[] strides, long first = 0)
    {
        (_file, _shape, _verify) = (other._file, other._shape, other._verify);
        _offset = other._offset + first * other.Type.ByteSize();
        (Type, ElementCount, _everywhere) = (other.Type, other.ElementCount, other._everywhere);
        (Name, _sizes, _strides) = (name, sizes, strides);
        IsContiguous = ElementCount == 0 || IsRowMajor(sizes, strides);
    }

    private StoredTensor(StoredTensor other, string name, float everywhere)
        : this(other._file, 0, name, ElementType.Float32, other._shape)
    {
        _everywhere = everywhere;
    }

    /// <summary>The same numbers under another name.</summary>
    public StoredTensor Renamed(string name) => new(this, name, _sizes, _strides);

    /// <summary>The same shape under another name, with one float32 everywhere; nothing of the file is read.</summary>
    public StoredTensor Filled(string name, float everywhere) => new(this, name, everywhere);

    /// <summary>
    /// The same shape under another name, the last dimension in another order: it is walked through as if it had several
    /// dimensions, row-major over <paramref name="sizes"/>, with <paramref name="steps"/> in places of that dimension.
    /// </summary>
    /// <exception cref="ArgumentException">The walk does not visit as many places as there are, or leaves them.</exception>
    public StoredTensor Reordered(string name, long[] sizes, long[] steps)
    {
        var last = _shape.Length - 1;
        var visited = sizes.Aggregate(1L, (product, size) => product * size);
        var furthest = sizes.Zip(steps, (size, step) => (size - 1) * step).Sum();
        if (
            !ReferenceEquals(_sizes, _shape)
            || last < 0
            || visited != _shape[last]
            || steps.Min() < 0
            || furthest >= _shape[last]
        )
        {
            throw new ArgumentException($"'{Name}' {TensorShape.Text(_shape)} cannot be walked through like that");
        }
        var stride = _strides[last];
        return new(
            this,
            name,
            [.. _sizes[..last], .. sizes],
            [.. _strides[..last], .. steps.Select(step => step * stride)]
        );
    }

    /// <summary>The same shape under another name, a dimension back to front: the last of its places comes first.</summary>
    /// <exception cref="ArgumentException">There is no such dimension, or it was reordered.</exception>
    public StoredTensor Reversed(string name, int dimension)
    {
        if (!ReferenceEquals(_sizes, _shape) || dimension < 0 || dimension >= _shape.Length)
        {
            throw new ArgumentException($"'{Name}' {TensorShape.Text(_shape)} has no dimension {dimension} to reverse");
        }
        long[] strides = [.. _strides];
        strides[dimension] = -strides[dimension];
        return new(this, name, _sizes, strides, Math.Max(_shape[dimension] - 1, 0) * _strides[dimension]);
    }

    /// <summary>Name in the checkpoint.</summary>
    public string Name { get; }

    /// <summary>What its numbers are.</summary>
    public ElementType Type { get; }

    /// <summary>Sizes; none for a scalar.</summary>
    public IReadOnlyList<long> Shape => _shape;

    /// <summary>Number of elements.</summary>
    public long ElementCount { get; }

    /// <summary>Bytes of all elements in row-major order.</summary>
    public long ByteCount => ElementCount * Type.ByteSize();

    /// <summary>Whether the file holds the elements in row-major order without gaps.</summary>
    public bool IsContiguous { get; }

    /// <summary>The file it lies in.</summary>
    public string Path => _file.Path;

    /// <summary>
    /// Copies elements in row-major order, starting with number <paramref name="first"/>, until
    /// <paramref name="destination"/> is full: whole elements, little-endian.
    /// </summary>
    /// <exception cref="CheckpointError">A check sum is wrong, or a Boolean is neither 0 nor 1.</exception>
    public void CopyTo(long first, Span<byte> destination)
    {
        var size = Type.ByteSize();
        var count = destination.Length / size;
        if (first < 0 || count * size != destination.Length || first > ElementCount - count)
        {
            throw new ArgumentOutOfRangeException(nameof(first), $"{count} elements at {first} of {ElementCount}");
        }
        if (count == 0)
        {
            return;
        }
        if (_everywhere is { } value)
        {
            MemoryMarshal.Cast<byte, float>(destination).Fill(value);
            return;
        }
        _verify?.Invoke();
        if (IsContiguous)
        {
            _file.Slice(_offset + first * size, destination.Length).CopyTo(destination);
        }
        else
        {
            CopyStrided(first, destination, size);
        }
        if (Type == ElementType.Bool && destination.IndexOfAnyExceptInRange((byte)0, (byte)1) is var wrong and >= 0)
        {
            throw new CheckpointError(
                Path,
                $"tensor '{Name}' holds {destination[wrong]} where a Boolean (0 or 1) must be; the file is damaged"
            );
        }
    }

    /// <summary>All elements in row-major order, for small tensors (below 2 GB).</summary>
    public byte[] ToArray()
    {
        var bytes = new byte[checked((int)ByteCount)];
        CopyTo(0, bytes);
        return bytes;
    }

    private static bool IsRowMajor(long[] sizes, long[] strides)
    {
        var contiguous = TensorShape.ContiguousStrides(sizes);
        return Enumerable.Range(0, sizes.Length).All(i => sizes[i] == 1 || strides[i] == contiguous[i]);
    }

    private void CopyStrided(long first, Span<byte> destination, int size)
    {
        var index = new long[_sizes.Length];
        var element = 0L;
        var rest = first;
        for (var axis = _sizes.Length - 1; axis >= 0; axis--)
        {
            index[axis] = rest % _sizes[axis];
            rest /= _sizes[axis];
            element += index[axis] * _strides[axis];
        }
        for (var at = 0; at < destination.Length; at += size)
        {
            _file.Slice(_offset + element * size, size).CopyTo(destination[at..]);
            for (var axis = _sizes.Length - 1; axis >= 0; axis--)
            {
                element += _strides[axis];
                if (++index[axis] < _sizes[axis])
                {
                    break;
                }
                element -= _sizes[axis] * _strides[axis];
                index[axis] = 0;
            }
        }
    }
}
