using System.Text;

namespace DeqDet.Checkpoints.PyTorch;

// What a pickle can say here. Besides these types: null, bool, long, double and BigInteger.

/// <summary>A text, left in the file until somebody wants it.</summary>
internal sealed class PickleText(MappedFile file, long offset, int length)
{
    public int Length => length;

    public bool Is(ReadOnlySpan<byte> utf8) => file.Slice(offset, length).SequenceEqual(utf8);

    public override string ToString() => Encoding.UTF8.GetString(file.Slice(offset, length));
}

/// <summary>A class or function by name. Nothing is ever looked up by it: it is only compared with a few known names.</summary>
internal sealed class PickleGlobal(string module, string name)
{
    public string Module => module;
    public string Name => name;

    /// <summary>Stands for whatever calling it would have given.</summary>
    public PickleInert Result { get; } = new($"{module}.{name}");

    public override string ToString() => $"{module} {name}";
}

/// <summary>Something that is not needed and was not built: an instance of an unknown class, raw bytes, ...</summary>
internal sealed record PickleInert(string What)
{
    /// <summary>What made it, and what that is where it is a tensor of a kind that is not read.</summary>
    public string Description =>
        $"made by {What}"
        + What switch
        {
            "torch._utils._rebuild_qtensor" => " (a quantised tensor; save it dequantised)",
            "torch._utils._rebuild_sparse_tensor" or "torch._utils._rebuild_sparse_csr_tensor" =>
                " (a sparse tensor; save it with to_dense())",
            "torch._utils._rebuild_meta_tensor_no_storage" => " (a tensor on the meta device, which has no numbers)",
            "torch._utils._rebuild_nested_tensor" => " (a nested tensor)",
            "torch._utils._rebuild_device_tensor_from_numpy"
            or "torch._utils._rebuild_device_tensor_from_cpu_tensor"
            or "torch._utils._rebuild_xla_tensor" => " (a tensor of another device; save it from the CPU)",
            _ => "",
        };
}

internal sealed class PickleList
{
    public List<object?> Items { get; } = [];
}

internal sealed record PickleTuple(object?[] Items);

/// <summary>A dictionary in the order in which it was filled.</summary>
internal sealed class PickleDict
{
    public List<KeyValuePair<object?, object?>> Items { get; } = [];

    /// <summary>The last value under a text key; null also where there is none.</summary>
    public object? Find(ReadOnlySpan<byte> key)
    {
        for (var i = Items.Count - 1; i >= 0; i--)
        {
            if (Items[i].Key is PickleText text && text.Is(key))
            {
                return Items[i].Value;
            }
        }
        return null;
    }
}

/// <summary>
/// A reference to numbers outside the pickle: <paramref name="Count"/> elements (bytes if <paramref name="Type"/> is null),
/// or a part of them.
/// </summary>
internal sealed record PickleStorage(string Key, ElementType? Type, string TypeName, long Count, StorageView? View);

/// <summary>A part of a storage, in elements (only in the old stream format).</summary>
internal sealed record StorageView(long Offset, long Count);

/// <summary>A view on a storage as the pickle claims it; nothing is checked yet.</summary>
internal sealed record PickleTensor(
    PickleStorage Storage,
    ElementType? Type,
    long Offset,
    long[] Shape,
    long[] Strides
);
