namespace DeqDet.Settings.Schema

open System
open System.Text.RegularExpressions
open DeqDet
open DeqDet.Settings.Json

/// Whether a run that is resumed may have another value than the run before.
type ResumeRule =
    /// What has been computed would get another meaning, or the change no effect: refused.
    | Fixed
    /// What follows differs from there on: taken, and said.
    | Noticed
    /// No number that training computes depends on it: taken.
    | Free

/// A setting that two runs have differently, each value as JSON text on one line.
type Change =
    {
        Key: string
        Rule: ResumeRule
        Before: string
        Now: string
    }

/// A line of the reference: one key or section.
type Entry =
    {
        Path: string
        /// What the value must be; empty for a section.
        Kind: string
        /// JSON text of the default; empty for a section.
        Default: string
        Doc: string
        /// None for a section.
        AtResume: ResumeRule option
    }

/// A key of a section; the section's record is an object, of the type that the field belongs to.
type Field =
    {
        Key: string
        /// The record with what the node says.
        Read: Reading -> Node -> obj -> Result<obj, Problem list>
        Write: string -> obj -> string
        /// The lines of the reference at a dotted path, given the defaults.
        Describe: string -> obj -> Entry list
        /// What differs at a dotted path between the record of the run before and the one of now.
        Compare: string -> obj -> obj -> Change list
    }

/// What several keys together get wrong; the first key is the one to blame. Keys are relative to the section.
type Finding = { Keys: string list; Text: string }

/// A JSON object that stands for a record. Keys that are not given keep the value of the record one starts from.
type Section =
    {
        Fields: Field list
        /// Rules between keys, applied when each key is right by itself.
        Check: obj -> Finding list
    }

module Section =

    let private join (path: string) (key: string) =
        if path = "" then key else $"{path}.{key}"

    let private unknownKey (fields: Field list) (reading: Reading) (entry: Member) : Problem =
        let keys = fields |> List.map _.Key
        let nearest = Nearest.find keys entry.Key |> Option.get

        let lastPart (path: string) =
            path.Substring(path.LastIndexOf '.' + 1)

        let suggestion =
            if Nearest.isClose nearest entry.Key then
                join reading.Path nearest
            else
                // Perhaps the key is right and only the section is wrong.
                reading.Known
                |> List.tryFind (fun path -> path = entry.Key || lastPart path = lastPart entry.Key)
                |> Option.defaultValue (join reading.Path nearest)

        let here = if reading.Path = "" then "the top level" else reading.Path
        let known = String.concat ", " keys

        {
            Place = Some entry.KeyPlace
            Key = join reading.Path entry.Key
            Text = $"is an unknown key; did you mean {suggestion}? Keys of {here}: {known}"
        }

    let private crossChecks (section: Section) (reading: Reading) (node: Node) (record: obj) =
        let placed key =
            Node.placeOf key node
            |> Option.map (fun place -> $"{join reading.Path key} is set at {place}")

        section.Check record
        |> List.map (fun finding ->
            let others = finding.Keys.Tail |> List.choose placed |> String.concat "; "

            {
                Place = Node.placeOf finding.Keys.Head node
                Key = join reading.Path finding.Keys.Head
                Text =
                    if others = "" then
                        finding.Text
                    else
                        $"{finding.Text} ({others})"
            })

    /// Reads a section over the record `start`; all problems at once.
    let read (section: Section) (start: obj) (reading: Reading) (node: Node) : Result<obj, Problem list> =
        match node.Value with
        | Members members ->
            let apply (record, problems) (entry: Member) =
                match section.Fields |> List.tryFind (fun field -> field.Key = entry.Key) with
                | None -> record, problems @ [ unknownKey section.Fields reading entry ]
                | Some field ->
                    let reading =
                        { reading with
                            Path = join reading.Path entry.Key
                        }

                    match field.Read reading entry.Content record with
                    | Ok record -> record, problems
                    | Error more -> record, problems @ more

            match List.fold apply (start, []) members with
            | record, [] ->
                match crossChecks section reading node record with
                | [] -> Ok record
                | problems -> Error problems
            | _, problems -> Error problems
        | _ -> Codec.mismatch reading node "a section { ... }"

    /// JSON text of a record: on one line where it is short, else a key a line.
    let write (section: Section) (indent: string) (record: obj) : string =
        let inner = indent + "  "

        let written =
            section.Fields
            |> List.map (fun field -> $"\"{field.Key}\": {field.Write inner record}")

        let line = written |> String.concat ", " |> sprintf "{ %s }"

        if indent <> "" && line.Length + indent.Length <= 80 && not (line.Contains '\n') then
            line
        else
            let lines = written |> String.concat $",\n{inner}"
            $"{{\n{inner}{lines}\n{indent}}}"

    /// The reference of a section at a dotted path.
    let describe (section: Section) (path: string) (defaults: obj) : Entry list =
        section.Fields
        |> List.collect (fun field -> field.Describe (join path field.Key) defaults)

    /// What differs between two records of a section at a dotted path.
    let compare (section: Section) (path: string) (before: obj) (now: obj) : Change list =
        section.Fields
        |> List.collect (fun field -> field.Compare (join path field.Key) before now)

    /// A section as a value, for lists of sections and optional ones; `start` gives what is not written.
    let codec (section: Section) (start: obj) : Codec =
        {
            Kind = "a section { ... }"
            Read = read section start
            Write = write section
        }

