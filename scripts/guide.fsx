// The code of docs/library.md as two programs, so that it is compiled and run: each block becomes a function, called in the order of the page.
//
//   dotnet fsi scripts/guide.fsx docs/library.md OUT
//
// writes OUT/csharp and OUT/fsharp, with the project file that the page shows.
open System
open System.IO
open System.Text.RegularExpressions

let page, out =
    match fsi.CommandLineArgs with
    | [| _; page; out |] -> File.ReadAllText page, out
    | _ -> failwith "usage: dotnet fsi scripts/guide.fsx PAGE OUT"

/// The lines of each block of a language.
let blocks (language: string) : string list list =
    [
        for block in
            Regex.Matches(page, $"^```{language}\n(.*?)^```", RegexOptions.Multiline ||| RegexOptions.Singleline) ->
            List.ofArray (block.Groups[1].Value.TrimEnd().Split '\n')
    ]

/// The lines of a block that begin with a word, which belong at the top, and the others.
let hoisted (pattern: string) (block: string list) : string list * string list =
    block |> List.partition (fun line -> Regex.IsMatch(line, pattern))

let indented (spaces: int) (lines: string list) =
    lines
    |> List.map (fun line -> if line = "" then "" else String(' ', spaces) + line)

let write (path: string) (lines: string list) =
    Directory.CreateDirectory(Path.GetDirectoryName path) |> ignore
    File.WriteAllLines(path, lines)

let csharp = blocks "csharp" |> List.map (hoisted @"^using [\w.]+;$")
let fsharp = blocks "fsharp" |> List.map (hoisted @"^open ")

let project =
    match blocks "xml" with
    | [ project ] -> project
    | several -> failwith $"{several.Length} project files on the page; one is wanted"

if csharp.IsEmpty || fsharp.IsEmpty then
    failwith "the page has no code"

let heading (number: int) = $"-- block {number}"

write
    (Path.Combine(out, "csharp", "Program.cs"))
    [
        yield! csharp |> List.collect fst |> List.distinct

        for number, _ in List.indexed csharp do
            $"Console.WriteLine(\"{heading (number + 1)}\");"
            $"await Blocks.Block{number + 1}();"

        "static class Blocks"
        "{"

        for number, (_, body) in List.indexed csharp do
            $"    public static async Task Block{number + 1}()"
            "    {"
            "        await Task.CompletedTask;"
            yield! indented 8 body
            "    }"

        "}"
    ]

write (Path.Combine(out, "csharp", "Guide.csproj")) project

write
    (Path.Combine(out, "fsharp", "Program.fs"))
    [
        "module Guide"

        for number, (opens, body) in List.indexed fsharp do
            $"module Block{number + 1} ="
            yield! indented 4 opens
            "    let run () ="
            yield! indented 8 body

        "[<EntryPoint>]"
        "let main _ ="

        for number, _ in List.indexed fsharp do
            $"    printfn \"{heading (number + 1)}\""
            $"    Block{number + 1}.run ()"

        "    0"
    ]

write
    (Path.Combine(out, "fsharp", "Guide.fsproj"))
    [
        for line in project do
            if line.Trim() = "<ItemGroup>" then
                "  <ItemGroup>"
                "    <Compile Include=\"Program.fs\" />"
                "  </ItemGroup>"

            // C#'s
            if not (Regex.IsMatch(line, "<(Nullable|ImplicitUsings)>")) then
                line
    ]

printfn $"{csharp.Length} blocks of C#, {fsharp.Length} of F#"
