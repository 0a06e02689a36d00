/// The documentation as a site: README.md, docs/*.md and what they link to, as HTML files beside each other that need no server, network or script.
module Site

open System
open System.Collections.Generic
open System.IO
open System.Net
open System.Text.RegularExpressions
open Markdig
open Markdig.Extensions.AutoIdentifiers
open Markdig.Extensions.Tables
open Markdig.Renderers.Html
open Markdig.Syntax
open Markdig.Syntax.Inlines

/// The navigation: groups of pages by their paths in the repository. What docs/ has besides is put under the last one.
let private groups =
    [
        "Start", [ "docs/index.md"; "README.md"; "docs/troubleshooting.md"; "docs/moving.md" ]
        "Use",
        [
            "docs/data.md"
            "docs/training.md"
            "docs/detect.md"
            "docs/evaluation.md"
            "docs/checkpoints.md"
            "docs/onnx.md"
            "docs/serve.md"
            "docs/library.md"
            "docs/settings.md"
        ]
        "Understand",
        [
            "docs/mathematics.md"
            "docs/equilibrium.md"
            "docs/solver.md"
            "docs/results.md"
            "docs/verification.md"
            "docs/goldens.md"
        ]
        "Run",
        [
            "docs/performance.md"
            "docs/scaling.md"
            "docs/reliability.md"
            "docs/gpu.md"
        ]
        "Change",
        [
            "docs/architecture.md"
            "CONTRIBUTING.md"
            "docs/dependencies.md"
            "CHANGELOG.md"
        ]
    ]

let private isPicture (path: string) =
    List.contains (Path.GetExtension(path).ToLowerInvariant()) [ ".png"; ".jpg"; ".jpeg"; ".gif"; ".webp"; ".svg" ]

/// The file of the site for a path of the repository: all in one folder, so that links need no climbing, pictures in one below.
let private fileFor (path: string) =
    if isPicture path then
        "images/" + Path.GetFileName path
    else
        match Path.GetDirectoryName path, Path.GetExtension path with
        | ("docs" | ""), ".md" -> Path.GetFileNameWithoutExtension(path).ToLowerInvariant() + ".html"
        | _ -> path.TrimEnd('/').Replace('/', '.') + ".html"

let private pipeline =
    MarkdownPipelineBuilder().UsePipeTables().UseAutoLinks().UseAutoIdentifiers(AutoIdentifierOptions.GitHub).Build()

/// What one file becomes: its title, its second-level headings with their anchors, and the files of the repository that it links to.
type private Content =
    {
        Title: string
        Html: string
        Sections: (string * string) list
        Linked: string list
    }

/// A heading's text without marks.
let private plain (block: LeafBlock) =
    let rec text (part: Inline) =
        match part with
        | :? LiteralInline as literal -> literal.Content.ToString()
        | :? CodeInline as code -> code.Content
        | :? ContainerInline as container -> container |> Seq.map text |> String.concat ""
        | _ -> ""

    text block.Inline

/// A path from the repository's root, given a link in a file: None where it leads out of the repository.
let private resolve (root: string) (from: string) (link: string) : string option =
    let full =
        Path.GetFullPath(Path.Combine(root, Path.GetDirectoryName from, Uri.UnescapeDataString link))

    let relative = Path.GetRelativePath(root, full).Replace('\\', '/')
    if relative.StartsWith ".." then None else Some relative

let private markdown (root: string) (path: string) : Content =
    let document = Markdown.Parse(File.ReadAllText(Path.Combine(root, path)), pipeline)

    let linked = List<string>()

    for link in document.Descendants<LinkInline>() do
        if not (String.IsNullOrEmpty link.Url || Regex.IsMatch(link.Url, "^([a-z]+:|#)")) then
            let target, anchor =
                match link.Url.IndexOf '#' with
                | -1 -> link.Url, ""
                | at -> link.Url[.. at - 1], link.Url[at..]

            match resolve root path target with
            | Some found ->
                linked.Add found
                link.Url <- fileFor found + anchor
            | None -> ()

    // a pipe within code within a table has to be escaped there, and GitHub shows it without
    for table in document.Descendants<Table>() do
        for code in table.Descendants<CodeInline>() do
            code.Content <- code.Content.Replace("\\|", "|")

    let headings = List.ofSeq (document.Descendants<HeadingBlock>())

    {
        Title =
            headings
            |> List.tryFind (fun heading -> heading.Level = 1)
            |> Option.map plain
            |> Option.defaultValue path
        // a table, or code, scrolls by itself where a screen is narrower, and can be scrolled by keys
        Html =
            document
                .ToHtml(pipeline)
                .Replace("<table>", "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"table\"><table>")
                .Replace("</table>", "</table></div>")
                .Replace("<pre>", "<pre tabindex=\"0\">")
        Sections =
            [
                for heading in headings do
                    if heading.Level = 2 then
                        plain heading, heading.GetAttributes().Id
            ]
        Linked = List.ofSeq linked
    }

