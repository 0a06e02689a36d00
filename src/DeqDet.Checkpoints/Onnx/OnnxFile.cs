namespace DeqDet.Checkpoints.Onnx;

/// <summary>
/// An open ONNX file (https://onnx.ai): its initialisers as tensors, left where they lie in the mapped file, and the operations of its graph,
/// which say what tensors without telling names belong to. Nothing is computed.
/// </summary>
public sealed class OnnxFile : ITensorFile
{
    /// <summary>Initialisers, and operations: far above any model.</summary>
    private const int MaxEntries = 100_000;

    private readonly MappedFile _file;
    private readonly Dictionary<string, StoredTensor> _initialisers;
    private readonly Dictionary<string, StoredTensor> _byName;

    private OnnxFile(MappedFile file, OnnxContent content, bool averaged)
    {
        _file = file;
        Producer = content.Producer;
        Metadata = content.Metadata;
        Nodes = content.Nodes;
        _initialisers = content.Initialisers.ToDictionary(tensor => tensor.Name, StringComparer.Ordinal);
        (Tensors, Notices) = WeightNames.Select(file.Path, content.Initialisers, averaged);
        _byName = Tensors.ToDictionary(tensor => tensor.Name, StringComparer.Ordinal);
    }

    /// <inheritdoc/>
    public string Path => _file.Path;

    /// <inheritdoc/>
    public IReadOnlyList<StoredTensor> Tensors { get; }

    /// <inheritdoc/>
    public IReadOnlyList<string> Notices { get; }

    /// <summary>The program that wrote it, such as <c>CNTK</c>; empty if it does not say.</summary>
    public string Producer { get; }

    /// <summary>What the file says beside the graph, by key; a later value of a key counts.</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; }

    /// <summary>The graph's operations in the file's order, in which each follows what it reads.</summary>
    public IReadOnlyList<OnnxNode> Nodes { get; }

    /// <summary>
    /// Whether a file begins as an ONNX file does: with a version of the format, and then with a field that ModelProto has. (protobuf's messages
    /// have no mark of their own.)
    /// </summary>
    internal static bool IsLike(ReadOnlySpan<byte> start) =>
        start is [0x08, > 0 and < 0x40, 0x12 or 0x1a or 0x22 or 0x28 or 0x32 or 0x3a or 0x42, ..];

    /// <summary>Opens a file and reads all but the numbers.</summary>
    /// <param name="path">The file.</param>
    /// <param name="averaged">Whether the averages over training are wanted in the place of the trained weights.</param>
    /// <exception cref="CheckpointError">It is no ONNX file, damaged, exceeds the limits, or keeps its numbers elsewhere.</exception>
    public static OnnxFile Open(string path, bool averaged = false)
    {
        var file = MappedFile.Open(path);
        try
        {
            return new OnnxFile(file, Read(file), averaged);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public StoredTensor? Find(string name) => _byName.GetValueOrDefault(name);

    /// <summary>The initialiser of the name by which operations call it, or null.</summary>
    public StoredTensor? Initialiser(string name) => _initialisers.GetValueOrDefault(name);

    /// <summary>Unmaps the file; its tensors cannot be read any more.</summary>
    public void Dispose() => _file.Dispose();

    private sealed record OnnxContent(
        string Producer,
        IReadOnlyDictionary<string, string> Metadata,
        IReadOnlyList<StoredTensor> Initialisers,
        IReadOnlyList<OnnxNode> Nodes
    );

    private static OnnxContent Read(MappedFile file)
    {
        var fields = new ProtobufFields(file);
        var producer = "";
        var metadata = new Dictionary<string, string>(StringComparer.Ordinal);
        var initialisers = new List<StoredTensor>();
        var names = new HashSet<string>(StringComparer.Ordinal);
        var nodes = new List<OnnxNode>();
        var graphs = 0;
        foreach (var field in fields.OfFile())
        {
            if (field.Number == OnnxFields.Model.Producer)
            {
                producer = fields.Text(field);
            }
            else if (field.Number == OnnxFields.Model.Metadata)
            {
                ReadEntry(field);
            }
            else if (field.Number == OnnxFields.Model.Graph)
            {
                graphs++;
                ReadGraph(field);
            }
        }
        return graphs == 1
            ? new(producer, metadata, initialisers, nodes)
            : throw new CheckpointError(
                file.Path,
                $"is no ONNX file, or damaged: it holds {(graphs == 0 ? "no graph" : $"{graphs} graphs")}"
            );

        void ReadEntry(ProtobufField entry)
        {
            var (key, value) = ("", "");
            foreach (var field in fields.Of(entry))
            {
                if (field.Number == OnnxFields.Entry.Key)
                {
                    key = fields.Text(field);
                }
                else if (field.Number == OnnxFields.Entry.Value)
                {
                    value = fields.Text(field);
                }
            }
            metadata[key] = value;
        }

        void ReadGraph(ProtobufField graph)
        {
            foreach (var field in fields.Of(graph))
            {
                switch (field.Number)
                {
                    case OnnxFields.Graph.Node:
                        nodes.Add(ReadNode(fields, field));
                        break;
                    case OnnxFields.Graph.Initialiser when OnnxTensor.Read(file, fields, field) is { } tensor:
                        initialisers.Add(tensor);
                        if (!names.Add(tensor.Name))
                        {
                            throw new CheckpointError(file.Path, $"holds two initialisers named '{tensor.Name}'");
                        }
                        break;
                    case OnnxFields.Graph.SparseInitialiser:
                        throw new CheckpointError(file.Path, "holds a sparse tensor, which is not read");
                    default:
                        break;
                }
                if (nodes.Count > MaxEntries || initialisers.Count > MaxEntries)
                {
                    throw new CheckpointError(file.Path, $"holds more than {MaxEntries} tensors or operations");
                }
            }
        }
    }

    private static OnnxNode ReadNode(ProtobufFields fields, ProtobufField node)
    {
        var inputs = new List<string>();
        var outputs = new List<string>();
        var type = "";
        var integers = new Dictionary<string, IReadOnlyList<long>>(StringComparer.Ordinal);
        var reals = new Dictionary<string, float>(StringComparer.Ordinal);
        foreach (var field in fields.Of(node))
        {
            switch (field.Number)
            {
                case OnnxFields.Node.Input:
                    inputs.Add(fields.Text(field));
                    break;
                case OnnxFields.Node.Output:
                    outputs.Add(fields.Text(field));
                    break;
                case OnnxFields.Node.Operator:
                    type = fields.Text(field);
                    break;
                case OnnxFields.Node.Attribute:
                    ReadAttribute(field);
                    break;
                default:
                    break;
            }
        }
        return new(type, inputs, outputs, integers, reals);

        void ReadAttribute(ProtobufField attribute)
        {
            var name = "";
            var whole = new List<long>();
            float? real = null;
            foreach (var field in fields.Of(attribute))
            {
                switch (field.Number)
                {
                    case OnnxFields.Attribute.Name:
                        name = fields.Text(field);
                        break;
                    case OnnxFields.Attribute.Real:
                        real = BitConverter.UInt32BitsToSingle((uint)field.Value);
                        break;
                    case OnnxFields.Attribute.Integer or OnnxFields.Attribute.Integers:
                        whole.AddRange(fields.Integers(field));
                        break;
                    default:
                        break;
                }
            }
            if (whole.Count > 0)
            {
                integers[name] = whole;
            }
            if (real is { } number)
            {
                reals[name] = number;
            }
        }
    }
}
