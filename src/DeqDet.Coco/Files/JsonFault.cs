using System.Text;

namespace DeqDet.Coco;

/// <summary>Says in words what is wrong with text that is not JSON.</summary>
internal static class JsonFault
{
    private const int LongestShown = 16;

    private static readonly string[] NotNumbers =
    [
        "NaN",
        "nan",
        "Infinity",
        "-Infinity",
        "inf",
        "-inf",
        "+",
        "None",
        "True",
        "False",
    ];

    /// <summary>What is wrong at the beginning of the text that could not be read.</summary>
    public static string Describe(ReadOnlySpan<byte> rest)
    {
        var shown = Shown(rest);
        return NotNumbers.Any(word => shown.StartsWith(word, StringComparison.Ordinal))
                ? $"'{shown}' is no JSON value; numbers have to be finite decimal numbers"
            : rest is [(byte)'\'', ..] ? "strings need double quotes"
            : rest is [(byte)']' or (byte)'}', ..] ? "a value is missing or a comma is left over"
            : rest.IsEmpty ? "not JSON"
            : $"not JSON near '{shown}'";
    }

    private static string Shown(ReadOnlySpan<byte> rest)
    {
        var start = rest[..Math.Min(rest.Length, LongestShown)];
        var length = start.IndexOfAny(" \t\r\n,]}"u8);
        var text = Encoding.UTF8.GetString(length > 0 ? start[..length] : start);
        return string.Concat(text.Select(c => char.IsControl(c) ? '?' : c));
    }
}
