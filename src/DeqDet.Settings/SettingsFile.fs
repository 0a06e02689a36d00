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

    /// Where the text of settings comes from.
    type private Source =
        | OnDisk of file: string
        /// A file of configs/ that the program carries.
        | Carried of name: string

        /// What messages call it.
        member source.Name =
            match source with
            | OnDisk file -> file
            | Carried name -> Configurations.path name

        /// Equal for two ways to one file.
        member source.Full =
            match source with
            | OnDisk file -> Path.GetFullPath file
            | Carried name -> Configurations.path name

    /// A file wins over a configuration of its name.
    let private sourceOf (file: string) : Source =
        match Configurations.tryFind file with
        | Some name when not (File.Exists file) -> Carried name
        | _ -> OnDisk file

    let private suggestion (file: string) =
        let folder =
            match Path.GetDirectoryName file with
            | null
            | "" -> "."
            | folder -> folder

        let onDisk =
            if Directory.Exists folder then
                Directory.GetFiles(folder, "*.json")
                |> Array.map (fun path -> Path.Combine(folder, Path.GetFileName path))
                |> Array.sort
                |> List.ofArray
            else
                []

        let byName =
            onDisk @ Configurations.candidates file
            |> List.map (fun path -> Path.GetFileName path, path)

        match Nearest.find (List.map fst byName) (Path.GetFileName file) with
        | Some name -> $"did you mean {byName |> List.find (fun (known, _) -> known = name) |> snd}?"
        | None when not (Directory.Exists folder) ->
            $"there is no folder {folder} (the current directory is {Directory.GetCurrentDirectory()})"
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

    let private textOf (source: Source) : byte[] =
        match source with
        | OnDisk file -> bytesOf file
        | Carried name -> Configurations.bytes name

    /// What `base` names: a file beside the one that names it, else a configuration that the program carries.
    let private baseOf (source: Source) (name: string) : Source =
        match source with
        | Carried _ ->
            match Configurations.tryFind name with
            | Some known -> Carried known
            | None -> OnDisk name
        | OnDisk file ->
            let beside =
                match Path.GetDirectoryName file with
                | null
                | "" -> name
                | folder -> Path.Combine(folder, name)

            match Configurations.tryFind name with
            | Some known when not (File.Exists beside) -> Carried known
            | _ -> OnDisk beside

    /// Settings merged over their bases. `visited` are the sources on the way here.
    let rec private chain (visited: Source list) (source: Source) : Node =
        match take "base" (Parse.file source.Name (textOf source)) with
        | None, node -> node
        | Some { Value = Text name; Place = place }, node when name <> "" ->
            let next = baseOf source name

            if visited |> List.exists (fun earlier -> earlier.Full = next.Full) then
                let way =
                    visited
                    |> List.rev
                    |> List.map (fun earlier -> Path.GetFileName earlier.Full)
                    |> String.concat " -> "

                raise (
                    InputError
                        $"{place}: base goes in a circle: {way} -> {Path.GetFileName next.Full}; remove one of the bases"
                )

            match next with
            | OnDisk file when not (File.Exists file) ->
                raise (
                    InputError
                        $"{place}: base names {file}, which does not exist (base is relative to the file that names it); {suggestion file}"
                )
            | _ -> Node.merge (chain (next :: visited) next) node
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

    let private resolve (source: Source) (assignments: string seq) : Settings =
        withArguments (chain [ source ] source) assignments
        |> SettingsSchema.decode source.Name

    /// Reads a settings file with its bases and applies `KEY=VALUE` assignments, later ones winning. A name that is no file, but
    /// of configs/ (`configs/shapes.json`, `deqdet_r50_1x_coco`), stands for what the program carries of it. InputError with file,
    /// line, column, key and remedy for whatever is wrong, all problems of keys and values at once.
    let load (file: string) (assignments: string seq) : Settings = resolve (sourceOf file) assignments

    /// The published models of configs/ by name, in ordinal order, with `KEY=VALUE` assignments applied: those that the program
    /// carries, whatever lies on the disk.
    let official (assignments: string seq) : (string * Settings) list =
        Configurations.official
        |> List.map (fun name -> name, resolve (Carried name) assignments)

    /// Settings from text that names no base, such as those a checkpoint carries. `name` stands for the file in messages.
    let parse (name: string) (text: string) (assignments: string seq) : Settings =
        match take "base" (Parse.file name (Encoding.UTF8.GetBytes text)) with
        | Some given, _ -> raise (InputError $"{given.Place}: settings of a checkpoint name no base")
        | None, node -> withArguments node assignments |> SettingsSchema.decode name

    /// The settings as resolved: complete JSON text that `parse` and `load` read back to equal settings.
    let toJson (settings: Settings) : string = SettingsSchema.encode settings
