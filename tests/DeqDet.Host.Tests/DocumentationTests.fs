/// The pages for people: what they point at is there.
module DeqDet.Tests.DocumentationTests

open System.IO
open System.Text.RegularExpressions
open Expecto

let private root = Path.GetFullPath(Path.Combine(GoldenFolder.path "", "..", ".."))

let private pages =
    [
        yield! Directory.GetFiles(root, "*.md")
        yield! Directory.GetFiles(Path.Combine(root, "docs"), "*.md")
    ]

/// What else names paths: comments of the build and of scripts.
let private others =
    [
        yield! Directory.GetFiles(Path.Combine(root, "build"), "*.targets")
        yield! Directory.GetFiles(Path.Combine(root, ".ci"))
        yield! Directory.GetFiles(Path.Combine(root, "scripts"), "*.fsx")
    ]

let private exists (path: string) =
    File.Exists path || Directory.Exists path

/// What readers make themselves, or a build.
let private isMade (path: string) =
    path = "configs/mine.json" || Regex.IsMatch(path, @"/(bin|obj)(/|$)")

/// Paths of the repository in running text and in commands.
let private named =
    Regex(@"(?<![\w./-])(?:src|tests|docs|bench|scripts|configs|build|samples(?!/s\b)|\.ci)/[\w./-]*[\w/]")

let private links = Regex(@"\]\(([^)#\s]*)(#[^)\s]*)?\)")

/// The anchors of a page's headings, as GitHub makes them.
let private anchors (page: string) =
    set
        [
            for heading in Regex.Matches(File.ReadAllText page, @"^#+ (.*)$", RegexOptions.Multiline) do
                let plain =
                    Regex.Replace(heading.Groups[1].Value.Trim().ToLowerInvariant(), @"[^\w\- ]", "")

                "#" + plain.Replace(' ', '-')
        ]

[<Tests>]
let tests =
    testList
        "Documentation"
        [
            for page in pages @ others do
                testCase $"{Path.GetFileName page}: every path that is named exists"
                <| fun () ->
                    let missing =
                        [
                            for found in named.Matches(File.ReadAllText page) do
                                if not (isMade found.Value || exists (Path.Combine(root, found.Value))) then
                                    found.Value
                        ]

                    Expect.equal missing [] "missing"

            for page in pages do
                testCase $"{Path.GetFileName page}: every link leads somewhere"
                <| fun () ->
                    let missing =
                        [
                            for link in links.Matches(File.ReadAllText page) do
                                let target, anchor = link.Groups[1].Value, link.Groups[2].Value

                                if not (Regex.IsMatch(target, "^https?:")) then
                                    let file =
                                        if target = "" then
                                            page
                                        else
                                            Path.Combine(Path.GetDirectoryName page, target)

                                    if not (exists file) || (anchor <> "" && not ((anchors file).Contains anchor)) then
                                        link.Value
                        ]

                    Expect.equal missing [] "broken"
        ]
