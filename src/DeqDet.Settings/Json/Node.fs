namespace DeqDet.Settings.Json

open DeqDet.Settings

/// Where a key or value was written.
type Place =
    /// Line and column count from 1; the column counts characters.
    | InFile of file: string * line: int * column: int
    /// A command-line argument, as typed.
    | InArgument of text: string

    override place.ToString() =
        match place with
        | InFile(file, line, column) -> $"{file}, line {line}, column {column}"
        | InArgument text -> text

/// JSON that remembers where it was written.
type Node = { Value: Value; Place: Place }

and Value =
    | Null
    | Bool of bool
    /// The digits as written.
    | Number of string
    | Text of string
    | List of Node list
    | Members of Member list

and Member =
    {
        Key: string
        KeyPlace: Place
        Content: Node
    }

module Node =

    /// The value in words, for "is ..., but must be ...".
    let describe (node: Node) : string =
        let shorten (text: string) =
            if text.Length > 60 then
                text.Substring(0, 57) + "..."
            else
                text

        match node.Value with
        | Null -> "null"
        | Bool value -> if value then "true" else "false"
        | Number digits -> shorten digits
        | Text text -> $"the text \"{shorten text}\""
        | List [] -> "an empty list"
        | List items -> $"a list of {items.Length}"
        | Members _ -> "a section { ... }"

    /// `upper` over `lower`: sections merge key by key, everything else (lists too) replaces. Places stay with the values.
    let rec merge (lower: Node) (upper: Node) : Node =
        match lower.Value, upper.Value with
        | Members old, Members changes ->
            let kept =
                old
                |> List.map (fun entry ->
                    match changes |> List.tryFind (fun change -> change.Key = entry.Key) with
                    | Some change ->
                        { change with
                            Content = merge entry.Content change.Content
                        }
                    | None -> entry)

            let added =
                changes
                |> List.filter (fun change -> old |> List.forall (fun entry -> entry.Key <> change.Key))

            { upper with
                Value = Members(kept @ added)
            }
        | _ -> upper

    /// The place of the value at a dotted path, if it was written anywhere.
    let placeOf (path: string) (root: Node) : Place option =
        let step (node: Node option) (key: string) =
            match node with
            | Some { Value = Members members } ->
                members
                |> List.tryFind (fun entry -> entry.Key = key)
                |> Option.map (fun entry -> entry.Content)
            | _ -> None

        path.Split '.'
        |> Array.fold step (Some root)
        |> Option.map (fun node -> node.Place)
