namespace DeqDet.Settings.Json

open System
open System.Text
open System.Text.Json
open DeqDet
open DeqDet.Settings

/// JSON text (with comments and trailing commas) to nodes. Every error is an InputError that names line and column.
module Parse =

    /// From a byte offset to line and column, both from 1.
    let private lineAndColumn (bytes: byte[]) (offset: int) =
        let before = ReadOnlySpan(bytes, 0, min offset bytes.Length)
        let lineStart = before.LastIndexOf(10uy) + 1
        let line = 1 + before.Count(10uy)
        line, 1 + Encoding.UTF8.GetCharCount(before.Slice lineStart)

    /// The other way round, from a line and a byte in it, both from 0.
    let private offsetOf (bytes: byte[]) (line: int) (byteInLine: int) =
        let mutable start = 0

        for _ in 1..line do
            start <- start + ReadOnlySpan(bytes).Slice(start).IndexOf 10uy + 1

        start + byteInLine

    let private refuse (place: Place) (text: string) = raise (InputError $"{place}: {text}")

    let rec private value (locate: int64 -> Place) (reader: byref<Utf8JsonReader>) : Node =
        let place = locate reader.TokenStartIndex

        let content =
            match reader.TokenType with
            | JsonTokenType.Null -> Null
            | JsonTokenType.True -> Bool true
            | JsonTokenType.False -> Bool false
            | JsonTokenType.Number -> Number(Encoding.UTF8.GetString reader.ValueSpan)
            | JsonTokenType.String -> Text(text locate &reader)
            | JsonTokenType.StartArray -> List(items locate &reader)
            | _ -> Members(members locate &reader)

        { Value = content; Place = place }

    /// The current string token; an escaped half of a surrogate pair is JSON, but no text.
    and private text (locate: int64 -> Place) (reader: byref<Utf8JsonReader>) : string =
        try
            reader.GetString()
        with :? InvalidOperationException ->
            refuse (locate reader.TokenStartIndex) "this text contains an incomplete \\u escape"

    and private items (locate: int64 -> Place) (reader: byref<Utf8JsonReader>) : Node list =
        let found = ResizeArray()

        while reader.Read() && reader.TokenType <> JsonTokenType.EndArray do
            found.Add(value locate &reader)

        List.ofSeq found

    and private members (locate: int64 -> Place) (reader: byref<Utf8JsonReader>) : Member list =
        let found = ResizeArray()

        while reader.Read() && reader.TokenType <> JsonTokenType.EndObject do
            let place = locate reader.TokenStartIndex
            let key = text locate &reader

            for entry in found do
                if entry.Key = key then
                    refuse place $"the key \"{key}\" is given twice (first: {entry.KeyPlace}); remove one of them"

            reader.Read() |> ignore

            found.Add
                {
                    Key = key
                    KeyPlace = place
                    Content = value locate &reader
                }

        List.ofSeq found

    let private parse (locate: int64 -> Place) (bytes: byte[]) : Node =
        let options =
            JsonReaderOptions(AllowTrailingCommas = true, CommentHandling = JsonCommentHandling.Skip)

        let mutable reader = Utf8JsonReader(ReadOnlySpan bytes, options)

        try
            reader.Read() |> ignore
            let node = value locate &reader
            // Looks at what follows: anything but comments is refused by the reader.
            reader.Read() |> ignore
            node
        with :? JsonException as error ->
            // The reader's own message ends with its position, counted from 0 and in bytes.
            let message =
                error.Message.Substring(0, error.Message.IndexOf " LineNumber:").TrimEnd('.', ' ')

            let offset =
                offsetOf bytes (int error.LineNumber.Value) (int error.BytePositionInLine.Value)

            refuse (locate (int64 offset)) $"malformed JSON: {message}"

    /// Parses the text of a whole file; `name` is how messages call it. The top level must be a section.
    let file (name: string) (bytes: byte[]) : Node =
        let bytes =
            if bytes.AsSpan().StartsWith(ReadOnlySpan(Encoding.UTF8.Preamble.ToArray())) then
                bytes[3..]
            else
                bytes

        let locate (offset: int64) =
            let line, column = lineAndColumn bytes (int offset)
            InFile(name, line, column)

        if bytes |> Array.forall (fun b -> b <= 32uy) then
            raise (InputError $"{name}: the file is empty; settings are a JSON object, at least {{ }}")

        try
            UTF8Encoding(false, true).GetCharCount bytes |> ignore
        with :? DecoderFallbackException as error ->
            refuse (locate (int64 error.Index)) "this byte is no valid UTF-8; save the file as UTF-8 text"

        let node = parse locate bytes

        match node.Value with
        | Members _ -> node
        | _ -> refuse node.Place $"settings must be a JSON object {{ ... }}, not {Node.describe node}"

    let private isKey (key: string) =
        key.Split '.'
        |> Array.forall (fun part ->
            part <> ""
            && part |> Seq.forall (fun c -> Char.IsAsciiLetterOrDigit c || c = '_'))

    /// `KEY=VALUE` of --set: a dotted path and a JSON value, or text without quotes. Gives the nested sections that path means.
    let argument (assignment: string) : Node =
        let place = InArgument $"--set {assignment}"

        let key, content =
            match assignment.IndexOf '=' with
            | -1 -> refuse place "there is no '='; write KEY=VALUE, for example --set solver.steps=30"
            | at -> assignment.Substring(0, at).Trim(), assignment.Substring(at + 1).Trim()

        if not (isKey key) then
            refuse place $"'{key}' is no key; write a dotted path such as solver.steps=30"

        let looksLikeJson = content <> "" && "[{\"".Contains content[0]

        let node =
            try
                parse (fun _ -> place) (Encoding.UTF8.GetBytes content)
            with :? InputError when not looksLikeJson ->
                { Value = Text content; Place = place }

        Array.foldBack
            (fun part inner ->
                {
                    Place = place
                    Value =
                        Members
                            [
                                {
                                    Key = part
                                    KeyPlace = place
                                    Content = inner
                                }
                            ]
                })
            (key.Split '.')
            node
