using System.Text.Json;

namespace DeqDet.Data.Formats;

/// <summary>JSON as labelling tools write it.</summary>
internal static class LabelJson
{
    // Of the start of a file: pictures that are embedded come late, or after what is looked for.
    private const int Start = 1 << 16;
    private const int MostPoints = 1_000_000;

    /// <summary>
    /// Whether a file begins as JSON whose first object at a depth (1: the file itself, 2: in a list) has one of these keys. Only its start is read.
    /// </summary>
    public static bool HasKey(string path, int depth, params ReadOnlySpan<string> keys) =>
        Look(path, depth, keys) == Looked.Found;

    /// <summary>Whether a file is JSON that cannot have these keys: a list, or a short object without them.</summary>
    public static bool LacksKeys(string path, params ReadOnlySpan<string> keys) => Look(path, 1, keys) == Looked.Absent;

    private enum Looked
    {
        // no JSON of this form, or too long to say
        Unknown,
        Found,
        Absent,
    }

    private static Looked Look(string path, int depth, ReadOnlySpan<string> keys)
    {
        try
        {
            using var file = File.OpenRead(path);
            var bytes = new byte[Start];
            var length = file.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false);
            ReadOnlySpan<byte> text = bytes.AsSpan(0, length);
            text = text.StartsWith<byte>([0xEF, 0xBB, 0xBF]) ? text[3..] : text;
            var reader = new Utf8JsonReader(text, isFinalBlock: length < bytes.Length, default);
            var outer = depth == 1 ? JsonTokenType.StartObject : JsonTokenType.StartArray;
            if (!reader.Read())
            {
                return Looked.Unknown;
            }

            if (reader.TokenType != outer)
            {
                return Looked.Absent;
            }

            while (reader.Read())
            {
                if ((reader.TokenType, reader.CurrentDepth) == (JsonTokenType.EndObject, depth - 1))
                {
                    return Looked.Absent;
                }

                if (reader.TokenType == JsonTokenType.PropertyName && reader.CurrentDepth == depth)
                {
                    foreach (var key in keys)
                    {
                        if (IsNamed(ref reader, key))
                        {
                            return Looked.Found;
                        }
                    }
                }
            }
        }
        catch (Exception error) when (error is JsonException or IOException or UnauthorizedAccessException)
        {
            // not one of these
        }

        return Looked.Unknown;
    }

    private static bool IsNamed(ref Utf8JsonReader reader, string key)
    {
        try
        {
            return reader.ValueTextEquals(key);
        }
        catch (InvalidOperationException)
        {
            return false; // a name that holds half a surrogate pair is none of ours; whoever reads the file says so
        }
    }

    /// <summary>A finite number; null for anything else.</summary>
    public static double? Number(JsonElement value) =>
        value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out var number) && double.IsFinite(number)
            ? number
            : null;

    /// <summary>A member that is a finite number; null where there is none.</summary>
    public static double? Number(JsonElement element, string name) =>
        element.TryGetProperty(name, out var value) ? Number(value) : null;

    /// <summary>A member that is a text; null where there is none.</summary>
    public static string? Text(JsonElement element, string name) =>
        element.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String
            ? value.GetString()
            : null;

    /// <summary>A member that is a list; null where there is none.</summary>
    public static List<JsonElement>? List(JsonElement element, string name) =>
        element.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.Array
            ? [.. value.EnumerateArray()]
            : null;

    /// <summary>A list of [x, y], all finite numbers; null for anything else, and for a list that is beyond all reason.</summary>
    public static List<(double X, double Y)>? Points(JsonElement list)
    {
        if (list.ValueKind != JsonValueKind.Array || list.GetArrayLength() > MostPoints)
        {
            return null;
        }

        var points = new List<(double, double)>();
        foreach (var point in list.EnumerateArray())
        {
            if (
                point.ValueKind != JsonValueKind.Array
                || point.GetArrayLength() != 2
                || Number(point[0]) is not { } x
                || Number(point[1]) is not { } y
            )
            {
                return null;
            }

            points.Add((x, y));
        }

        return points;
    }
}
