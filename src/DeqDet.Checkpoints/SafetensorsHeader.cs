using System.Text.Json;
using System.Text.Unicode;

namespace DeqDet.Checkpoints;

/// <summary>One entry of a safetensors header: a tensor, and its bytes counted from the end of the header.</summary>
public sealed record SafetensorsEntry(string Name, ElementType Type, long[] Shape, long Begin, long End);

/// <summary>
/// The JSON header of a safetensors file, read strictly: a UTF-8 object whose keys occur once, each tensor with exactly
/// dtype, shape and data_offsets, sizes that agree, and data that follow each other without gap or overlap to the end of
/// the file. Format: https://github.com/huggingface/safetensors#format.
/// </summary>
public sealed record SafetensorsHeader(
    IReadOnlyList<SafetensorsEntry> Entries,
    IReadOnlyDictionary<string, string> Metadata
)
{
    /// <summary>The format's own limit, which bounds what parsing can cost.</summary>
    public const int MaxBytes = 100_000_000;

    /// <summary>Far above any model; bounds the memory that a header of tiny entries can take.</summary>
    private const int MaxEntries = 100_000;

    /// <summary>Characters of names and metadata together, for the same reason.</summary>
    private const int MaxTextLength = 8_000_000;

    private const string MetadataKey = "__metadata__";

    /// <summary>Parses and checks a header.</summary>
    /// <param name="path">The file, for messages.</param>
    /// <param name="json">The header's bytes.</param>
    /// <param name="dataLength">Bytes in the file after the header.</param>
    /// <exception cref="CheckpointError">Anything is not as the format wants it.</exception>
    public static SafetensorsHeader Parse(string path, ReadOnlySpan<byte> json, long dataLength)
    {
        if (json.IsEmpty || json[0] != (byte)'{')
        {
            throw new CheckpointError(path, "the safetensors header does not start with '{'");
        }
        if (!Utf8.IsValid(json))
        {
            throw new CheckpointError(path, "the safetensors header is not valid UTF-8");
        }
        var parser = new Parser(path);
        try
        {
            parser.Read(json);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            // InvalidOperationException: a string with an escaped lone surrogate.
            throw new CheckpointError(path, $"the safetensors header is not valid JSON: {e.Message}", e);
        }
        CheckLayout(path, parser.Entries, dataLength);
        return new SafetensorsHeader(parser.Entries, parser.Metadata);
    }

    private static void CheckLayout(string path, List<SafetensorsEntry> entries, long dataLength)
    {
        var ordered = new List<SafetensorsEntry>(entries);
        ordered.Sort((a, b) => a.Begin != b.Begin ? a.Begin.CompareTo(b.Begin) : a.End.CompareTo(b.End));
        long end = 0;
        foreach (var entry in ordered)
        {
            if (entry.Begin != end)
            {
                var what = entry.Begin > end ? "leaves a gap after" : "overlaps";
                throw new CheckpointError(
                    path,
                    $"tensor '{entry.Name}' starts at byte {entry.Begin}, which {what} the data that end at byte {end}"
                );
            }
            end = entry.End;
        }
        if (end != dataLength)
        {
            var what = end > dataLength ? "the file is truncated" : "the file has bytes that belong to no tensor";
            throw new CheckpointError(
                path,
                $"the header describes {end} bytes of data, the file holds {dataLength}: {what}"
            );
        }
    }

    private sealed class Parser(string path)
    {
        private readonly HashSet<string> _keys = [];
        private long _text;

        public List<SafetensorsEntry> Entries { get; } = [];
        public Dictionary<string, string> Metadata { get; } = [];

        public void Read(ReadOnlySpan<byte> json)
        {
            var reader = new Utf8JsonReader(json, new JsonReaderOptions { MaxDepth = 3 });
            reader.Read();
            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            {
                var key = Text(ref reader);
                if (!_keys.Add(key))
                {
                    throw Wrong($"the key '{key}' occurs twice");
                }
                reader.Read();
                if (reader.TokenType != JsonTokenType.StartObject)
                {
                    throw Wrong($"the value of '{key}' is not an object");
                }
                if (key == MetadataKey)
                {
                    ReadMetadata(ref reader);
                }
                else
                {
                    Entries.Add(ReadEntry(ref reader, key));
                    if (Entries.Count > MaxEntries)
                    {
                        throw Wrong($"it lists more than {MaxEntries} tensors");
                    }
                }
            }
            // Also complains about anything but white space after the object.
            while (reader.Read()) { }
        }

        private void ReadMetadata(ref Utf8JsonReader reader)
        {
            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            {
                var key = Text(ref reader);
                reader.Read();
                if (reader.TokenType != JsonTokenType.String)
                {
                    throw Wrong($"{MetadataKey} '{key}' is not a string");
                }
                if (!Metadata.TryAdd(key, Text(ref reader)))
                {
                    throw Wrong($"{MetadataKey} has the key '{key}' twice");
                }
            }
        }

        private SafetensorsEntry ReadEntry(ref Utf8JsonReader reader, string name)
        {
            string? dtype = null;
            List<long>? shape = null;
            List<long>? offsets = null;
            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            {
                var key = Text(ref reader);
                reader.Read();
                var repeated = key switch
                {
                    "dtype" => dtype is not null,
                    "shape" => shape is not null,
                    "data_offsets" => offsets is not null,
                    _ => throw Wrong($"tensor '{name}' has the unknown key '{key}'"),
                };
                if (repeated)
                {
                    throw Wrong($"tensor '{name}' has the key '{key}' twice");
                }
                switch (key)
                {
                    case "dtype":
                        dtype = reader.TokenType == JsonTokenType.String ? Text(ref reader) : "";
                        break;
                    case "shape":
                        shape = Numbers(ref reader, name, key, TensorShape.MaxDimensions);
                        break;
                    default:
                        offsets = Numbers(ref reader, name, key, 2);
                        break;
                }
            }
            if (dtype is null || shape is null || offsets is not { Count: 2 })
            {
                throw Wrong($"tensor '{name}' needs dtype, shape and two data_offsets");
            }
            if (!ElementTypes.TryParse(dtype, out var type))
            {
                throw Wrong(
                    $"tensor '{name}' has the dtype '{dtype}', which is not supported; supported: {ElementTypes.AllNames}"
                );
            }
            var dimensions = shape.ToArray();
            if (!TensorShape.TryMeasure(dimensions, type, out _, out var bytes))
            {
                throw Wrong($"tensor '{name}' has the impossible shape {TensorShape.Text(dimensions)}");
            }
            var (begin, end) = (offsets[0], offsets[1]);
            if (end < begin || end - begin != bytes)
            {
                throw Wrong(
                    $"tensor '{name}' has data_offsets [{begin}, {end}], but {dtype} {TensorShape.Text(dimensions)} takes {bytes} bytes"
                );
            }
            return new SafetensorsEntry(name, type, dimensions, begin, end);
        }

        private List<long> Numbers(ref Utf8JsonReader reader, string name, string key, int most)
        {
            var numbers = new List<long>();
            if (reader.TokenType != JsonTokenType.StartArray)
            {
                throw Wrong($"{key} of tensor '{name}' is not a list");
            }
            while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
            {
                if (reader.TokenType != JsonTokenType.Number || !reader.TryGetInt64(out var number) || number < 0)
                {
                    throw Wrong(
                        $"{key} of tensor '{name}' holds something other than whole numbers from 0 to 2^63 - 1"
                    );
                }
                if (numbers.Count == most)
                {
                    throw Wrong($"{key} of tensor '{name}' has more than {most} numbers");
                }
                numbers.Add(number);
            }
            return numbers;
        }

        private string Text(ref Utf8JsonReader reader)
        {
            _text += reader.ValueSpan.Length;
            if (_text > MaxTextLength)
            {
                throw Wrong($"its names and metadata are longer than {MaxTextLength} characters");
            }
            return reader.GetString()!;
        }

        private CheckpointError Wrong(string problem) => new(path, $"bad safetensors header: {problem}");
    }
}
