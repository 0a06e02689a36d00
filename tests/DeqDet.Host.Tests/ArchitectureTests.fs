/// docs/architecture.md against the projects: the picture, the table, and which packages a project may bring along.
module DeqDet.Tests.ArchitectureTests

open System.IO
open System.Text.Json
open System.Text.RegularExpressions
open System.Xml.Linq
open Expecto

let private root = Path.GetFullPath(Path.Combine(GoldenFolder.path "", "..", ".."))

let private page =
    lazy File.ReadAllText(Path.Combine(root, "docs", "architecture.md"))

/// DeqDet.Model -> Model.
let private shortName (path: string) =
    (Path.GetFileNameWithoutExtension(path.Replace('\\', '/'))).Replace("DeqDet.", "")

/// The project files of src/ by short name.
let private projects =
    lazy
        (Directory.GetFiles(Path.Combine(root, "src"), "*.*proj", SearchOption.AllDirectories)
         |> Array.map (fun file -> shortName file, file)
         |> Map.ofArray)

let private references =
    lazy
        (projects.Value
         |> Map.map (fun _ file ->
             set
                 [
                     for reference in XDocument.Load(file).Descendants(XName.Get "ProjectReference") ->
                         shortName (reference.Attribute(XName.Get "Include").Value)
                 ]))

/// A project and everything it reaches.
let rec private reached (project: string) : Set<string> =
    references.Value[project]
    |> Seq.map reached
    |> Seq.fold Set.union (Set.singleton project)

/// The references that no other reference brings along.
let private needed (project: string) : Set<string> =
    let direct = references.Value[project]

    direct
    |> Set.filter (fun reference ->
        not (
            direct
            |> Set.exists (fun other -> other <> reference && (reached other).Contains reference)
        ))

/// The arrows of the page's picture.
let private drawn () =
    let picture =
        Regex.Match(page.Value, @"```mermaid\n(.*?)```", RegexOptions.Singleline)

    Expect.isTrue picture.Success "docs/architecture.md has a Mermaid picture"

    set
        [
            for arrow in Regex.Matches(picture.Groups[1].Value, @"^\s*(\w+) --> (\w+)\s*$", RegexOptions.Multiline) ->
                arrow.Groups[1].Value, arrow.Groups[2].Value
        ]

let private arrows pairs =
    [ for from, towards in Set.toSeq pairs -> $"{from} --> {towards}" ]

/// Packages that a project and all it reaches ask for.
let private packages (project: string) =
    set
        [
            for reached in reached project do
                let folder = Path.GetDirectoryName projects.Value[reached]

                for line in File.ReadAllLines(Path.Combine(folder, "paket.references")) do
                    if line.Trim() <> "" then
                        line.Trim()
        ]

/// Packages that the last restore of a project brought, those that packages bring along among them.
let private restored (project: string) =
    let assets =
        Path.Combine(Path.GetDirectoryName projects.Value[project], "obj", "project.assets.json")

    use document = JsonDocument.Parse(File.ReadAllText assets)

    [
        for library in document.RootElement.GetProperty("libraries").EnumerateObject() do
            if library.Value.GetProperty("type").GetString() = "package" then
                (library.Name.Split '/')[0]
    ]

let private isOf (families: string list) (package: string) =
    families
    |> List.exists (fun family -> package.StartsWith(family, System.StringComparison.OrdinalIgnoreCase))

[<Tests>]
let tests =
    testList
        "Architecture"
        [
            testCase "the picture has an arrow for each reference that no other brings along, and no others"
            <| fun () ->
                let wanted =
                    set
                        [
                            for KeyValue(project, _) in projects.Value do
                                for reference in needed project -> project, reference
                        ]

                Expect.equal (arrows (Set.difference wanted (drawn ()))) [] "arrows to add to docs/architecture.md"
                Expect.equal (arrows (Set.difference (drawn ()) wanted)) [] "arrows to take out of docs/architecture.md"

            testCase "the table lists every project, with its language"
            <| fun () ->
                let listed =
                    [
                        for row in
                            Regex.Matches(page.Value, @"^\| `DeqDet\.(\w+)` \| (C#|F#) \|", RegexOptions.Multiline) ->
                            row.Groups[1].Value, row.Groups[2].Value
                    ]

                let language (file: string) =
                    if file.EndsWith("fsproj", System.StringComparison.Ordinal) then
                        "F#"
                    else
                        "C#"

                Expect.equal
                    (List.sort listed)
                    [ for KeyValue(project, file) in projects.Value -> project, language file ]
                    "projects"

            for project, forbidden in
                [
                    "Base", [ "TorchSharp"; "libtorch"; "SkiaSharp"; "NetVips"; "Argu"; "Spectre" ]
                    "Coco", [ "TorchSharp"; "libtorch"; "SkiaSharp"; "NetVips"; "Argu"; "Spectre" ]
                    "Images", [ "TorchSharp"; "libtorch"; "Argu"; "Spectre" ]
                    "Checkpoints", [ "libtorch"; "SkiaSharp"; "NetVips"; "Argu"; "Spectre" ]
                    "Solver", [ "libtorch"; "SkiaSharp"; "NetVips"; "Argu"; "Spectre" ]
                    "Model", [ "libtorch"; "SkiaSharp"; "NetVips"; "Argu"; "Spectre" ]
                    "Detection", [ "libtorch"; "Argu"; "Spectre" ]
                ] do
                let families = String.concat ", " forbidden

                testCase $"{project} brings none of {families}"
                <| fun () ->
                    Expect.equal (packages project |> Seq.filter (isOf forbidden) |> List.ofSeq) [] "asked for"

                    // TorchSharp has packages of its own
                    if not ((packages project).Contains "TorchSharp") then
                        Expect.equal (restored project |> List.filter (isOf forbidden)) [] "restored"
        ]
