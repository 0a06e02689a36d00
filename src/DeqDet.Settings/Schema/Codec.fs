namespace DeqDet.Settings.Schema

open System
open System.Globalization
open System.Text.Encodings.Web
open System.Text.Json
open DeqDet
open DeqDet.Settings.Json

/// One thing that is wrong with settings.
type Problem =
    {
        Place: Place option
        /// Dotted path of the key.
        Key: string
        Text: string
    }

/// What reading needs to know besides the value itself.
type Reading =
    {
        /// Dotted path of the value.
        Path: string
        /// Dotted paths of all keys there are, for hints.
        Known: string list
    }

/// How values of one type are read from JSON, written to it and described: one definition for all three. The types are those
/// of record fields, found by reflection, so a value is an object here.
type Codec =
    {
        /// What the value must be, to follow "must be".
        Kind: string
        /// Problems say what is wrong without naming the place twice.
        Read: Reading -> Node -> Result<obj, Problem list>
        /// JSON text; lines after the first begin with the given indentation.
        Write: string -> obj -> string
    }

/// Codecs of values without parts, and of lists.
module Codec =

    let problem (reading: Reading) (place: Place) (text: string) =
        Error
            [
                {
                    Place = Some place
                    Key = reading.Path
                    Text = text
                }
            ]

    /// "is ..., but must be ...".
    let mismatch (reading: Reading) (node: Node) (kind: string) =
        problem reading node.Place $"is {Node.describe node}, but must be {kind}"

    let private leaf kind (read: Node -> 'T option) (write: 'T -> string) : Codec =
        {
            Kind = kind
            Read =
                fun reading node ->
                    match read node with
                    | Some value -> Ok(box value)
                    | None -> mismatch reading node kind
            Write = fun _ value -> write (unbox<'T> value)
        }

    let private quoted (text: string) =
        JsonEncodedText.Encode(text, JavaScriptEncoder.UnsafeRelaxedJsonEscaping).ToString()
        |> sprintf "\"%s\""

    /// An int within bounds.
    let wholeNumber (bounds: Bounds) : Codec =
        let read (node: Node) =
            match node.Value with
            | Number digits ->
                match Int32.TryParse(digits, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture) with
                | true, value when bounds.Hold(float value) -> Some value
                | _ -> None
            | _ -> None

        leaf (bounds.Words "a whole number") read string<int>

    /// A finite float within bounds.
    let number (bounds: Bounds) : Codec =
        let read (node: Node) =
            match node.Value with
            | Number digits ->
                match Double.TryParse(digits, NumberStyles.Float, CultureInfo.InvariantCulture) with
                | true, value when bounds.Hold value -> Some value
                | _ -> None
            | _ -> None

        leaf (bounds.Words "a number") read (fun value -> value.ToString("R", CultureInfo.InvariantCulture))

    let boolean: Codec =
        let read (node: Node) =
            match node.Value with
            | Bool value -> Some value
            | _ -> None

        leaf "true or false" read (fun value -> if value then "true" else "false")

    /// Text that is not empty. On the command line a name that happens to be a number needs no quotes.
    let text: Codec =
        let read (node: Node) =
            match node.Value, node.Place with
            | Text text, _ when not (String.IsNullOrWhiteSpace text) -> Some text
            | Number digits, InArgument _ -> Some digits
            | _ -> None

        leaf "text" read quoted

    /// One of several values, each with its name.
    let oneOf (names: (string * obj) list) : Codec =
        let words = names |> List.map (fst >> quoted) |> String.concat ", "
        let kind = $"one of {words}"

        {
            Kind = kind
            Read =
                fun reading node ->
                    match node.Value with
                    | Text name ->
                        match names |> List.tryFind (fun (known, _) -> known = name) with
                        | Some(_, value) -> Ok value
                        | None ->
                            let nearest = Nearest.find (List.map fst names) name |> Option.get
                            mismatch reading node $"{kind}; did you mean \"{nearest}\"?"
                    | _ -> mismatch reading node kind
            Write = fun _ value -> names |> List.find (fun (_, known) -> known.Equals value) |> fst |> quoted
        }

    /// The value, or null for `none`; `wrap` and `unwrap` lead from the value to what the record holds, and back.
    let orNull (none: obj) (wrap: obj -> obj) (unwrap: obj -> obj) (codec: Codec) : Codec =
        let kind = $"{codec.Kind}, or null"

        let reword (problem: Problem) =
            { problem with
                Text = problem.Text.Replace($"must be {codec.Kind}", $"must be {kind}")
            }

        {
            Kind = kind
            Read =
                fun reading node ->
                    match node.Value with
                    | Null -> Ok none
                    | _ -> codec.Read reading node |> Result.map wrap |> Result.mapError (List.map reword)
            Write =
                fun indent value ->
                    if Object.Equals(value, none) then
                        "null"
                    else
                        codec.Write indent (unwrap value)
        }

    /// Collects all problems, or all values.
    let private gather (results: Result<obj, Problem list> list) : Result<obj list, Problem list> =
        let problems =
            results
            |> List.collect (function
                | Error problems -> problems
                | Ok _ -> [])

        if problems.IsEmpty then
            results |> List.choose Result.toOption |> Ok
        else
            Error problems

    /// A list for which `holds`, `kind` in words; lists of sections are written one section a line. `wrap` and `unwrap` lead from
    /// its items to the list that the record holds, and back.
    let list kind (holds: obj list -> bool) (wrap: obj list -> obj) (unwrap: obj -> obj list) (item: Codec) : Codec =
        {
            Kind = kind
            Read =
                fun reading node ->
                    let readItem index =
                        item.Read
                            { reading with
                                Path = $"{reading.Path}[{index}]"
                            }

                    match node.Value with
                    | List items ->
                        match items |> List.mapi readItem |> gather with
                        | Ok values when holds values -> Ok(wrap values)
                        | Ok _ -> mismatch reading node kind
                        | Error problems -> Error problems
                    | _ -> mismatch reading node kind
            Write =
                fun indent values ->
                    let inner = indent + "  "
                    let written = unwrap values |> List.map (item.Write inner)

                    if written |> List.exists (fun text -> text.StartsWith '{') then
                        let lines = written |> String.concat $",\n{inner}"
                        $"[\n{inner}{lines}\n{indent}]"
                    else
                        written |> String.concat ", " |> sprintf "[%s]"
        }
