using Google.Protobuf;

namespace DeqDet.Checkpoints.Onnx;

/// <summary>A message on its way into a file: its fields in the order in which they were added. What is large is written when its turn comes.</summary>
internal sealed class ProtobufMessage
{
    private readonly List<Action<CodedOutputStream, Stream>> _fields = [];

    /// <summary>Bytes it takes.</summary>
    public long Size { get; private set; }

    /// <summary>Adds a whole number.</summary>
    public ProtobufMessage Number(int field, long value)
    {
        Size += Tag(field) + CodedOutputStream.ComputeInt64Size(value);
        _fields.Add(
            (output, _) =>
            {
                output.WriteTag(field, WireFormat.WireType.Varint);
                output.WriteInt64(value);
            }
        );
        return this;
    }

    /// <summary>Adds a real number.</summary>
    public ProtobufMessage Real(int field, float value)
    {
        Size += Tag(field) + sizeof(float);
        _fields.Add(
            (output, _) =>
            {
                output.WriteTag(field, WireFormat.WireType.Fixed32);
                output.WriteFloat(value);
            }
        );
        return this;
    }

    /// <summary>Adds a text; none where it is empty.</summary>
    public ProtobufMessage Text(int field, string value)
    {
        if (value.Length > 0)
        {
            Always(field, value);
        }
        return this;
    }

    /// <summary>Adds a text, also an empty one: an input that is left out has its place all the same.</summary>
    public ProtobufMessage Always(int field, string value)
    {
        Size += Tag(field) + CodedOutputStream.ComputeStringSize(value);
        _fields.Add(
            (output, _) =>
            {
                output.WriteTag(field, WireFormat.WireType.LengthDelimited);
                output.WriteString(value);
            }
        );
        return this;
    }

    /// <summary>Adds a message, which must be complete.</summary>
    public ProtobufMessage Message(int field, ProtobufMessage message) =>
        Bytes(field, message.Size, (output, stream) => message.WriteTo(output, stream));

    /// <summary>Adds so many bytes, written when their turn comes.</summary>
    public ProtobufMessage Bytes(int field, long length, Action<Stream> write) =>
        Bytes(
            field,
            length,
            (output, stream) =>
            {
                output.Flush();
                write(stream);
            }
        );

    /// <summary>Writes the fields.</summary>
    public void WriteTo(CodedOutputStream output, Stream stream)
    {
        foreach (var field in _fields)
        {
            field(output, stream);
        }
    }

    private ProtobufMessage Bytes(int field, long length, Action<CodedOutputStream, Stream> write)
    {
        // what is too long for protobuf is refused before anything is written, by the size of the whole
        Size += Tag(field) + CodedOutputStream.ComputeLengthSize((int)Math.Min(length, int.MaxValue)) + length;
        _fields.Add(
            (output, stream) =>
            {
                output.WriteTag(field, WireFormat.WireType.LengthDelimited);
                output.WriteLength((int)length);
                write(output, stream);
            }
        );
        return this;
    }

    private static int Tag(int field) => CodedOutputStream.ComputeTagSize(field);
}
