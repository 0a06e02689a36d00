using System.Text.Json.Nodes;
using DeqDet.Checkpoints.PyTorch;

namespace DeqDet.Checkpoints;

/// <summary>
/// An open PyTorch checkpoint (.pth, .pt; zip or old stream format): the tensors of its state dict, left where they lie in the
/// mapped file, and the plain part of its metadata. The pickle in it is interpreted as data only (see
/// <see cref="PickleMachine"/>).
/// </summary>
public sealed class PthFile : ITensorFile
{
    /// <summary>What a file may expand to beyond its own size, by views that repeat the same numbers.</summary>
    private const long ExpansionAllowance = 64 << 20;

    private const int MaxNameLength = 1024;

    private readonly MappedFile _file;
    private readonly Dictionary<string, StoredTensor> _byName = new(StringComparer.Ordinal);
    private readonly List<StoredTensor> _tensors = [];
    private readonly List<string> _skipped = [];
    private readonly List<string> _topLevelKeys = [];

    private PthFile(MappedFile file)
    {
        _file = file;
        var budget = new MemoryBudget(file.Path);
        var container = PthContainer.Read(file, budget);
        Globals = [.. container.Globals.Select(global => global.ToString()).Order(StringComparer.Ordinal)];
        if (container.Root is not PickleDict root)
        {
            var what = container.Root is PickleInert inert ? $"an object of {inert.What}" : "something else";
            throw new CheckpointError(file.Path, $"holds {what}, not a state dict; save model.state_dict() instead");
        }
        var (key, states) = FindStateDict(root);
        StateDictKey = key;
        ReadTensors(states, container, budget);
        if (_tensors.Count == 0)
        {
            throw new CheckpointError(file.Path, "has no tensors where a state dict should be");
        }
        var plain = new PlainData(file.Path, budget);
        foreach (var (name, value) in root.Items)
        {
            if (name is PickleText { Length: <= MaxNameLength } text)
            {
                budget.Charge(2 * text.Length + 100);
                _topLevelKeys.Add(text.ToString());
                if (text.Is("meta"u8) || (!ReferenceEquals(states, root) && PlainData.IsScalar(value)))
                {
                    Metadata[text.ToString()] = plain.ToJson(value);
                }
            }
        }
    }

    /// <inheritdoc/>
    public string Path => _file.Path;

    /// <inheritdoc/>
    public IReadOnlyList<StoredTensor> Tensors => _tensors;

    /// <summary>The keys of the outermost dictionary, such as meta and state_dict.</summary>
    public IReadOnlyList<string> TopLevelKeys => _topLevelKeys;

    /// <summary>The key under which the state dict was found; empty if it is the outermost dictionary itself.</summary>
    public string StateDictKey { get; }

    /// <summary>
    /// What is plain data: <c>meta</c> (epoch, iter, dataset_meta, ...) and the outermost numbers and texts. Objects of unknown
    /// classes are left out.
    /// </summary>
    public JsonObject Metadata { get; } = [];

    /// <summary>Entries of the state dict that are plain data, not tensors; they are left out.</summary>
    public IReadOnlyList<string> Skipped => _skipped;

    /// <summary>"module name" of every class and function named in the pickle, in ordinal order; for reports.</summary>
    public IReadOnlyList<string> Globals { get; }

    /// <summary>The names of the classes the model was trained on, where the metadata tell them.</summary>
    public IReadOnlyList<string>? Classes
    {
        get
        {
            var meta = Metadata["meta"] as JsonObject;
            var dataset = meta?["dataset_meta"] as JsonObject;
            var classes = dataset?["CLASSES"] ?? dataset?["classes"] ?? meta?["CLASSES"];
            return
                classes is JsonArray list
                && list.All(item => item?.GetValueKind() == System.Text.Json.JsonValueKind.String)
                ? [.. list.Select(item => item!.GetValue<string>())]
                : null;
        }
    }

    /// <summary>Opens a checkpoint and checks where all its tensors lie; their numbers are checked when they are read.</summary>
    /// <exception cref="CheckpointError">It cannot be read, is damaged or hostile, or has no state dict.</exception>
    public static PthFile Open(string path)
    {
        var file = MappedFile.Open(path);
        try
        {
            return new PthFile(file);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public StoredTensor? Find(string name) => _byName.GetValueOrDefault(name);

    /// <summary>The tensor of that name.</summary>
    /// <exception cref="CheckpointError">There is none.</exception>
    public StoredTensor this[string name] => Find(name) ?? throw new CheckpointError(Path, $"has no tensor '{name}'");

    /// <summary>Unmaps the file; its tensors cannot be read any more.</summary>
    public void Dispose() => _file.Dispose();

    // Training frameworks put it under state_dict (OpenMMLab) or model (Swin, DETR); plain files are one.
    private static (string Key, PickleDict States) FindStateDict(PickleDict root)
    {
        foreach (var key in (string[])["state_dict", "model"])
        {
            if (root.Find(System.Text.Encoding.UTF8.GetBytes(key)) is PickleDict states)
            {
                return (key, states);
            }
        }
        return ("", root);
    }

    private void ReadTensors(PickleDict states, PthContainer container, MemoryBudget budget)
    {
        var storages = new Dictionary<string, PthStorage>(StringComparer.Ordinal);
        var room = _file.Length + ExpansionAllowance;
        foreach (var (key, value) in states.Items)
        {
            if (key is not PickleText { Length: <= MaxNameLength } text)
            {
                throw new CheckpointError(Path, "its state dict has a key that is no text, or a very long one");
            }
            var name = text.ToString();
            budget.Charge(300 + 2 * name.Length);
            switch (value)
            {
                case PickleTensor tensor:
                    var stored = Locate(name, tensor, container, storages);
                    if (stored.ByteCount > room)
                    {
                        throw new CheckpointError(
                            Path,
                            $"its tensors up to '{name}' are much larger than the file, because they repeat the same numbers"
                        );
                    }
                    room -= stored.ByteCount;
                    if (!_byName.TryAdd(name, stored))
                    {
                        throw new CheckpointError(Path, $"its state dict has '{name}' twice");
                    }
                    _tensors.Add(stored);
                    break;
                case PickleInert inert:
                    throw new CheckpointError(
                        Path,
                        $"'{name}' in its state dict is made by {inert.What}, which is not one of the known tensor forms; it was not run"
                    );
                default:
                    _skipped.Add(name);
                    break;
            }
        }
    }

    private StoredTensor Locate(
        string name,
        PickleTensor tensor,
        PthContainer container,
        Dictionary<string, PthStorage> storages
    )
    {
        var (key, type) = (tensor.Storage.Key, tensor.Type);
        if (type is not { } elementType)
        {
            throw Bad(name, "does not say what its numbers are");
        }
        if (!storages.TryGetValue(key, out var storage))
        {
            var region =
                container.Regions.GetValueOrDefault(key)
                ?? throw Bad(name, $"refers to the storage '{key}', which is missing");
            storage = new PthStorage(_file, region);
            storages.Add(key, storage);
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
        return new StoredTensor(_file, position, name, elementType, tensor.Shape, tensor.Strides, storage.VerifyOnce);
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

    private CheckpointError Bad(string name, string problem) => new(Path, $"tensor '{name}' {problem}");

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