let private escaped (text: string) = WebUtility.HtmlEncode text

/// A file that is no Markdown, as it is; of a folder the names in it.
let private listing (root: string) (path: string) : Content =
    let full = Path.Combine(root, path)

    let text =
        if Directory.Exists full then
            Directory.GetFileSystemEntries full
            |> Array.map Path.GetFileName
            |> Array.filter (fun name -> not (List.contains name [ "bin"; "obj"; ".git" ]))
            |> Array.sortWith (fun a b -> String.CompareOrdinal(a, b))
            |> String.concat "\n"
        else
            File.ReadAllText full

    {
        Title = path
        Html = $"<h1>{escaped path}</h1>\n<pre tabindex=\"0\"><code>{escaped text}</code></pre>\n"
        Sections = []
        Linked = []
    }

/// The colours of the program's own pages, light and dark.
let private colours (root: string) =
    let sheet =
        File.ReadAllText(Path.Combine(root, "src", "DeqDet.Reports", "Pages", "Resources", "evaluation.css"))

    sheet[.. sheet.IndexOf "* {" - 1]

let private frame (style: string) (navigation: string) (path: string) (content: Content) =
    let current =
        navigation.Replace($"href=\"{fileFor path}\"", $"href=\"{fileFor path}\" aria-current=\"page\"")

    let sections =
        if content.Sections.Length < 3 then
            ""
        else
            content.Sections
            |> List.map (fun (title, anchor) -> $"<li><a href=\"#{anchor}\">{escaped title}</a></li>")
            |> String.concat "\n"
            |> sprintf
                "<details class=\"sections\"><summary>On this page</summary><nav aria-label=\"On this page\"><ul>\n%s\n</ul></nav></details>\n"

    String.concat
        "\n"
        [
            "<!doctype html>"
            "<html lang=\"en\">"
            "<head>"
            "<meta charset=\"utf-8\">"
            "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; img-src 'self' file: data:\">"
            "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">"
            "<meta name=\"color-scheme\" content=\"light dark\">"
            $"<title>{escaped content.Title} · DeqDet</title>"
            $"<style>\n{style}</style>"
            "</head>"
            "<body>"
            "<a class=\"skip\" href=\"#text\">To the text</a>"
            "<details class=\"pages\"><summary>DeqDet: all pages</summary>"
            $"<nav aria-label=\"Pages\">{current}</nav></details>"
            $"<nav class=\"side\" aria-label=\"All pages\">{current}</nav>"
            "<main id=\"text\" tabindex=\"-1\">"
            sections + content.Html + "</main>"
            "</body>"
            "</html>"
            ""
        ]

/// Writes the site of the repository at `root` into a folder, which is made where it is missing. Returns the names of its pages.
let write (root: string) (folder: string) : string list =
    let root = Path.GetFullPath root

    let exists path =
        File.Exists(Path.Combine(root, path))
        || Directory.Exists(Path.Combine(root, path))

    let listed = groups |> List.collect snd |> set

    let others =
        [
            for file in Directory.GetFiles(Path.Combine(root, "docs"), "*.md") |> Array.sort do
                "docs/" + Path.GetFileName file
        ]
        |> List.filter (listed.Contains >> not)

    let groups =
        groups
        |> List.mapi (fun i (name, pages) ->
            name, List.filter exists pages @ (if i = groups.Length - 1 then others else []))

    let contents = Dictionary<string, Content>()
    let pictures = HashSet<string>()

    let rec take (path: string) =
        if isPicture path then
            pictures.Add path |> ignore
        elif not (contents.ContainsKey path) && exists path then
            let content =
                if path.EndsWith ".md" then
                    markdown root path
                else
                    listing root path

            contents[path] <- content
            List.iter take content.Linked

    for _, pages in groups do
        List.iter take pages

    let navigation =
        [
            for name, pages in groups do
                $"<p>{name}</p>\n<ul>"

                for page in pages do
                    $"<li><a href=\"{fileFor page}\">{escaped contents[page].Title}</a></li>"

                "</ul>"
        ]
        |> String.concat "\n"

    let style =
        colours root
        + File.ReadAllText(Path.Combine(root, "scripts", "lib", "site.css"))

    Directory.CreateDirectory(Path.Combine(folder, "images")) |> ignore

    for picture in pictures do
        File.Copy(Path.Combine(root, picture), Path.Combine(folder, fileFor picture), overwrite = true)

    for KeyValue(path, content) in contents do
        File.WriteAllText(Path.Combine(folder, fileFor path), frame style navigation path content)

    [ for path in contents.Keys -> fileFor path ]
