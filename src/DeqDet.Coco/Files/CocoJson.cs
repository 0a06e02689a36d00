using System.Text.Json;

namespace DeqDet.Coco;

/// <summary>
/// Reads COCO annotation files and results lists record by record, in constant memory, plain or gzip-compressed.
/// What makes the file unreadable (not JSON, not UTF-8, truncated, a list missing) raises <see cref="InputError"/>;
/// what is wrong with a single record is handed to the visitor in its <c>Problem</c>, who decides.
/// </summary>
public static class CocoJson
{
    private const CocoFields RequiredOfImages = CocoFields.Id;

    private const CocoFields OthersOfImages = CocoFields.Width | CocoFields.Height | CocoFields.FileName;

    private const CocoFields RequiredOfAnnotations =
        CocoFields.Id | CocoFields.ImageId | CocoFields.CategoryId | CocoFields.Box;

    private const CocoFields RequiredOfDetections =
        CocoFields.ImageId | CocoFields.CategoryId | CocoFields.Box | CocoFields.Score;

    /// <summary>
    /// Reads <c>images</c>, <c>categories</c> and <c>annotations</c> of an annotation file; everything else is skipped.
    /// </summary>
    /// <param name="path">The file.</param>
    /// <param name="visitor">Receives the records.</param>
    /// <param name="annotationsOptional">Whether the list of annotations may be missing.</param>
    /// <returns>Whether the file has a list of annotations.</returns>
    public static bool ReadAnnotations(string path, ICocoVisitor visitor, bool annotationsOptional = false)
    {
        using var stream = new JsonRecordStream(path);
        if (stream.Next() != JsonTokenType.StartObject)
        {
            throw stream.Error(
                "is not a JSON object with \"images\", \"annotations\" and \"categories\""
                    + "; a bare list is a results file, which belongs in the place of the detections"
            );
        }
        var seen = new HashSet<string>();
        var texts = new TextTable();
        while (NextProperty(stream) is { } name)
        {
            if (name is not ("images" or "annotations" or "categories"))
            {
                stream.SkipValue();
                continue;
            }
            if (!seen.Add(name))
            {
                throw stream.Error($"has \"{name}\" twice; merge the two lists");
            }
            if (stream.Next() != JsonTokenType.StartArray)
            {
                throw stream.Error($"\"{name}\" has to be a list");
            }
            switch (name)
            {
                case "images":
                    ReadImages(stream, visitor, texts);
                    break;
                case "categories":
                    ReadCategories(stream, visitor, texts);
                    break;
                default:
                    ReadAnnotations(stream, visitor, texts);
                    break;
            }
        }
        stream.ExpectEnd();
        foreach (var name in (ReadOnlySpan<string>)["images", "annotations", "categories"])
        {
            if (!seen.Contains(name) && !(annotationsOptional && name == "annotations"))
            {
                throw stream.Error(
                    $"has no \"{name}\" list; a COCO annotation file needs images, annotations and categories"
                );
            }
        }
        return seen.Contains("annotations");
    }

    /// <summary>Reads a results list: <c>[{"image_id", "category_id", "bbox", "score"}, ...]</c>.</summary>
    public static void ReadDetections(string path, ICocoDetectionVisitor visitor)
    {
        using var stream = new JsonRecordStream(path);
        if (stream.Next() != JsonTokenType.StartArray)
        {
            throw stream.Error(
                "is not a JSON list of detections [{\"image_id\", \"category_id\", \"bbox\", \"score\"}, ...]"
                    + "; an object is an annotation file, which belongs in the place of the ground truth"
            );
        }
        stream.Section = "detections";
        var parser = new CocoRecordParser(RequiredOfDetections, CocoFields.None, new TextTable());
        JsonRecordStream.Parser read = parser.TryRead;
        while (Advance(stream, parser, read))
        {
            visitor.Visit(
                new CocoDetection(
                    stream.Record++,
                    parser.ImageId,
                    parser.CategoryId,
                    parser.X,
                    parser.Y,
                    parser.BoxWidth,
                    parser.BoxHeight,
                    parser.Score,
                    parser.Problem
                )
            );
        }
        stream.Section = "";
        stream.ExpectEnd();
    }

