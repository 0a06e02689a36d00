using System.Text;
using Google.Protobuf;

namespace DeqDet.Checkpoints.Onnx;

/// <summary>One field of a protobuf message.</summary>
/// <param name="Number">Its number in the message's description.</param>
/// <param name="Type">How it is written.</param>
/// <param name="Value">Its bits, where it is a number.</param>
/// <param name="Start">Where its bytes begin in the file, where it has a length: a text, a message or packed numbers.</param>
/// <param name="Length">How many there are.</param>
internal readonly record struct ProtobufField(int Number, WireFormat.WireType Type, ulong Value, long Start, int Length)
{
    /// <summary>Whether it has a length: a text, a message or packed numbers.</summary>
    public bool HasBytes => Type == WireFormat.WireType.LengthDelimited;
}

/// <summary>
/// The fields of messages in a mapped file, one after the other, without a description and without copying what they hold: large ones stay
/// where they are.
/// </summary>
internal sealed class ProtobufFields(MappedFile file)
{
    /// <summary>Fields in all: far above what models have, and it bounds the time that a file of tiny fields can take.</summary>
    private const int MaxFields = 4_000_000;

    /// <summary>Characters of all texts together.</summary>
    private const long MaxText = 8_000_000;

    // protobuf itself allows no larger message
    private const long MaxBytes = int.MaxValue;

    private const int MaxPrefix = 10;

    // where a copy is smaller than the buffer that reading without one would take
    private const int CopiedBytes = 4096;

    private static readonly UTF8Encoding Strict = new(false, throwOnInvalidBytes: true);

    private int _fields;
    private long _text;

    /// <summary>The fields of the whole file.</summary>
    /// <exception cref="CheckpointError">While they are listed: it is larger than protobuf allows, or no message.</exception>
    public IEnumerable<ProtobufField> OfFile() =>
        file.Length > MaxBytes
            ? throw new CheckpointError(
                file.Path,
                $"has {file.Length} bytes, more than an ONNX file can have ({MaxBytes})"
            )
            : Between(0, file.Length);

    /// <summary>The fields of a message that is a field itself.</summary>
    /// <exception cref="CheckpointError">While they are listed: it is no message.</exception>
    public IEnumerable<ProtobufField> Of(ProtobufField message) =>
        message.HasBytes ? Between(message.Start, message.Length) : throw Damaged(message, "a message");

    /// <summary>A text.</summary>
    /// <exception cref="CheckpointError">It is none, or not UTF-8.</exception>
    public string Text(ProtobufField field)
    {
        if (!field.HasBytes)
        {
            throw Damaged(field, "a text");
        }
        _text += field.Length;
        if (_text > MaxText)
        {
            throw new CheckpointError(file.Path, $"holds more than {MaxText} characters of names");
        }
        try
        {
            return Strict.GetString(file.Slice(field.Start, field.Length));
        }
        catch (DecoderFallbackException e)
        {
            throw new CheckpointError(file.Path, $"holds a name at byte {field.Start} that is not UTF-8", e);
        }
    }

    /// <summary>Whole numbers, one or packed.</summary>
    /// <exception cref="CheckpointError">There are none.</exception>
    public IEnumerable<long> Integers(ProtobufField field)
    {
        if (field.Type == WireFormat.WireType.Varint)
        {
            yield return (long)field.Value;
            yield break;
        }
        if (!field.HasBytes)
        {
            throw Damaged(field, "whole numbers");
        }
        using var input = Open(field.Start, field.Length);
        while (!Read(input, input => input.IsAtEnd))
        {
            Count();
            yield return Read(input, input => input.ReadInt64());
        }
    }

    /// <summary>What is wrong with a field that is not what its number says.</summary>
    public CheckpointError Damaged(ProtobufField field, string expected) =>
        new(file.Path, $"is damaged, or no ONNX file: field {field.Number} of a message is not {expected}");

    private IEnumerable<ProtobufField> Between(long start, long length)
    {
        using var input = Open(start, length);
        while (Read(input, input => Next(input, start)) is { } field)
        {
            yield return field;
        }
    }

    private CodedInputStream Open(long start, long length) =>
        length <= CopiedBytes
            ? new CodedInputStream(file.Slice(start, (int)length).ToArray())
            : new CodedInputStream(file.OpenStream(start, length), leaveOpen: false);

    private ProtobufField? Next(CodedInputStream input, long origin)
    {
        var tag = input.ReadTag();
        if (tag == 0)
        {
            return null;
        }
        Count();
        var (number, type) = (WireFormat.GetTagFieldNumber(tag), WireFormat.GetTagWireType(tag));
        switch (type)
        {
            case WireFormat.WireType.Varint:
                return new(number, type, input.ReadUInt64(), 0, 0);
            case WireFormat.WireType.Fixed32:
                return new(number, type, input.ReadFixed32(), 0, 0);
            case WireFormat.WireType.Fixed64:
                return new(number, type, input.ReadFixed64(), 0, 0);
            case WireFormat.WireType.LengthDelimited:
                // skipped by the reader, which knows where it ends; its length is read once more to know where it begins
                var from = origin + input.Position;
                input.SkipLastField();
                var end = origin + input.Position;
                using (
                    var prefix = new CodedInputStream(file.Slice(from, (int)Math.Min(MaxPrefix, end - from)).ToArray())
                )
                {
                    var length = prefix.ReadLength();
                    return new(number, type, 0, end - length, length);
                }
            default:
                throw new CheckpointError(file.Path, "is damaged, or no ONNX file: it holds a protobuf group");
        }
    }

    private void Count()
    {
        if (++_fields > MaxFields)
        {
            throw new CheckpointError(file.Path, $"holds more than {MaxFields} fields");
        }
    }

    private T Read<T>(CodedInputStream input, Func<CodedInputStream, T> read)
    {
        try
        {
            return read(input);
        }
        catch (InvalidProtocolBufferException e)
        {
            throw new CheckpointError(file.Path, $"is damaged, truncated or no ONNX file: {e.Message}", e);
        }
    }
}
