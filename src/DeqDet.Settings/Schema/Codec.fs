namespace DeqDet.Settings.Schema

open System
open System.Globalization
open System.Text.Encodings.Web
open System.Text.Json
open DeqDet
open DeqDet.Settings
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

/// How one value is read from JSON, written to it and described: one definition for all three.
type Codec<'T> =
    {
        /// What the value must be, to follow "must be".
        Kind: string
        /// Problems say what is wrong without naming the place twice.
        Read: Reading -> Node -> Result<'T, Problem list>
        /// JSON text; lines after the first begin with the given indentation.
        Write: string -> 'T -> string
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

    let private leaf kind (read: Node -> 'T option) (write: 'T -> string) : Codec<'T> =
        {
            Kind = kind
            Read =
                fun reading node ->
                    match read node with
                    | Some value -> Ok value
                    | None -> mismatch reading node kind
            Write = fun _ value -> write value
        }

    let private quoted (text: string) =
        JsonEncodedText.Encode(text, JavaScriptEncoder.UnsafeRelaxedJsonEscaping).ToString()
        |> sprintf "\"%s\""

    /// Narrows a codec; `kind` says all that must hold.
    let where (holds: 'T -> bool) (kind: string) (codec: Codec<'T>) : Codec<'T> =
        { codec with
            Kind = kind
            Read =
                fun reading node ->
                    match codec.Read reading node with
                    | Ok value when holds value -> Ok value
                    | Ok _ -> mismatch reading node kind
                    | Error problems when problems |> List.forall (fun problem -> problem.Key = reading.Path) ->
                        mismatch reading node kind
                    | Error problems -> Error problems
        }

    let private anyInteger =
        leaf
            "a whole number"
            (fun node ->
                match node.Value with
                | Number digits ->
                    match Int32.TryParse(digits, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture) with
                    | true, value -> Some value
                    | _ -> None
                | _ -> None)
            string

    /// A whole number from `low` to `high`.
    let integer (low: int) (high: int) : Codec<int> =
        let words =
            if high = Int32.MaxValue then
                $"a whole number, at least {low}"
            else
                $"a whole number from {low} to {high}"

        anyInteger |> where (fun value -> low <= value && value <= high) words

    let private anyNumber =
        leaf
            "a number"
            (fun node ->
                match node.Value with
                | Number digits ->
                    match Double.TryParse(digits, NumberStyles.Float, CultureInfo.InvariantCulture) with
                    | true, value when Double.IsFinite value -> Some value
                    | _ -> None
                | _ -> None)
            (fun value -> value.ToString("R", CultureInfo.InvariantCulture))

    /// A finite number, at least 0.
    let nonNegative: Codec<float> =
        anyNumber |> where (fun value -> value >= 0.0) "a number, at least 0"

    /// A finite number above 0.
    let positive: Codec<float> =
        anyNumber |> where (fun value -> value > 0.0) "a number above 0"

    /// A number from 0 to 1.
    let fraction: Codec<float> =
        anyNumber
        |> where (fun value -> 0.0 <= value && value <= 1.0) "a number from 0 to 1"

    /// A number from 0 to just below 1.
    let belowOne: Codec<float> =
        anyNumber
        |> where (fun value -> 0.0 <= value && value < 1.0) "a number from 0 to below 1"

    let number: Codec<float> = anyNumber

    let boolean: Codec<bool> =
        leaf
            "true or false"
            (fun node ->
                match node.Value with
                | Bool value -> Some value
                | _ -> None)
            (fun value -> if value then "true" else "false")

    /// Text that is not empty. On the command line a name that happens to be a number needs no quotes.
    let text: Codec<string> =
        leaf
            "text"
            (fun node ->
                match node.Value, node.Place with
                | Text text, _ when not (String.IsNullOrWhiteSpace text) -> Some text
                | Number digits, InArgument _ -> Some digits
                | _ -> None)
            quoted

    /// One of several names.
    let oneOf (names: (string * 'T) list) : Codec<'T> when 'T: equality =
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
            Write = fun _ value -> names |> List.find (fun (_, known) -> known = value) |> fst |> quoted
        }

    /// The value, or null for none.
    let optional (codec: Codec<'T>) : Codec<'T option> =
        let kind = $"{codec.Kind}, or null"

        {
            Kind = kind
            Read =
                fun reading node ->
                    match node.Value with
                    | Null -> Ok None
                    | _ ->
                        codec.Read reading node
                        |> Result.map Some
                        |> Result.mapError (
                            List.map (fun problem ->
                                { problem with
                                    Text = problem.Text.Replace($"must be {codec.Kind}", $"must be {kind}")
                                })
                        )
            Write =
                fun indent value ->
                    match value with
                    | Some value -> codec.Write indent value
                    | None -> "null"
        }

    /// Collects all problems, or all values.
    let gather (results: Result<'T, Problem list> list) : Result<'T list, Problem list> =
        let problems =
            results
            |> List.collect (function
                | Error problems -> problems
                | Ok _ -> [])

        if problems.IsEmpty then
            results |> List.choose Result.toOption |> Ok
        else
            Error problems

    /// A list, `kind` in words; lists of sections are written one section a line.
    let list (kind: string) (item: Codec<'T>) : Codec<'T list> =
        {
            Kind = kind
            Read =
                fun reading node ->
                    match node.Value with
                    | List items ->
                        items
                        |> List.mapi (fun index item' ->
                            item.Read
                                { reading with
                                    Path = $"{reading.Path}[{index}]"
                                }
                                item')
                        |> gather
                    | _ -> mismatch reading node kind
            Write =
                fun indent values ->
                    let inner = indent + "  "
                    let written = values |> List.map (item.Write inner)

                    if written |> List.exists (fun text -> text.StartsWith '{') then
                        let lines = written |> String.concat $",\n{inner}"
                        $"[\n{inner}{lines}\n{indent}]"
                    else
                        written |> String.concat ", " |> sprintf "[%s]"
        }
