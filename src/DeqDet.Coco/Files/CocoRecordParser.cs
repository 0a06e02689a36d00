using System.Text.Json;

namespace DeqDet.Coco;

/// <summary>
/// Fields of the record under the reader, of whichever list. One instance is used for all records of a list, so that numbers
/// never become objects.
/// </summary>
/// <param name="required">Fields without which a record is of no use.</param>
/// <param name="others">Fields that are read besides; what is wrong with one of them is <see cref="Unusable"/>.</param>
/// <param name="texts">Texts of the file that occur many times.</param>
internal sealed class CocoRecordParser(CocoFields required, CocoFields others, TextTable texts)
{
    private const double LargestExactInteger = 9007199254740992;

    public CocoId Id;
    public CocoId ImageId;
    public CocoId CategoryId;
    public double X;
    public double Y;
    public double BoxWidth;
    public double BoxHeight;
    public double Area;
    public double Score;
    public long Width;
    public long Height;
    public bool IsCrowd;
    public bool IsIgnored;
    public string FileName = "";
    public string Name = "";
    public CocoFields Seen;
    public bool AtEnd;

    private readonly CocoFields wanted = required | others;
    private char[] url = [];
    private int urlLength;
    private string? problem;

    /// <summary>What is wrong with the record, a required field that is missing among it; or null.</summary>
    public string? Problem => problem ?? Missing(required);

    /// <summary>What is wrong with the other fields, or null.</summary>
    public string? Unusable { get; private set; }

    /// <summary>
    /// Reads the next element of the list, or its end (<see cref="AtEnd"/>). False when the bytes do not suffice: nothing is
    /// known then, and the call is to be repeated with more.
    /// </summary>
    public bool TryRead(ref Utf8JsonReader reader)
    {
        Seen = CocoFields.None;
        problem = Unusable = null;
        IsCrowd = IsIgnored = false;
        urlLength = 0;
        FileName = Name = "";
        if (!reader.Read())
        {
            return false;
        }
        AtEnd = reader.TokenType == JsonTokenType.EndArray;
        if (AtEnd)
        {
            return true;
        }
        if (reader.TokenType != JsonTokenType.StartObject)
        {
            problem = $"is {Kind(reader.TokenType)}, not an object";
            return reader.TrySkip();
        }
        while (reader.Read())
        {
            if (reader.TokenType == JsonTokenType.EndObject)
            {
                return true;
            }
            var field = FieldOf(ref reader) & wanted;
            if (!reader.Read() || !(field == CocoFields.None ? reader.TrySkip() : TryReadField(ref reader, field)))
            {
                return false;
            }
        }
        return false;
    }

    /// <summary>Which of some fields the record lacks, in words; or null.</summary>
    public string? Missing(CocoFields fields)
    {
        var missing = fields & ~Seen;
        return missing == CocoFields.None
            ? null
            : $"has no \"{NameOf(missing)}\", which every record of this list needs";
    }

    /// <summary>
    /// A file name from the last two parts of the <c>coco_url</c>, as in val2017/000000397133.jpg: records of LVIS have no other. Empty
    /// without an address.
    /// </summary>
    public string FileOfUrl()
    {
        var address = url.AsSpan(0, urlLength);
        var scheme = address.IndexOf("://");
        var path = scheme < 0 ? address : address[(scheme + 3)..];
        path = path[..(path.IndexOfAny('?', '#') is var end and >= 0 ? end : path.Length)];
        var host = scheme < 0 ? 0 : path.IndexOf('/');
        var parts = path[(host < 0 ? path.Length : host)..]
            .ToString()
            .Split('/', StringSplitOptions.RemoveEmptyEntries);
        return string.Join('/', parts.TakeLast(2).Select(Uri.UnescapeDataString));
    }

    private void Fail(CocoFields field, string what)
    {
        if ((field & required) != 0)
        {
            problem ??= what;
        }
        else
        {
            Unusable ??= what;
        }
    }

