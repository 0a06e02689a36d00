using System.Buffers;
using System.IO.Compression;
using System.Text.Json;
using System.Text.Unicode;

namespace DeqDet.Coco;

/// <summary>
/// Walks a JSON file of any size through one pooled buffer, plain or gzip-compressed (recognised by its first bytes, not by its name).
/// Every failure is an <see cref="InputError"/> that names the file, the record and the place.
/// </summary>
public sealed class JsonRecordStream : IDisposable
{
    /// <summary>Consumes tokens; false when the reader ran out of bytes, after which it is called again from where it started.</summary>
    public delegate bool Parser(ref Utf8JsonReader reader);

    private const int InitialBuffer = 256 * 1024;
    private const int LargestRecord = 64 * 1024 * 1024;
    private const int MaxDepth = 64;

    private readonly string path;
    private readonly Stream stream;
    private byte[] buffer = ArrayPool<byte>.Shared.Rent(InitialBuffer);
    private int start;
    private int end;
    private int validated;
    private bool final;
    private JsonReaderState state = new(new JsonReaderOptions { MaxDepth = MaxDepth });

    /// <summary>Opens a file. Raises <see cref="InputError"/> when it cannot be opened or is not UTF-8 JSON text.</summary>
    public JsonRecordStream(string path)
    {
        this.path = path;
        try
        {
            stream = Open(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            ArrayPool<byte>.Shared.Return(buffer);
            throw new InputError(
                File.Exists(path) ? $"{path}: cannot be read: {e.Message}"
                : Directory.Exists(path) ? $"{path}: is a folder; name a JSON file (plain or .gz)"
                : $"{path}: no such file"
            );
        }
        try
        {
            Refill();
            SkipByteOrderMark();
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>List being read, for messages; empty outside of lists.</summary>
    public string Section { get; set; } = "";

    /// <summary>Position (from 0) of the record being read in its list, for messages.</summary>
    public int Record { get; set; }

    /// <summary>Place of the current record, as in <c>annotations[17]</c>.</summary>
    public string Place => Section.Length == 0 ? "" : $"{Section}[{Record}]";

    /// <summary>Runs a parser on the next tokens, with more bytes as often as it asks for them.</summary>
    public void Parse(Parser parser)
    {
        while (true)
        {
            var reader = new Utf8JsonReader(buffer.AsSpan(start, end - start), final, state);
            bool done;
            try
            {
                done = parser(ref reader);
            }
            catch (JsonException e)
            {
                throw Malformed(e, ref reader);
            }
            if (done)
            {
                start += (int)reader.BytesConsumed;
                state = reader.CurrentState;
                return;
            }
            if (final)
            {
                throw Truncated();
            }
            Refill();
        }
    }

    /// <summary>Reads one token; returns its type.</summary>
    public JsonTokenType Next()
    {
        var type = JsonTokenType.None;
        Parse(
            (ref Utf8JsonReader reader) =>
            {
                var read = reader.Read();
                type = reader.TokenType;
                return read;
            }
        );
        return type;
    }

    /// <summary>Skips the value that follows a property name, however long it is.</summary>
    public void SkipValue()
    {
        var depth = -1;
        var finished = false;
        while (!finished)
        {
            Parse(
                (ref Utf8JsonReader reader) =>
                {
                    var any = false;
                    while (!finished && reader.Read())
                    {
                        any = true;
                        depth = depth < 0 ? reader.CurrentDepth : depth;
                        finished =
                            reader.CurrentDepth == depth
                            && reader.TokenType
                                is not (
                                    JsonTokenType.StartObject
                                    or JsonTokenType.StartArray
                                    or JsonTokenType.PropertyName
                                );
                    }
                    return any;
                }
            );
        }
    }

    /// <summary>Checks that nothing follows the value read last.</summary>
    public void ExpectEnd() =>
        Parse(
            (ref Utf8JsonReader reader) =>
            {
                // With all bytes at hand Read is false only at the clean end, and raises otherwise.
                return !reader.Read() && reader.IsFinalBlock;
            }
        );

    /// <summary>An error about the current place of this file.</summary>
    public InputError Error(string message) =>
        new(Section.Length == 0 ? $"{path}: {message}" : $"{path}: {Place}: {message}");

    /// <inheritdoc/>
    public void Dispose()
    {
        stream.Dispose();
        if (buffer.Length > 0)
        {
            ArrayPool<byte>.Shared.Return(buffer);
            buffer = [];
        }
    }

    private static Stream Open(string path)
    {
        var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, 1, FileOptions.SequentialScan);
        Span<byte> magic = stackalloc byte[2];
        var read = file.ReadAtLeast(magic, 2, throwOnEndOfStream: false);
        file.Position = 0;
        return read == 2 && magic[0] == 0x1F && magic[1] == 0x8B
            ? new GZipStream(file, CompressionMode.Decompress)
            : file;
    }

    private void Refill()
    {
        var left = end - start;
        if (start > 0)
        {
            Buffer.BlockCopy(buffer, start, buffer, 0, left);
            validated -= start;
            start = 0;
            end = left;
        }
        if (end == buffer.Length)
        {
            Grow();
        }
        try
        {
            end += stream.ReadAtLeast(buffer.AsSpan(end), buffer.Length - end, throwOnEndOfStream: false);
            final = end < buffer.Length;
        }
        catch (Exception e) when (e is IOException or InvalidDataException)
        {
            throw Error(
                stream is GZipStream
                    ? $"is damaged or ends too early (gzip): {e.Message}"
                    : $"cannot be read: {e.Message}"
            );
        }
        Validate();
    }

    private void Grow()
    {
        if (buffer.Length >= LargestRecord)
        {
            throw Error($"is longer than {LargestRecord >> 20} MiB; no record of a COCO file is");
        }
        var larger = ArrayPool<byte>.Shared.Rent(buffer.Length * 2);
        Buffer.BlockCopy(buffer, 0, larger, 0, end);
        ArrayPool<byte>.Shared.Return(buffer);
        buffer = larger;
    }

    // Utf8JsonReader looks at the encoding of strings only when they are fetched; skipped ones would pass unseen.
    private void Validate()
    {
        var fresh = buffer.AsSpan(validated, end - validated);
        var whole = final ? fresh.Length : WholeCharacters(fresh);
        if (!Utf8.IsValid(fresh[..whole]))
        {
            throw Error(
                fresh is [0xFF, 0xFE, ..] or [0xFE, 0xFF, ..]
                    ? "is UTF-16 text; save it as UTF-8"
                    : "holds bytes that are not UTF-8 text; save it as UTF-8"
            );
        }
        validated += whole;
    }

    private static int WholeCharacters(ReadOnlySpan<byte> bytes)
    {
        for (var back = 1; back <= Math.Min(3, bytes.Length); back++)
        {
            var lead = bytes[^back];
            if ((lead & 0xC0) != 0x80)
            {
                var length =
                    lead >= 0xF0 ? 4
                    : lead >= 0xE0 ? 3
                    : lead >= 0xC0 ? 2
                    : 1;
                return length > back ? bytes.Length - back : bytes.Length;
            }
        }
        return bytes.Length;
    }

    private void SkipByteOrderMark()
    {
        if (buffer.AsSpan(start, end - start).StartsWith("\uFEFF"u8))
        {
            start += 3;
        }
        if (final && buffer.AsSpan(start, end - start).IndexOfAnyExcept(" \t\r\n"u8) < 0)
        {
            throw Error("is empty");
        }
    }

    private InputError Truncated() => Error("ends in the middle of a value; the file is truncated");

    private InputError Malformed(JsonException e, ref Utf8JsonReader reader)
    {
        var rest = buffer.AsSpan(start, end - start)[(int)reader.BytesConsumed..].TrimStart(" \t\r\n:,"u8);
        if (final && (rest.IsEmpty || OpenString(rest)))
        {
            return Truncated();
        }
        var reason =
            reader.CurrentDepth >= MaxDepth - 1 ? $"nested deeper than {MaxDepth} levels" : JsonFault.Describe(rest);
        return Error($"line {e.LineNumber + 1}, byte {e.BytePositionInLine + 1}: {reason}");
    }

    private static bool OpenString(ReadOnlySpan<byte> rest) => rest[0] == '"' && rest[1..].IndexOf((byte)'"') < 0;
}
