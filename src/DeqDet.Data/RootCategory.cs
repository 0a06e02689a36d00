using System.IO.Compression;
using System.Text.Json;
using DeqDet.Coco;

namespace DeqDet.Data;

/// <summary>
/// The class that Roboflow puts before all others: it has the id 0 and no boxes, and is only the group, the "supercategory", of every other
/// class. A detector has nothing to learn from it.
/// </summary>
internal static class RootCategory
{
    /// <summary>The data set without that class; itself where it has none.</summary>
    public static CocoDataset LeaveOut(CocoDataset data, IAnnotationSource source) =>
        data.Images.Any(image => image.Boxes.Any(box => box.Label == 0)) || !IsRoot(data.Categories[0].Id, source)
            ? data
            : data with
            {
                Categories = [.. data.Categories.Skip(1)],
                Images =
                [
                    .. data.Images.Select(image =>
                        image with
                        {
                            Boxes = [.. image.Boxes.Select(box => box with { Label = box.Label - 1 })],
                        }
                    ),
                ],
            };

    /// <summary>Whether a class without boxes is the root of all others of its file.</summary>
    public static bool IsRoot(CocoId id, IAnnotationSource source)
    {
        if (id != 0 || source is not CocoFile { Path: var annotationFile })
        {
            return false;
        }

        try
        {
            var categories = Categories(annotationFile);
            var name = categories.First(category => category.Id == id).Name;
            var others = categories.Where(category => category.Id != id).ToList();
            return others.Count > 0 && others.All(category => category.Group == name);
        }
        catch (Exception error)
            when (error
                    is JsonException
                        or InvalidOperationException
                        or KeyNotFoundException
                        or FormatException
                        or InvalidDataException
                        or IOException
            )
        {
            return false; // a list that its reader has found faults with
        }
    }

    // Read only where there is a class 0 without boxes, which is seldom.
    private static List<(CocoId Id, string? Name, string? Group)> Categories(string file)
    {
        using var plain = File.OpenRead(file);
        using Stream stream = file.EndsWith(".gz", StringComparison.OrdinalIgnoreCase)
            ? new GZipStream(plain, CompressionMode.Decompress)
            : plain;
        using var bytes = new MemoryStream();
        stream.CopyTo(bytes);
        ReadOnlySpan<byte> text = bytes.GetBuffer().AsSpan(0, (int)bytes.Length);
        ReadOnlySpan<byte> mark = [0xEF, 0xBB, 0xBF];
        var reader = new Utf8JsonReader(text.StartsWith(mark) ? text[mark.Length..] : text);
        reader.Read();
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var isWanted = reader.ValueTextEquals("categories"u8);
            reader.Read();
            if (isWanted)
            {
                return
                [
                    .. JsonElement
                        .ParseValue(ref reader)
                        .EnumerateArray()
                        .Select(category =>
                            (
                                CocoId.Of(category.GetProperty("id")),
                                Text(category, "name"),
                                Text(category, "supercategory")
                            )
                        ),
                ];
            }

            reader.Skip();
        }

        return [];
    }

    private static string? Text(JsonElement category, string field) =>
        category.TryGetProperty(field, out var value) && value.ValueKind == JsonValueKind.String
            ? value.GetString()
            : null;
}
