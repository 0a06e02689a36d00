namespace DeqDet

open System
open System.Globalization
open System.Text.Json
open System.Text.Json.Serialization

/// An id in a COCO file: a whole number or a text, and written again as the one that it was read as. 1 and "1" are two ids, as are texts
/// that differ in case or in Unicode form. Numbers come before texts; texts are ordered by code points, as Python and numpy order them.
[<Struct; CustomEquality; CustomComparison; JsonConverter(typeof<CocoIdConverter>)>]
type CocoId private (number: int64, text: string) =

    /// A number.
    new(number: int64) = CocoId(number, null)

    /// A text, which may be empty.
    new(text: string) =
        ArgumentNullException.ThrowIfNull text
        CocoId(0L, text)

    /// Whether it is a text.
    member _.IsText: bool = not (isNull text)

    /// The text itself, or the digits of the number.
    member _.Text: string =
        if isNull text then
            number.ToString CultureInfo.InvariantCulture
        else
            text

    /// As messages show it, on one line: the number, or the text in quotes, its end left out where it is long.
    override _.ToString() : string =
        if isNull text then
            number.ToString CultureInfo.InvariantCulture
        else
            let longest = 60

            let shown =
                if text.Length > longest then
                    text[.. longest - 1] + "..."
                else
                    text

            "\"" + String.map (fun c -> if Char.IsControl c then '?' else c) shown + "\""

    /// Writes it as a JSON value.
    member _.Write(writer: Utf8JsonWriter) : unit =
        if isNull text then
            writer.WriteNumberValue number
        else
            writer.WriteStringValue text

    /// The id of a JSON value. Raises FormatException for what is neither a whole number of 64 bits nor a text.
    static member Of(element: JsonElement) : CocoId =
        match element.ValueKind with
        | JsonValueKind.String -> CocoId(element.GetString())
        | JsonValueKind.Number -> CocoId(element.GetInt64())
        | _ -> raise (FormatException "an id that is neither a number nor a text")

    static member op_Implicit(number: int64) : CocoId = CocoId number

    static member op_Implicit(text: string) : CocoId = CocoId text

    static member op_Equality(a: CocoId, b: CocoId) : bool = a.Equals b

    static member op_Inequality(a: CocoId, b: CocoId) : bool = not (a.Equals b)

    member private _.Number: int64 = number

    member private _.TextOrNull: string = text

    member _.Equals(other: CocoId) : bool =
        number = other.Number && String.Equals(text, other.TextOrNull)

    override this.Equals(other: obj) : bool =
        match other with
        | :? CocoId as id -> this.Equals id
        | _ -> false

    override _.GetHashCode() : int =
        if isNull text then
            number.GetHashCode()
        else
            text.GetHashCode()

    member _.CompareTo(other: CocoId) : int =
        match text, other.TextOrNull with
        | null, null -> number.CompareTo other.Number
        | null, _ -> -1
        | _, null -> 1
        | ours, theirs -> CocoId.CompareCodePoints(ours, theirs)

    interface IEquatable<CocoId> with
        member this.Equals(other: CocoId) = this.Equals other

    interface IComparable<CocoId> with
        member this.CompareTo(other: CocoId) = this.CompareTo other

    interface IComparable with
        member this.CompareTo(other: obj) =
            match other with
            | :? CocoId as id -> this.CompareTo id
            | _ -> invalidArg (nameof other) "is no id"

    // UTF-16 puts the characters beyond U+FFFF, which are pairs of surrogates, before U+E000 to U+FFFF.
    static member private CompareCodePoints(a: string, b: string) : int =
        let place = a.AsSpan().CommonPrefixLength(b.AsSpan())

        if place = a.Length || place = b.Length then
            a.Length.CompareTo b.Length
        else
            let rank (unit: char) =
                if Char.IsSurrogate unit then
                    int unit + 0x10000
                else
                    int unit

            (rank a[place]).CompareTo(rank b[place])

/// Reads and writes ids in JSON.
and CocoIdConverter() =
    inherit JsonConverter<CocoId>()

    override _.Read(reader: byref<Utf8JsonReader>, _: Type, _: JsonSerializerOptions) : CocoId =
        match reader.TokenType with
        | JsonTokenType.String -> CocoId(reader.GetString())
        | JsonTokenType.Number -> CocoId(reader.GetInt64())
        | _ -> raise (JsonException "an id is neither a number nor a text")

    override _.Write(writer: Utf8JsonWriter, id: CocoId, _: JsonSerializerOptions) : unit = id.Write writer
