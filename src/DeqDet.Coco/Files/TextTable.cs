using System.Text.Json;

namespace DeqDet.Coco;

/// <summary>Interns the texts of a file, one string for all equal ones: an image's id is repeated in each of its boxes.</summary>
internal sealed class TextTable
{
    private const int OnStack = 256;

    private readonly HashSet<string> texts = new(StringComparer.Ordinal);

    /// <summary>The text under the reader. Raises InvalidOperationException for half a surrogate pair, as the reader does.</summary>
    public string Read(ref Utf8JsonReader reader)
    {
        // A text has at most as many UTF-16 units as UTF-8 bytes.
        var most = reader.ValueSpan.Length;
        Span<char> buffer = most <= OnStack ? stackalloc char[OnStack] : new char[most];
        var text = buffer[..reader.CopyString(buffer)];
        var known = texts.GetAlternateLookup<ReadOnlySpan<char>>();
        if (!known.TryGetValue(text, out var one))
        {
            one = text.ToString();
            texts.Add(one);
        }

        return one;
    }
}
