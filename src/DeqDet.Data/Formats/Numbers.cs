using System.Globalization;

namespace DeqDet.Data.Formats;

/// <summary>Numbers as label files write them.</summary>
internal static class Numbers
{
    /// <summary>A finite number with a decimal point; null for anything else.</summary>
    public static double? Of(string? text) =>
        double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var number)
        && double.IsFinite(number)
            ? number
            : null;

    /// <summary>What is wrong with a text that is no number, to follow its name.</summary>
    public static string Fault(string? text) =>
        string.IsNullOrWhiteSpace(text) ? "is missing"
        : Of(text.Replace(',', '.')) is not null ? $"is \"{Shown(text)}\", with a decimal comma; write a point"
        : $"is \"{Shown(text)}\", which is no finite number";

    /// <summary>A size in whole px, 0 where there is none that can be used.</summary>
    public static int Size(string? text) => Of(text) is { } number and >= 1 and <= int.MaxValue ? (int)number : 0;

    /// <summary>A text of a file as messages show it: on one line, and not too long.</summary>
    public static string Shown(string text)
    {
        var shown = text.Length > 40 ? text[..40] + "..." : text;
        return string.Concat(shown.Select(c => char.IsControl(c) ? '?' : c));
    }
}