/// Keys of sections: the part of the record that a key fills, how it is read and written, and an explanation.
module Field =

    let private remedy (example: string) (problem: Problem) =
        if problem.Text.EndsWith '?' then
            problem
        else
            { problem with
                Text = $"{problem.Text}; the default is {example}"
            }

    /// Written over several lines, on one.
    let private onOneLine (json: string) = Regex.Replace(json, @"\n\s*", " ")

    /// A key with a value. Its default is what the section's default record holds.
    let value
        (key: string)
        (doc: string)
        (rule: ResumeRule)
        (get: obj -> obj)
        (set: obj -> obj -> obj)
        (codec: Codec)
        : Field =
        {
            Key = key
            Read =
                fun reading node record ->
                    let withRemedy (problem: Problem) =
                        if problem.Key = reading.Path then
                            remedy (onOneLine (codec.Write "" (get record))) problem
                        else
                            problem

                    codec.Read reading node
                    |> Result.map (fun value -> set value record)
                    |> Result.mapError (List.map withRemedy)
            Write = fun indent record -> codec.Write indent (get record)
            Describe =
                fun path defaults ->
                    [
                        {
                            Path = path
                            Kind = codec.Kind
                            Default = onOneLine (codec.Write "" (get defaults))
                            Doc = doc
                            AtResume = Some rule
                        }
                    ]
            Compare =
                fun path before now ->
                    let before, now = get before, get now

                    if Object.Equals(before, now) then
                        []
                    else
                        [
                            {
                                Key = path
                                Rule = rule
                                Before = onOneLine (codec.Write "" before)
                                Now = onOneLine (codec.Write "" now)
                            }
                        ]
        }

    /// A key with a section.
    let section (key: string) (doc: string) (get: obj -> obj) (set: obj -> obj -> obj) (inner: Section) : Field =
        {
            Key = key
            Read =
                fun reading node record ->
                    Section.read inner (get record) reading node
                    |> Result.map (fun value -> set value record)
            Write = fun indent record -> Section.write inner indent (get record)
            Describe =
                fun path defaults ->
                    {
                        Path = path
                        Kind = ""
                        Default = ""
                        Doc = doc
                        AtResume = None
                    }
                    :: Section.describe inner path (get defaults)
            Compare = fun path before now -> Section.compare inner path (get before) (get now)
        }

    /// A field of an inner record as one of the outer record.
    let lift (get: obj -> obj) (set: obj -> obj -> obj) (field: Field) : Field =
        { field with
            Read =
                fun reading node record ->
                    field.Read reading node (get record)
                    |> Result.map (fun value -> set value record)
            Write = fun indent record -> field.Write indent (get record)
            Describe = fun path defaults -> field.Describe path (get defaults)
            Compare = fun path before now -> field.Compare path (get before) (get now)
        }

    /// A key with a section that may be missing. Where both records have it, they are compared key by key; `content` gives the section's
    /// record where there is one.
    let optional (inner: Section) (start: obj) (content: obj -> obj option) (field: Field) : Field =
        { field with
            Describe = fun at defaults -> field.Describe at defaults @ Section.describe inner at start
            Compare =
                fun path before now ->
                    match content before, content now with
                    | Some before, Some now -> Section.compare inner path before now
                    | _ -> field.Compare path before now
        }

    /// A key with a list of sections, which is compared as a whole: the reference of its parts follows.
    let listed (inner: Section) (start: obj) (field: Field) : Field =
        { field with
            Describe =
                fun at defaults ->
                    let list = field.Describe at defaults
                    let rule = list.Head.AtResume

                    list
                    @ [
                        for entry in Section.describe inner (at + "[]") start -> { entry with AtResume = rule }
                    ]
        }