    private bool TryReadField(ref Utf8JsonReader reader, CocoFields field)
    {
        if (
            reader.TokenType == JsonTokenType.Null
            && field
                is CocoFields.Area
                    or CocoFields.Crowd
                    or CocoFields.Ignore
                    or CocoFields.Name
                    or CocoFields.FileName
                    or CocoFields.Url
        )
        {
            return true;
        }
        Seen |= field;
        switch (field)
        {
            case CocoFields.Id:
                return TryReadId(ref reader, field, ref Id);
            case CocoFields.ImageId:
                return TryReadId(ref reader, field, ref ImageId);
            case CocoFields.CategoryId:
                return TryReadId(ref reader, field, ref CategoryId);
            case CocoFields.Width:
                return TryReadInteger(ref reader, field, ref Width);
            case CocoFields.Height:
                return TryReadInteger(ref reader, field, ref Height);
            case CocoFields.Area:
                return TryReadNumber(ref reader, field, ref Area);
            case CocoFields.Score:
                return TryReadNumber(ref reader, field, ref Score);
            case CocoFields.Crowd:
                return TryReadFlag(ref reader, field, ref IsCrowd);
            case CocoFields.Ignore:
                return TryReadTruth(ref reader, ref IsIgnored);
            case CocoFields.Url:
                return TryReadUrl(ref reader);
            case CocoFields.FileName:
                return TryReadText(ref reader, field, ref FileName);
            case CocoFields.Name:
                return TryReadText(ref reader, field, ref Name);
            default:
                return TryReadBox(ref reader);
        }
    }

    private bool TryReadId(ref Utf8JsonReader reader, CocoFields field, ref CocoId id)
    {
        if (reader.TokenType == JsonTokenType.Number)
        {
            var number = 0L;
            var read = TryReadInteger(ref reader, field, ref number);
            id = number;
            return read;
        }
        if (reader.TokenType != JsonTokenType.String)
        {
            return Refuse(ref reader, field, "a whole number or a text");
        }
        try
        {
            // Annotation ids are unique in a valid file: interning them would only use memory.
            id = field == CocoFields.Id ? reader.GetString()! : texts.Read(ref reader);
        }
        catch (InvalidOperationException)
        {
            Fail(field, HalfSurrogate(field));
        }
        return true;
    }

    // Ids written by tools that hold them as floats (397133.0, 3.97133e5) are the same ids.
    private bool TryReadInteger(ref Utf8JsonReader reader, CocoFields field, ref long value)
    {
        if (reader.TokenType == JsonTokenType.Number)
        {
            if (reader.TryGetInt64(out value))
            {
                return true;
            }
            if (
                reader.TryGetDouble(out var number)
                && Math.Abs(number) <= LargestExactInteger
                && number == Math.Floor(number)
            )
            {
                value = (long)number;
                return true;
            }
            Fail(field, $"\"{NameOf(field)}\" is not a whole number of at most 64 bits");
            return true;
        }
        return Refuse(ref reader, field, "a whole number");
    }

    private bool TryReadNumber(ref Utf8JsonReader reader, CocoFields field, ref double value)
    {
        if (reader.TokenType != JsonTokenType.Number)
        {
            return Refuse(ref reader, field, "a number");
        }
        if (!reader.TryGetDouble(out value) || !double.IsFinite(value))
        {
            Fail(field, $"\"{NameOf(field)}\" is not finite");
        }
        return true;
    }

    private bool TryReadFlag(ref Utf8JsonReader reader, CocoFields field, ref bool value)
    {
        switch (reader.TokenType)
        {
            case JsonTokenType.True:
            case JsonTokenType.False:
                value = reader.GetBoolean();
                return true;
            case JsonTokenType.Number when reader.TryGetDouble(out var number) && number is 0 or 1:
                value = number == 1;
                return true;
            default:
                return Refuse(ref reader, field, "0 or 1");
        }
    }

    // The reference asks whether the value is true, as Python has it. It never ends an evaluation, so that it cannot be malformed either.
    private static bool TryReadTruth(ref Utf8JsonReader reader, ref bool value)
    {
        value = reader.TokenType switch
        {
            JsonTokenType.False => false,
            JsonTokenType.Number => !reader.TryGetDouble(out var number) || number != 0,
            JsonTokenType.String => reader.ValueSpan.Length > 0,
            _ => true,
        };
        return reader.TrySkip();
    }

    // Most files have both an address and a name: it stays in the buffer unless it is asked for.
    private bool TryReadUrl(ref Utf8JsonReader reader)
    {
        if (reader.TokenType != JsonTokenType.String)
        {
            return reader.TrySkip();
        }
        if (url.Length < reader.ValueSpan.Length)
        {
            url = new char[reader.ValueSpan.Length];
        }
        try
        {
            urlLength = reader.CopyString(url);
        }
        catch (InvalidOperationException)
        {
            Fail(CocoFields.Url, HalfSurrogate(CocoFields.Url));
        }
        return true;
    }

