using System.Text.Json.Nodes;
using DeqDet.Checkpoints.PyTorch;

namespace DeqDet.Checkpoints;

/// <summary>
/// Writes PyTorch checkpoints in the zip format, with nothing in them but plain data and tensors: <c>torch.load</c> reads them
/// with <c>weights_only=True</c>. The same input gives the same bytes.
/// </summary>
public static class PthWriter
{
    /// <summary>
    /// Writes a state dict in the given order, streaming, and puts the file in place when it is complete (see
    /// <see cref="AtomicFile"/>).
    /// </summary>
    /// <param name="path">Where to; an existing file is replaced.</param>
    /// <param name="tensors">Names must differ. Unsigned 16-, 32- and 64-bit integers are refused.</param>
    /// <param name="meta">
    /// If given, the file holds <c>{"meta": meta, "state_dict": tensors}</c>, as OpenMMLab writes it; otherwise the state dict
    /// alone.
    /// </param>
    /// <exception cref="CheckpointError">The system refuses to write there.</exception>
    /// <exception cref="ArgumentException">A name occurs twice, or a type or shape is impossible.</exception>
    public static void Write(string path, IReadOnlyList<TensorToWrite> tensors, JsonObject? meta = null)
    {
        var pickle = Pickle(tensors, meta);
        AtomicFile.Write(path, stream => Write(stream, pickle, tensors));
    }

    /// <summary>The same into a stream that can seek.</summary>
    public static void Write(Stream stream, IReadOnlyList<TensorToWrite> tensors, JsonObject? meta = null) =>
        Write(stream, Pickle(tensors, meta), tensors);

    private static void Write(Stream stream, byte[] pickle, IReadOnlyList<TensorToWrite> tensors)
    {
        var zip = new ZipWriter(stream);
        zip.Add("archive/data.pkl", pickle);
        zip.Add("archive/byteorder", "little"u8.ToArray());
        for (var i = 0; i < tensors.Count; i++)
        {
            zip.Add($"archive/data/{i}", tensors[i].ByteCount, tensors[i].WriteTo);
        }
        zip.Add("archive/version", "3\n"u8.ToArray());
        zip.Finish();
    }

    private static byte[] Pickle(IReadOnlyList<TensorToWrite> tensors, JsonObject? meta)
    {
        var pickle = new PickleWriter();
        if (meta is not null)
        {
            pickle.EmptyDictionary();
            pickle.Mark();
            pickle.Text("meta");
            pickle.Json(meta);
            pickle.Text("state_dict");
        }
        pickle.OrderedDictionary();
        pickle.Mark();
        var names = new HashSet<string>(StringComparer.Ordinal);
        for (var i = 0; i < tensors.Count; i++)
        {
            if (!names.Add(tensors[i].Name))
            {
                throw new ArgumentException($"tensor name '{tensors[i].Name}' occurs twice");
            }
            pickle.Text(tensors[i].Name);
            Tensor(pickle, tensors[i], i);
        }
        pickle.EndItems();
        if (meta is not null)
        {
            pickle.EndItems();
        }
        return pickle.Finish();
    }

    // torch._utils._rebuild_tensor_v2(storage, offset, shape, strides, requires_grad, hooks)
    private static void Tensor(PickleWriter pickle, TensorToWrite tensor, int key)
    {
        var count = tensor.ByteCount / tensor.Type.ByteSize();
        pickle.Global("torch._utils", "_rebuild_tensor_v2");
        pickle.Mark();
        pickle.Mark();
        pickle.SharedText("storage");
        pickle.Global("torch", StorageName(tensor.Type));
        pickle.Text(key.ToString(System.Globalization.CultureInfo.InvariantCulture));
        pickle.SharedText("cpu");
        pickle.Integer(count);
        pickle.EndTuple();
        pickle.Code((byte)'Q');
        pickle.Integer(0);
        pickle.Tuple(tensor.Shape);
        pickle.Tuple(TensorShape.ContiguousStrides(tensor.Shape));
        pickle.Boolean(false);
        pickle.OrderedDictionary();
        pickle.EndTuple();
        pickle.Code((byte)'R');
    }

    private static string StorageName(ElementType type) =>
        type switch
        {
            ElementType.Bool => "BoolStorage",
            ElementType.UInt8 => "ByteStorage",
            ElementType.Int8 => "CharStorage",
            ElementType.Int16 => "ShortStorage",
            ElementType.Int32 => "IntStorage",
            ElementType.Int64 => "LongStorage",
            ElementType.Float16 => "HalfStorage",
            ElementType.BFloat16 => "BFloat16Storage",
            ElementType.Float32 => "FloatStorage",
            ElementType.Float64 => "DoubleStorage",
            _ => throw new ArgumentException($"PyTorch's checkpoints have no storage for {type.ShortName()}"),
        };
}
