using System.Buffers.Binary;

namespace DeqDet.Checkpoints;

/// <summary>An open safetensors file: header read and checked, tensors left where they lie in the mapped file.</summary>
public sealed class SafetensorsFile : ITensorFile
{
    private readonly MappedFile _file;
    private readonly Dictionary<string, StoredTensor> _byName;

    private SafetensorsFile(MappedFile file, NamedWeights tensors, IReadOnlyDictionary<string, string> metadata)
    {
        _file = file;
        (Tensors, Notices) = tensors;
        _byName = Tensors.ToDictionary(tensor => tensor.Name, StringComparer.Ordinal);
        Metadata = metadata;
    }

    /// <inheritdoc/>
    public string Path => _file.Path;

    /// <inheritdoc/>
    public IReadOnlyList<StoredTensor> Tensors { get; }

    /// <inheritdoc/>
    public IReadOnlyList<string> Notices { get; }

    /// <summary>The header's <c>__metadata__</c>; empty if there is none.</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; }

    /// <summary>
    /// Opens a file and checks its whole header against the format and the file's length. Names are those in the file
    /// (<see cref="TensorFile.Open"/> gives the model's).
    /// </summary>
    /// <exception cref="CheckpointError">It cannot be read or is not a whole safetensors file.</exception>
    public static SafetensorsFile Open(string path) => Open(path, tensors => new(tensors, []));

    /// <summary>For <see cref="TensorFile.Open"/>.</summary>
    internal static SafetensorsFile OpenWeights(string path, bool averaged) =>
        Open(path, tensors => WeightNames.Select(path, tensors, averaged));

    private static SafetensorsFile Open(string path, Func<StoredTensor[], NamedWeights> select)
    {
        var file = MappedFile.Open(path);
        try
        {
            if (file.Length < sizeof(ulong))
            {
                throw new CheckpointError(path, $"is no safetensors file: it has only {file.Length} bytes");
            }
            var headerLength = BinaryPrimitives.ReadUInt64LittleEndian(file.Slice(0, sizeof(ulong)));
            if (headerLength > SafetensorsHeader.MaxBytes)
            {
                throw new CheckpointError(
                    path,
                    $"is no safetensors file: its header would have {headerLength} bytes (at most {SafetensorsHeader.MaxBytes} are allowed)"
                );
            }
            var start = sizeof(ulong) + (long)headerLength;
            if (start > file.Length)
            {
                throw new CheckpointError(
                    path,
                    $"is truncated or no safetensors file: the header should end at byte {start}, the file has {file.Length}"
                );
            }
            var header = SafetensorsHeader.Parse(
                path,
                file.Slice(sizeof(ulong), (int)headerLength),
                file.Length - start
            );
            var tensors = header
                .Entries.Select(e => new StoredTensor(file, start + e.Begin, e.Name, e.Type, e.Shape))
                .ToArray();
            return new SafetensorsFile(file, select(tensors), header.Metadata);
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
}
