namespace DeqDet.Settings

open DeqDet
open System
open System.IO
open System.Text
open DeqDet.Settings.Json
open DeqDet.Settings.Schema

/// Settings files: `"base"` chains, `--set` on top, typed and validated before anything starts.
module SettingsFile =

    /// Settings are a few kB; what is larger is some other file.
    let private largest = 1L <<< 20

    let private suggestion (file: string) =
        let folder =
            match Path.GetDirectoryName file with
            | null
            | "" -> "."
            | folder -> folder

        if not (Directory.Exists folder) then
            $"there is no folder {folder} (the current directory is {Directory.GetCurrentDirectory()})"
        else
            let names =
                Directory.GetFiles(folder, "*.json") |> Array.map Path.GetFileName |> Array.sort

            match Nearest.find names (Path.GetFileName file) with
            | Some name ->
                let path = Path.Combine(folder, name)
                $"did you mean {path}?"
            | None -> $"there are no settings files in {Path.GetFullPath folder}"

    let private bytesOf (file: string) : byte[] =
        if Directory.Exists file then
            raise (InputError $"{file}: this is a folder; name a settings file such as configs/shapes.json")

        if not (File.Exists file) then
            raise (InputError $"{file}: there is no such settings file; {suggestion file}")

        try
            let length = FileInfo(file).Length

            if length > largest then
                raise (
                    InputError
                        $"{file}: this is no settings file (it has {length / 1048576L} MiB, settings have a few kB); name one such as configs/shapes.json"
                )

            File.ReadAllBytes file
        with
        | :? IOException
        | :? UnauthorizedAccessException as error ->
            raise (InputError($"{file}: the settings file cannot be read: {error.Message}", error))

    let private take (key: string) (node: Node) : Node option * Node =
        match node.Value with
        | Members members ->
            let found, rest = members |> List.partition (fun entry -> entry.Key = key)

            found |> List.tryHead |> Option.map _.Content, { node with Value = Members rest }
        | _ -> None, node

    /// A file merged over its bases. `visited` are the files on the way here.
    let rec private chain (visited: string list) (file: string) : Node =
        match take "base" (Parse.file file (bytesOf file)) with
        | None, node -> node
        | Some { Value = Text name; Place = place }, node when name <> "" ->
            let next =
                match Path.GetDirectoryName file with
                | null
                | "" -> name
                | folder -> Path.Combine(folder, name)

            let full = Path.GetFullPath next

            if visited |> List.contains full then
                let way = visited |> List.rev |> List.map Path.GetFileName |> String.concat " -> "

                raise (
                    InputError
                        $"{place}: base goes in a circle: {way} -> {Path.GetFileName full}; remove one of the bases"
                )

            if not (File.Exists next) then
                raise (
                    InputError
                        $"{place}: base names {next}, which does not exist (base is relative to the file that names it); {suggestion next}"
                )

            Node.merge (chain (full :: visited) next) node
        | Some given, _ ->
            raise (InputError $"{given.Place}: base is {Node.describe given}, but must be the name of a settings file")

    let private withArguments (node: Node) (assignments: string seq) : Node =
        assignments
        |> Seq.fold
            (fun node assignment ->
                match take "base" (Parse.argument assignment) with
                | Some given, _ -> raise (InputError $"{given.Place}: base can only be set in a file")
                | None, change -> Node.merge node change)
            node

    /// Reads a settings file with its bases and applies `KEY=VALUE` assignments, later ones winning. InputError with file,
    /// line, column, key and remedy for whatever is wrong, all problems of keys and values at once.
    let load (file: string) (assignments: string seq) : Settings =
        withArguments (chain [ Path.GetFullPath file ] file) assignments
        |> SettingsSchema.decode file

    /// Settings from text that names no base, such as those a checkpoint carries. `name` stands for the file in messages.
    let parse (name: string) (text: string) (assignments: string seq) : Settings =
        match take "base" (Parse.file name (Encoding.UTF8.GetBytes text)) with
        | Some given, _ -> raise (InputError $"{given.Place}: settings of a checkpoint name no base")
        | None, node -> withArguments node assignments |> SettingsSchema.decode name

    /// The settings as resolved: complete JSON text that `parse` and `load` read back to equal settings.
    let toJson (settings: Settings) : string = SettingsSchema.encode settings
