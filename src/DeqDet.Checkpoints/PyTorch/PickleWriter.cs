using System.Buffers.Binary;
using System.Numerics;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace DeqDet.Checkpoints.PyTorch;

/// <summary>Writes plain values, and calls of the constructors a state dict needs, as a pickle of protocol 2.</summary>
internal sealed class PickleWriter
{
    private readonly MemoryStream _bytes = new();
    private readonly Dictionary<string, int> _memo = new(StringComparer.Ordinal);

    public PickleWriter()
    {
        Code(0x80);
        Code(2);
    }

    /// <summary>Ends the pickle with the value written last.</summary>
    public byte[] Finish()
    {
        Code((byte)'.');
        return _bytes.ToArray();
    }

    public void Code(byte code) => _bytes.WriteByte(code);

    public void Mark() => Code((byte)'(');

    /// <summary>The values since the mark as a tuple.</summary>
    public void EndTuple() => Code((byte)'t');

    public void EmptyDictionary() => Code((byte)'}');

    /// <summary>The keys and values since the mark become items of the dictionary before it.</summary>
    public void EndItems() => Code((byte)'u');

    public void Boolean(bool value) => Code(value ? (byte)0x88 : (byte)0x89);

    public void Integer(long value)
    {
        Span<byte> bytes = stackalloc byte[8];
        switch (value)
        {
            case >= 0 and <= byte.MaxValue:
                Code((byte)'K');
                Code((byte)value);
                break;
            case >= 0 and <= ushort.MaxValue:
                Code((byte)'M');
                BinaryPrimitives.WriteUInt16LittleEndian(bytes, (ushort)value);
                _bytes.Write(bytes[..2]);
                break;
            case >= int.MinValue and <= int.MaxValue:
                Code((byte)'J');
                BinaryPrimitives.WriteInt32LittleEndian(bytes, (int)value);
                _bytes.Write(bytes[..4]);
                break;
            default:
                var shortest = new BigInteger(value).ToByteArray();
                Code(0x8a);
                Code((byte)shortest.Length);
                _bytes.Write(shortest);
                break;
        }
    }

    public void Float(double value)
    {
        Span<byte> bytes = stackalloc byte[8];
        BinaryPrimitives.WriteDoubleBigEndian(bytes, value);
        Code((byte)'G');
        _bytes.Write(bytes);
    }

    public void Text(string value)
    {
        var utf8 = Encoding.UTF8.GetBytes(value);
        Span<byte> length = stackalloc byte[4];
        BinaryPrimitives.WriteInt32LittleEndian(length, utf8.Length);
        Code((byte)'X');
        _bytes.Write(length);
        _bytes.Write(utf8);
    }

    /// <summary>A text that occurs often: written once and recalled afterwards.</summary>
    public void SharedText(string value) => Shared(value, () => Text(value));

    /// <summary>A class or function.</summary>
    public void Global(string module, string name)
    {
        var text = $"c{module}\n{name}\n";
        Shared(text, () => _bytes.Write(Encoding.ASCII.GetBytes(text)));
    }

    /// <summary>An empty <c>collections.OrderedDict</c>.</summary>
    public void OrderedDictionary()
    {
        Global("collections", "OrderedDict");
        Code((byte)')');
        Code((byte)'R');
    }

    public void Tuple(IEnumerable<long> values)
    {
        Mark();
        foreach (var value in values)
        {
            Integer(value);
        }
        EndTuple();
    }

    /// <summary>Numbers, texts, truth values, null, lists and dictionaries with text keys.</summary>
    public void Json(JsonNode? node)
    {
        switch (node)
        {
            case null:
                Code((byte)'N');
                break;
            case JsonObject members:
                EmptyDictionary();
                Mark();
                foreach (var (key, value) in members)
                {
                    Text(key);
                    Json(value);
                }
                EndItems();
                break;
            case JsonArray items:
                Code((byte)']');
                Mark();
                foreach (var item in items)
                {
                    Json(item);
                }
                Code((byte)'e');
                break;
            default:
                Scalar(JsonSerializer.SerializeToElement(node));
                break;
        }
    }

    private void Scalar(JsonElement value)
    {
        switch (value.ValueKind)
        {
            case JsonValueKind.True or JsonValueKind.False:
                Boolean(value.GetBoolean());
                break;
            case JsonValueKind.Number when value.TryGetInt64(out var integer):
                Integer(integer);
                break;
            case JsonValueKind.Number:
                Float(value.GetDouble());
                break;
            default:
                Text(value.GetString()!);
                break;
        }
    }

    private void Shared(string key, Action write)
    {
        Span<byte> index = stackalloc byte[4];
        if (_memo.TryGetValue(key, out var known))
        {
            Code((byte)'j');
            BinaryPrimitives.WriteInt32LittleEndian(index, known);
            _bytes.Write(index);
            return;
        }
        write();
        Code((byte)'r');
        BinaryPrimitives.WriteInt32LittleEndian(index, _memo.Count);
        _bytes.Write(index);
        _memo.Add(key, _memo.Count);
    }
}
