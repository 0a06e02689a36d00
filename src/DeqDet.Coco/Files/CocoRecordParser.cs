using System.Text.Json;

namespace DeqDet.Coco;

/// <summary>
/// Fields of the record under the reader, of whichever list. One instance is used for all records of a file, so that numbers
/// never become objects.
/// </summary>
internal sealed class CocoRecordParser(CocoFields wanted, TextTable texts)
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
    public string FileName = "";
    public string Name = "";
    public CocoFields Seen;
    public string? Problem;
    public bool AtEnd;

    /// <summary>
    /// Reads the next element of the list, or its end (<see cref="AtEnd"/>). False when the bytes do not suffice: nothing is
    /// known then, and the call is to be repeated with more.
    /// </summary>
    public bool TryRead(ref Utf8JsonReader reader)
    {
        Seen = CocoFields.None;
        Problem = null;
        IsCrowd = false;
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
            Problem = $"is {Kind(reader.TokenType)}, not an object";
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

    /// <summary>The first thing wrong with the record, a field of <paramref name="required"/> that is missing among them.</summary>
    public string? Fault(CocoFields required)
    {
        var missing = required & ~Seen;
        return Problem
            ?? (
                missing == CocoFields.None
                    ? null
                    : $"has no \"{NameOf(missing)}\", which every record of this list needs"
            );
    }

    private bool TryReadField(ref Utf8JsonReader reader, CocoFields field)
    {
        if (reader.TokenType == JsonTokenType.Null && field is CocoFields.Area or CocoFields.Crowd or CocoFields.Name)
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
            // No two annotations of a sound file share their id: a table of them would be memory for nothing.
            id = field == CocoFields.Id ? reader.GetString()! : texts.Read(ref reader);
        }
        catch (InvalidOperationException)
        {
            Problem ??= HalfSurrogate(field);
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
            Problem ??= $"\"{NameOf(field)}\" is not a whole number of at most 64 bits";
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
            Problem ??= $"\"{NameOf(field)}\" is not finite";
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
            Problem ??= HalfSurrogate(field);
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
                    Problem ??= $"\"bbox\" has {count} entries instead of 4: [x, y, width, height]";
                }
                return true;
            }
            if (reader.TokenType != JsonTokenType.Number)
            {
                Problem ??= $"\"bbox\" holds {Kind(reader.TokenType)}; it has to be [x, y, width, height] in numbers";
                if (!reader.TrySkip())
                {
                    return false;
                }
            }
            else if (!reader.TryGetDouble(out var number) || !double.IsFinite(number))
            {
                Problem ??= "\"bbox\" holds a number that is not finite";
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
        Problem ??= $"\"{NameOf(field)}\" is {Kind(reader.TokenType)}; it has to be {expected}";
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
                Problem ??= "has a key that holds half a surrogate pair, which is no text";
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
        : reader.ValueTextEquals("width"u8) ? CocoFields.Width
        : reader.ValueTextEquals("height"u8) ? CocoFields.Height
        : reader.ValueTextEquals("file_name"u8) ? CocoFields.FileName
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
            _ => "name",
        };
}
