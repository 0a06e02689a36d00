module DeqDet.Tests.SettingsReferenceTests

open System
open System.IO
open Expecto
open DeqDet.Settings.Schema
open DeqDet.Tests.SettingsFiles

let private start =
    "<!-- generated from the schema: DEQDET_WRITE_DOCS=1 dotnet run --project tests/DeqDet.Settings.Tests writes it -->"

let private finish = "<!-- end -->"
let private path = Path.Combine(root, "docs", "settings.md")

/// The reference as Markdown: a table a section.
let private tables () : string =
    let entries = SettingsSchema.reference.Value
    let cell (text: string) = text.Replace("|", "\\|")

    let row (entry: Entry) =
        if entry.Kind = "" then
            $"| **`{entry.Path}`** | | | {cell entry.Doc} |"
        else
            $"| `{entry.Path}` | {cell entry.Kind} | `{cell entry.Default}` | {cell entry.Doc} |"

    let head = [ "| key | value | default | meaning |"; "| --- | --- | --- | --- |" ]

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

[<Tests>]
let tests =
    testList
        "Settings reference"
        [
            testCase "docs/settings.md holds the reference as the schema makes it"
            <| fun () ->
                let text = File.ReadAllText path
                let first = text.IndexOf start + start.Length
                let last = text.IndexOf finish
                Expect.isTrue (text.Contains start && last > first) "both marks are there"
                let wanted = $"\n\n{tables ()}\n"

                if Environment.GetEnvironmentVariable "DEQDET_WRITE_DOCS" = "1" then
                    File.WriteAllText(path, text.Substring(0, first) + wanted + text.Substring last)
                else
                    Expect.equal
                        (text.Substring(first, last - first))
                        wanted
                        "out of date: DEQDET_WRITE_DOCS=1 dotnet run --project tests/DeqDet.Settings.Tests"
        ]
