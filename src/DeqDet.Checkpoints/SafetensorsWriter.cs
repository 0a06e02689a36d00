using System.Buffers;
using System.Buffers.Binary;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace DeqDet.Checkpoints;

/// <summary>Writes safetensors files. The same input gives the same bytes.</summary>
public static class SafetensorsWriter
{
    /// <summary>
    /// Writes the tensors in the given order, streaming, and puts the file in place when it is complete (see
    /// <see cref="AtomicFile"/>). The header is padded with spaces so that the data start at a multiple of 8 bytes.
    /// </summary>
    /// <param name="path">Where to; an existing file is replaced.</param>
    /// <param name="tensors">Names must differ.</param>
    /// <param name="metadata">The header's <c>__metadata__</c>, written in ordinal order of the keys; none if null or empty.</param>
    /// <exception cref="CheckpointError">The system refuses to write there.</exception>
    /// <exception cref="ArgumentException">A name occurs twice or is reserved, or a shape is impossible.</exception>
    public static void Write(
        string path,
        IReadOnlyList<TensorToWrite> tensors,
        IReadOnlyDictionary<string, string>? metadata = null
    )
    {
        var header = Header(tensors, metadata);
        AtomicFile.Write(path, stream => Write(stream, header, tensors));
    }

    /// <summary>The same into a stream that knows its position.</summary>
    public static void Write(
        Stream stream,
        IReadOnlyList<TensorToWrite> tensors,
        IReadOnlyDictionary<string, string>? metadata = null
    ) => Write(stream, Header(tensors, metadata), tensors);

    private static void Write(Stream stream, byte[] header, IReadOnlyList<TensorToWrite> tensors)
    {
        stream.Write(header);
        foreach (var tensor in tensors)
        {
            tensor.WriteChecked(stream);
        }
    }

    private static byte[] Header(IReadOnlyList<TensorToWrite> tensors, IReadOnlyDictionary<string, string>? metadata)
    {
        var json = new ArrayBufferWriter<byte>();
        json.Write(stackalloc byte[sizeof(ulong)]);
        // The relaxed encoder leaves non-ASCII names readable; nobody puts this JSON into a web page.
        var options = new JsonWriterOptions { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
        using (var writer = new Utf8JsonWriter(json, options))
        {
            writer.WriteStartObject();
            if (metadata is { Count: > 0 })
            {
                writer.WriteStartObject("__metadata__");
                foreach (var (key, value) in metadata.OrderBy(pair => pair.Key, StringComparer.Ordinal))
                {
                    writer.WriteString(key, value);
                }
                writer.WriteEndObject();
            }
            var names = new HashSet<string>(StringComparer.Ordinal) { "__metadata__" };
            long offset = 0;
            foreach (var tensor in tensors)
            {
                if (!names.Add(tensor.Name))
                {
                    throw new ArgumentException($"tensor name '{tensor.Name}' occurs twice or is reserved");
                }
                writer.WriteStartObject(tensor.Name);
                writer.WriteString("dtype", tensor.Type.ShortName());
                WriteNumbers(writer, "shape", tensor.Shape);
                WriteNumbers(writer, "data_offsets", [offset, checked(offset + tensor.ByteCount)]);
                writer.WriteEndObject();
                offset += tensor.ByteCount;
            }
            writer.WriteEndObject();
        }
        var padding = -json.WrittenCount & 7;
        json.GetSpan(8)[..padding].Fill((byte)' ');
        json.Advance(padding);
        var bytes = json.WrittenSpan.ToArray();
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, (ulong)(bytes.Length - sizeof(ulong)));
        return bytes;
    }

    private static void WriteNumbers(Utf8JsonWriter writer, string key, IEnumerable<long> numbers)
    {
        writer.WriteStartArray(key);
        foreach (var number in numbers)
        {
            writer.WriteNumberValue(number);
        }
        writer.WriteEndArray();
    }
}
