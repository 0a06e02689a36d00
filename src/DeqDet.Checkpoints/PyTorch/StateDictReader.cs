namespace DeqDet.Checkpoints.PyTorch;

/// <summary>
/// Finds out where the tensors of state dicts lie in a mapped file, and that every one of their elements is in it. What they expand
/// to together, by views that repeat the same numbers, is limited.
/// </summary>
internal sealed class StateDictReader(MappedFile file, PthContainer container, MemoryBudget budget)
{
    private const long ExpansionAllowance = 64 << 20;
    private const int MaxNameLength = 1024;

    private readonly Dictionary<string, PthStorage> _storages = new(StringComparer.Ordinal);
    private long _room = file.Length + ExpansionAllowance;

    /// <summary>The tensors of a dictionary in its order, and the names of what in it is plain data.</summary>
    /// <exception cref="CheckpointError">Something in it is neither, does not lie in the file, or has the name of another.</exception>
    public (List<StoredTensor> Tensors, List<string> Skipped) Read(PickleDict dict)
    {
        var (tensors, skipped) = (new List<StoredTensor>(), new List<string>());
        var names = new HashSet<string>(StringComparer.Ordinal);
        foreach (var (key, value) in dict.Items)
        {
            if (key is not PickleText { Length: <= MaxNameLength } text)
            {
                throw new CheckpointError(file.Path, "its state dict has a key that is no text, or a very long one");
            }
            var name = text.ToString();
            budget.Charge(300 + 2 * name.Length);
            switch (value)
            {
                case PickleTensor tensor:
                    var stored = Locate(name, tensor);
                    if (stored.ByteCount > _room)
                    {
                        throw new CheckpointError(
                            file.Path,
                            $"its tensors up to '{name}' are much larger than the file, because they repeat the same numbers"
                        );
                    }
                    _room -= stored.ByteCount;
                    if (!names.Add(name))
                    {
                        throw new CheckpointError(file.Path, $"its state dict has '{name}' twice");
                    }
                    tensors.Add(stored);
                    break;
                case PickleInert inert:
                    throw new CheckpointError(
                        file.Path,
                        $"'{name}' in its state dict is {inert.Description}, which is not one of the known tensor forms; it was not run"
                    );
                default:
                    skipped.Add(name);
                    break;
            }
        }
        return (tensors, skipped);
    }

    private StoredTensor Locate(string name, PickleTensor tensor)
    {
        var (key, type) = (tensor.Storage.Key, tensor.Type);
        if (type is not { } elementType)
        {
            throw Bad(name, "does not say what its numbers are");
        }
        if (!_storages.TryGetValue(key, out var storage))
        {
            var region =
                container.Regions.GetValueOrDefault(key)
                ?? throw Bad(name, $"refers to the storage '{key}', which is missing");
            storage = new PthStorage(file, region);
            _storages.Add(key, storage);
        }
        var size = elementType.ByteSize();
        var unit = tensor.Storage.Type?.ByteSize() ?? 1;
        if (tensor.Storage.Count > long.MaxValue / unit || tensor.Storage.Count * unit != storage.Region.Length)
        {
            throw Bad(
                name,
                $"says that storage '{key}' has {tensor.Storage.Count} elements of {unit} bytes, but it has {storage.Region.Length} bytes"
            );
        }
        var (offset, available) = (tensor.Offset, storage.Region.Length / size);
        var start = 0L;
        if (tensor.Storage.View is { } view)
        {
            if (view.Offset > available || view.Count > available - view.Offset)
            {
                throw Bad(name, $"is a part of storage '{key}' that lies outside it");
            }
            (start, available) = (view.Offset, view.Count);
        }
        if (!TensorShape.TryMeasure(tensor.Shape, elementType, out var elements, out _))
        {
            throw Bad(name, $"has the impossible shape {TensorShape.Text(tensor.Shape)}");
        }
        if (!LiesInside(tensor, elements, available))
        {
            throw Bad(
                name,
                $"(shape {TensorShape.Text(tensor.Shape)}, strides {TensorShape.Text(tensor.Strides)}, offset {offset}) "
                    + $"reaches beyond the {available} elements of storage '{key}'"
            );
        }
        var position = elements == 0 ? 0 : storage.Region.Offset + (start + offset) * size;
        return new StoredTensor(file, position, name, elementType, tensor.Shape, tensor.Strides, storage.VerifyOnce);
    }

    private static bool LiesInside(PickleTensor tensor, long elements, long available)
    {
        if (
            tensor.Strides.Length != tensor.Shape.Length
            || tensor.Offset < 0
            || tensor.Strides.Any(stride => stride < 0)
        )
        {
            return false;
        }
        if (elements == 0)
        {
            return true;
        }
        var last = tensor.Offset;
        for (var axis = 0; axis < tensor.Shape.Length && last < available; axis++)
        {
            var (steps, stride) = (tensor.Shape[axis] - 1, tensor.Strides[axis]);
            if (stride > 0 && steps > (available - 1 - last) / stride)
            {
                return false;
            }
            last += steps * stride;
        }
        return last < available;
    }

    private CheckpointError Bad(string name, string problem) => new(file.Path, $"tensor '{name}' {problem}");

    /// <summary>A storage, whose check sum is looked at once, before its first number is read.</summary>
    private sealed class PthStorage(MappedFile file, StorageRegion region)
    {
        private bool _verified;

        public StorageRegion Region => region;

        public void VerifyOnce()
        {
            if (!_verified)
            {
                region.Member?.Verify(file);
                _verified = true;
            }
        }
    }
}
