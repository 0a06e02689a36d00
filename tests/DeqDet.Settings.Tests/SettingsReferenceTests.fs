module DeqDet.Tests.SettingsReferenceTests

open System
open System.IO
open Expecto
open DeqDet.Settings.Schema
open DeqDet.Tests.SettingsFiles

let private start =
    "<!-- generated from the schema: DEQDET_WRITE_DOCS=1 dotnet run --project tests/DeqDet.Settings.Tests writes it -->"

let private finish = "<!-- end -->"

/// What a resumed run may do to a setting.
let private word (rule: ResumeRule) =
    match rule with
    | Fixed -> "fixed"
    | Noticed -> "noticed"
    | Free -> "free"

/// The reference as Markdown: a table a section.
let private tables () : string =
    let entries = SettingsSchema.reference.Value
    let cell (text: string) = text.Replace("|", "\\|")

    let row (entry: Entry) =
        match entry.AtResume with
        | None -> $"| **`{entry.Path}`** | | | | {cell entry.Doc} |"
        | Some rule ->
            $"| `{entry.Path}` | {cell entry.Kind} | `{cell entry.Default}` | {word rule} | {cell entry.Doc} |"

    let head =
        [
            "| key | value | default | at a resume | meaning |"
            "| --- | --- | --- | --- | --- |"
        ]

    let isTop (entry: Entry) = not (entry.Path.Contains '.')

    let sections =
        entries
        |> List.filter (fun entry -> isTop entry && entry.Kind = "")
        |> List.map (fun section ->
            let rows =
                entries
                |> List.filter (fun entry -> entry.Path.StartsWith(section.Path + "."))
                |> List.map row

            [ $"### {section.Path}"; ""; section.Doc; "" ] @ head @ rows @ [ "" ])

    let plain =
        entries
        |> List.filter (fun entry -> isTop entry && entry.Kind <> "")
        |> List.map row

    [ [ "### Top level"; "" ] @ head @ plain @ [ "" ] ] @ sections
    |> List.concat
    |> String.concat "\n"

/// Which settings a resumed run has to keep and which it may change, a rule a row; `section.*` where all keys of a section share it.
let private resumeTable () : string =
    let keys =
        SettingsSchema.reference.Value
        |> List.choose (fun entry ->
            entry.AtResume
            |> Option.map (fun rule -> List.ofArray (entry.Path.Split '.'), rule))
        |> List.filter (fun (path, _) -> not (List.exists (fun (part: string) -> part.EndsWith "[]") path))

    /// Names, in order, of those below a prefix that have a rule.
    let rec named (rule: ResumeRule) (prefix: string) (keys: (string list * ResumeRule) list) : string list =
        keys
        |> List.groupBy (fst >> List.head)
        |> List.collect (fun (head, group) ->
            let own, deeper = group |> List.partition (fun (path, _) -> path.Tail.IsEmpty)

            [
                if own |> List.exists (fun (_, of') -> of' = rule) then
                    prefix + head

                match deeper with
                | [] -> ()
                | _ when deeper |> List.forall (fun (_, of') -> of' = rule) -> $"{prefix}{head}.*"
                | _ -> yield! named rule $"{prefix}{head}." [ for path, of' in deeper -> path.Tail, of' ]
            ])

    let row (rule: ResumeRule) =
        let names = named rule "" keys |> List.map (sprintf "`%s`") |> String.concat ", "

        $"| {word rule} | {names} |"

    [ "| at a resume | settings |"; "| --- | --- |" ]
    @ List.map row [ Fixed; Noticed; Free ]
    @ [ "" ]
    |> String.concat "\n"

/// A page holds what the schema makes, between two marks; with DEQDET_WRITE_DOCS=1 it is put there.
let private holds (page: string) (made: string) =
    let path = Path.Combine(root, "docs", page)
    let text = File.ReadAllText path
    let first = text.IndexOf start + start.Length
    let last = text.IndexOf finish
    Expect.isTrue (text.Contains start && last > first) "both marks are there"
    let wanted = $"\n\n{made}\n"

    if Environment.GetEnvironmentVariable "DEQDET_WRITE_DOCS" = "1" then
        File.WriteAllText(path, text.Substring(0, first) + wanted + text.Substring last)
    else
        Expect.equal
            (text.Substring(first, last - first))
            wanted
            "out of date: DEQDET_WRITE_DOCS=1 dotnet run --project tests/DeqDet.Settings.Tests"

[<Tests>]
let tests =
    testList
        "Settings reference"
        [
            testCase "docs/settings.md holds the reference as the schema makes it"
            <| fun () -> holds "settings.md" (tables ())

            testCase "docs/reliability.md holds which settings a resumed run may change"
            <| fun () -> holds "reliability.md" (resumeTable ())
        ]
