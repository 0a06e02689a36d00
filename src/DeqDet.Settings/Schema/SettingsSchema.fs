namespace DeqDet.Settings.Schema

open DeqDet
open DeqDet.Settings
open DeqDet.Settings.Json

/// The whole of a settings file.
module SettingsSchema =

    let private root: Lazy<Section> =
        lazy (Records.section Rules.check "" typeof<Settings>)

    let reference: Lazy<Entry list> =
        lazy (Section.describe root.Value "" Settings.defaults)

    /// What differs between the settings of two runs, in the order of the reference.
    let compare (before: Settings) (now: Settings) : Change list =
        Section.compare root.Value "" before now

    let private render (source: string) (problems: Problem list) : string =
        let line (problem: Problem) =
            let place = problem.Place |> Option.map string |> Option.defaultValue source

            match problem.Key with
            | "" -> $"{place}: {problem.Text}"
            | key -> $"{place}: {key} {problem.Text}"

        match problems with
        | [ only ] -> line only
        | several ->
            let lines = several |> List.map line |> String.concat "\n  "
            $"{several.Length} problems in the settings:\n  {lines}"

    /// The settings that a tree means. InputError with every problem found; `source` stands where a place is missing.
    let decode (source: string) (node: Node) : Settings =
        let reading =
            {
                Path = ""
                Known = reference.Value |> List.map _.Path
            }

        match Section.read root.Value Settings.defaults reading node with
        | Ok settings -> unbox<Settings> settings
        | Error problems -> raise (InputError(render source problems))

    /// All settings as JSON text that `decode` reads back to the same.
    let encode (settings: Settings) : string =
        Section.write root.Value "" settings + "\n"
