/// The documentation as a site: every link leads somewhere, and nothing comes from outside.
module DeqDet.Tests.SiteTests

open System
open System.IO
open System.Net
open System.Text.RegularExpressions
open Expecto

/// The repository.
let root = Path.GetFullPath(Path.Combine(GoldenFolder.path "", "..", ".."))

/// The site of this repository, in a folder that is removed afterwards.
let inSite (body: string -> string list -> unit) =
    let folder = Directory.CreateTempSubdirectory("deqdet-site").FullName

    try
        body folder (Site.write root folder)
    finally
        Directory.Delete(folder, true)

let private read folder (page: string) =
    File.ReadAllText(Path.Combine(folder, page))

let private targets (html: string) =
    [
        for link in Regex.Matches(html, "href=\"([^\"]*)\"") do
            WebUtility.HtmlDecode link.Groups[1].Value
    ]

let private ids (html: string) =
    [
        for id in Regex.Matches(html, " id=\"([^\"]*)\"") do
            id.Groups[1].Value
    ]

/// Links of a page that lead nowhere: no such file, or no such place in it.
let private broken folder page =
    [
        for target in targets (read folder page) do
            if not (target.StartsWith "https://") then
                let file, anchor =
                    match target.Split '#' with
                    | [| file; anchor |] -> file, anchor
                    | _ -> target, ""

                let file = if file = "" then page else Uri.UnescapeDataString file

                if
                    not (File.Exists(Path.Combine(folder, file)))
                    || (anchor <> "" && not (List.contains anchor (ids (read folder file))))
                then
                    target
    ]

[<Tests>]
let tests =
    testList
        "Site"
        [
            testCase "every link leads to a page and to a place that is there"
            <| fun () ->
                inSite (fun folder pages ->
                    let all =
                        [
                            for page in pages do
                                for target in broken folder page -> page, target
                        ]

                    Expect.equal all [] "broken"

                    // and a broken one would be found
                    File.AppendAllText(Path.Combine(folder, "index.html"), "<a href=\"index.html#nowhere\"></a>")
                    Expect.equal (broken folder "index.html") [ "index.html#nowhere" ] "found")

            testCase "nothing is loaded from outside, and no script is needed"
            <| fun () ->
                inSite (fun folder pages ->
                    for page in pages do
                        // what stands in code is text
                        let html =
                            Regex.Replace(read folder page, "<code.*?</code>", "", RegexOptions.Singleline)

                        for other in [ "<script"; "<link"; "@import"; "url("; "<iframe"; "srcset" ] do
                            Expect.isFalse
                                (html.Contains(other, StringComparison.OrdinalIgnoreCase))
                                $"{page}: {other}"

                        for source in Regex.Matches(html, "src=\"([^\"]*)\"") do
                            let picture = source.Groups[1].Value
                            Expect.stringStarts picture "images/" page
                            Expect.isTrue (File.Exists(Path.Combine(folder, picture))) $"{page}: {picture}"

                        Expect.equal (ids html) (List.distinct (ids html)) $"{page}: anchors")

            testCase "every page of docs/ is there, and can be reached from each"
            <| fun () ->
                inSite (fun folder pages ->
                    let expected =
                        set
                            [
                                for file in Directory.GetFiles(Path.Combine(root, "docs"), "*.md") do
                                    Path.GetFileNameWithoutExtension file + ".html"

                                "readme.html"
                            ]

                    for page in pages do
                        let reached = set (targets (read folder page))
                        Expect.isTrue (Set.isSubset expected reached) page)

            testCase "a pipe within code within a table comes out as GitHub shows it"
            <| fun () ->
                inSite (fun folder _ ->
                    let html = read folder "readme.html"
                    Expect.stringContains html "auto|cpu|cuda" "README's table of commands"
                    Expect.isFalse (html.Contains "\\|") "the escape")

            testCase "the script takes the Markdig of the tests"
            <| fun () ->
                let script = File.ReadAllText(Path.Combine(root, "scripts", "site.fsx"))
                let locked = File.ReadAllText(Path.Combine(root, "paket.lock"))
                let asked = Regex.Match(script, "nuget: Markdig, ([0-9.]+)\"")
                Expect.isTrue asked.Success "scripts/site.fsx names it"
                Expect.stringContains locked $"Markdig ({asked.Groups[1].Value})" "paket.lock"
        ]