    private static void ReadImages(JsonRecordStream stream, ICocoVisitor visitor, TextTable texts)
    {
        stream.Section = "images";
        stream.Record = 0;
        var parser = new CocoRecordParser(RequiredOfImages, OthersOfImages | CocoFields.Url, texts);
        JsonRecordStream.Parser read = parser.TryRead;
        while (Advance(stream, parser, read))
        {
            var isNamed = (parser.Seen & CocoFields.FileName) != 0;
            var name = isNamed ? parser.FileName : parser.FileOfUrl();
            var needed = name.Length > 0 ? OthersOfImages & ~CocoFields.FileName : OthersOfImages;
            visitor.Visit(
                new CocoImage(
                    stream.Record++,
                    parser.Id,
                    parser.Width,
                    parser.Height,
                    name,
                    parser.Problem,
                    parser.Unusable ?? parser.Missing(needed)
                )
            );
        }
        stream.Section = "";
    }

    private static void ReadCategories(JsonRecordStream stream, ICocoVisitor visitor, TextTable texts)
    {
        stream.Section = "categories";
        stream.Record = 0;
        var parser = new CocoRecordParser(CocoFields.Id, CocoFields.Name, texts);
        JsonRecordStream.Parser read = parser.TryRead;
        while (Advance(stream, parser, read))
        {
            var name = parser.Name.Length > 0 ? parser.Name : parser.Id.Text;
            visitor.Visit(new CocoCategory(stream.Record++, parser.Id, name, parser.Problem ?? parser.Unusable));
        }
        stream.Section = "";
    }

    private static void ReadAnnotations(JsonRecordStream stream, ICocoVisitor visitor, TextTable texts)
    {
        stream.Section = "annotations";
        stream.Record = 0;
        var parser = new CocoRecordParser(
            RequiredOfAnnotations,
            CocoFields.Area | CocoFields.Crowd | CocoFields.Ignore,
            texts
        );
        JsonRecordStream.Parser read = parser.TryRead;
        while (Advance(stream, parser, read))
        {
            visitor.Visit(
                new CocoAnnotation(
                    stream.Record++,
                    parser.Id,
                    parser.ImageId,
                    parser.CategoryId,
                    parser.X,
                    parser.Y,
                    parser.BoxWidth,
                    parser.BoxHeight,
                    (parser.Seen & CocoFields.Area) == 0 ? null : parser.Area,
                    parser.IsCrowd,
                    parser.IsIgnored,
                    parser.Problem ?? parser.Unusable
                )
            );
        }
        stream.Section = "";
    }

    private static bool Advance(JsonRecordStream stream, CocoRecordParser parser, JsonRecordStream.Parser read)
    {
        stream.Parse(read);
        return !parser.AtEnd;
    }

    private static string Text(JsonRecordStream stream, ref Utf8JsonReader reader)
    {
        try
        {
            return reader.GetString()!;
        }
        catch (InvalidOperationException)
        {
            throw stream.Error("has a key that holds half a surrogate pair, which is no text");
        }
    }

    private static string? NextProperty(JsonRecordStream stream)
    {
        string? name = null;
        stream.Parse(
            (ref Utf8JsonReader reader) =>
            {
                if (!reader.Read())
                {
                    return false;
                }
                if (reader.TokenType == JsonTokenType.EndObject)
                {
                    name = null;
                    return true;
                }
                // An escaped key may equal one of the keys that are read, or be no valid text.
                name =
                    reader.ValueIsEscaped ? Text(stream, ref reader)
                    : reader.ValueTextEquals("images"u8) ? "images"
                    : reader.ValueTextEquals("categories"u8) ? "categories"
                    : reader.ValueTextEquals("annotations"u8) ? "annotations"
                    : "";
                return true;
            }
        );
        return name;
    }
}
