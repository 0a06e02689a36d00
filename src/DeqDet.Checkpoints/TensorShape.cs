namespace DeqDet.Checkpoints;

/// <summary>Arithmetic on shapes that come from files, so that no product can overflow unnoticed.</summary>
public static class TensorShape
{
    /// <summary>The largest number of dimensions libtorch's elementwise operations take.</summary>
    public const int MaxDimensions = 64;

    /// <summary>
    /// Elements and bytes of a tensor; false if a dimension is negative, there are too many of them, or a product does not fit
    /// 63 bits (also when another dimension is zero, because the strides would not fit either).
    /// </summary>
    public static bool TryMeasure(IReadOnlyList<long> shape, ElementType type, out long elements, out long bytes)
    {
        elements = 0;
        bytes = 0;
        if (shape.Count > MaxDimensions)
        {
            return false;
        }
        long nonZero = 1;
        var empty = false;
        foreach (var dimension in shape)
        {
            if (dimension < 0 || (dimension > 0 && nonZero > long.MaxValue / dimension))
            {
                return false;
            }
            empty |= dimension == 0;
            nonZero *= Math.Max(dimension, 1);
        }
        if (nonZero > long.MaxValue / type.ByteSize())
        {
            return false;
        }
        elements = empty ? 0 : nonZero;
        bytes = elements * type.ByteSize();
        return true;
    }

    /// <summary>Row-major strides, in elements.</summary>
    public static long[] ContiguousStrides(IReadOnlyList<long> shape)
    {
        var strides = new long[shape.Count];
        long stride = 1;
        for (var i = shape.Count - 1; i >= 0; i--)
        {
            strides[i] = stride;
            stride *= Math.Max(shape[i], 1);
        }
        return strides;
    }

    /// <summary>As people write it: <c>[3, 4]</c>.</summary>
    public static string Text(IReadOnlyList<long> shape) => $"[{string.Join(", ", shape)}]";
}