    private bool TryReadText(ref Utf8JsonReader reader, CocoFields field, ref string value)
    {
        if (reader.TokenType != JsonTokenType.String)
        {
            return Refuse(ref reader, field, "a string");
        }
        try
        {
            value = reader.GetString()!;
        }
        catch (InvalidOperationException)
        {
            Fail(field, HalfSurrogate(field));
        }
        return true;
    }

    private bool TryReadBox(ref Utf8JsonReader reader)
    {
        if (reader.TokenType != JsonTokenType.StartArray)
        {
            return Refuse(ref reader, CocoFields.Box, "[x, y, width, height]");
        }
        var count = 0;
        while (reader.Read())
        {
            if (reader.TokenType == JsonTokenType.EndArray)
            {
                if (count != 4)
                {
                    Fail(CocoFields.Box, $"\"bbox\" has {count} entries instead of 4: [x, y, width, height]");
                }
                return true;
            }
            if (reader.TokenType != JsonTokenType.Number)
            {
                Fail(
                    CocoFields.Box,
                    $"\"bbox\" holds {Kind(reader.TokenType)}; it has to be [x, y, width, height] in numbers"
                );
                if (!reader.TrySkip())
                {
                    return false;
                }
            }
            else if (!reader.TryGetDouble(out var number) || !double.IsFinite(number))
            {
                Fail(CocoFields.Box, "\"bbox\" holds a number that is not finite");
            }
            else
            {
                Place(count, number);
            }
            count++;
        }
        return false;
    }

    private void Place(int position, double number)
    {
        switch (position)
        {
            case 0:
                X = number;
                break;
            case 1:
                Y = number;
                break;
            case 2:
                BoxWidth = number;
                break;
            default:
                BoxHeight = number;
                break;
        }
    }

    private bool Refuse(ref Utf8JsonReader reader, CocoFields field, string expected)
    {
        Fail(field, $"\"{NameOf(field)}\" is {Kind(reader.TokenType)}; it has to be {expected}");
        return reader.TrySkip();
    }

    private static string HalfSurrogate(CocoFields field) =>
        $"\"{NameOf(field)}\" holds half a surrogate pair, which is no text";

    private static string Kind(JsonTokenType type) =>
        type switch
        {
            JsonTokenType.StartObject => "an object",
            JsonTokenType.StartArray => "a list",
            JsonTokenType.String => "a string",
            JsonTokenType.Number => "a number",
            JsonTokenType.Null => "null",
            _ => "true or false",
        };

    private CocoFields FieldOf(ref Utf8JsonReader reader)
    {
        if (reader.ValueIsEscaped)
        {
            try
            {
                _ = reader.GetString();
            }
            catch (InvalidOperationException)
            {
                problem ??= "has a key that holds half a surrogate pair, which is no text";
                return CocoFields.None;
            }
        }
        return Plain(ref reader);
    }

    private static CocoFields Plain(ref Utf8JsonReader reader) =>
        reader.ValueTextEquals("image_id"u8) ? CocoFields.ImageId
        : reader.ValueTextEquals("category_id"u8) ? CocoFields.CategoryId
        : reader.ValueTextEquals("bbox"u8) ? CocoFields.Box
        : reader.ValueTextEquals("score"u8) ? CocoFields.Score
        : reader.ValueTextEquals("id"u8) ? CocoFields.Id
        : reader.ValueTextEquals("area"u8) ? CocoFields.Area
        : reader.ValueTextEquals("iscrowd"u8) ? CocoFields.Crowd
        : reader.ValueTextEquals("ignore"u8) ? CocoFields.Ignore
        : reader.ValueTextEquals("width"u8) ? CocoFields.Width
        : reader.ValueTextEquals("height"u8) ? CocoFields.Height
        : reader.ValueTextEquals("file_name"u8) ? CocoFields.FileName
        : reader.ValueTextEquals("coco_url"u8) ? CocoFields.Url
        : reader.ValueTextEquals("name"u8) ? CocoFields.Name
        : CocoFields.None;

    private static string NameOf(CocoFields fields) =>
        (CocoFields)((int)fields & -(int)fields) switch
        {
            CocoFields.Id => "id",
            CocoFields.ImageId => "image_id",
            CocoFields.CategoryId => "category_id",
            CocoFields.Box => "bbox",
            CocoFields.Area => "area",
            CocoFields.Crowd => "iscrowd",
            CocoFields.Score => "score",
            CocoFields.Width => "width",
            CocoFields.Height => "height",
            CocoFields.FileName => "file_name",
            CocoFields.Ignore => "ignore",
            CocoFields.Url => "coco_url",
            _ => "name",
        };
}
