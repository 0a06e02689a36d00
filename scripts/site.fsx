// The documentation as HTML that needs no server, network or script: README.md, docs/*.md and what they link to.
//
//   dotnet fsi scripts/site.fsx [FOLDER]
//
// FOLDER is site/ where none is named; index.html in it is the first page. The first run fetches Markdig by NuGet.
#r "nuget: Markdig, 0.45.0"
#load "lib/Site.fs"

open System.IO

let folder =
    match List.ofArray fsi.CommandLineArgs |> List.tail with
    | [] -> "site"
    | [ folder ] -> folder
    | _ ->
        eprintfn "one folder at most: dotnet fsi scripts/site.fsx [FOLDER]"
        exit 2

let pages = Site.write (Path.Combine(__SOURCE_DIRECTORY__, "..")) folder
printfn "%d pages: %s" pages.Length (Path.Combine(folder, "index.html"))
