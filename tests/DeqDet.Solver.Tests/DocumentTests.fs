/// The table of evaluations in docs/solver.md is what is measured here.
module DeqDet.Solver.Tests.DocumentTests

open System
open System.IO
open Expecto
open TorchSharp
open DeqDet.Solver
open DeqDet.Solver.Tests.Problems

let private cell (counts: int option list) =
    counts
    |> List.map (fun count ->
        match count with
        | Some count -> string count
        | None -> "-")
    |> String.concat " / "

/// A column: its heading and the count it holds for a problem and a tolerance.
let private columns: (string * (Problem -> string -> int option)) list =
    let ours scheme problem (tolerance: string) =
        use _ = torch.NewDisposeScope()
        solve scheme (float tolerance) problem |> counts |> worst

    let theirs solver problem tolerance =
        published problem solver tolerance |> worst

    let anderson window =
        ours (
            Anderson.scheme
                { Anderson.defaults with
                    Window = window
                }
        )

    [
        "Picard (torchdeq the same)", ours (Picard.scheme Picard.defaults)
        "Anderson 2", anderson 2
        "Anderson 3", anderson 3
        "torchdeq m = 3", theirs "anderson_m3"
        "Anderson 4", anderson 4
        "torchdeq m = 5", theirs "anderson_m5"
        "torchdeq m = 5, lam 1e-22", theirs "anderson_m5_lam1e-22"
        "Anderson 5", anderson 5
        "Broyden", ours (Broyden.scheme Broyden.defaults)
        "torchdeq Broyden", theirs "broyden"
    ]

let private row (cells: string list) = "| " + String.concat " | " cells + " |"

let private table () : string list =
    [
        row ("problem" :: List.map fst columns)
        row (List.replicate (columns.Length + 1) "---")
        for problem in all do
            if problem.Name <> "nan_domain" then
                row (
                    $"`{problem.Name}`"
                    :: [ for _, count in columns -> tolerances |> List.map (count problem) |> cell ]
                )
    ]

let private documented () : string list =
    let path = Path.Combine(Golden.folder "", "..", "..", "docs", "solver.md")

    File.ReadAllLines path
    |> Seq.skipWhile (fun line -> line <> "<!-- evaluations: measured by the tests -->")
    |> Seq.skip 1
    |> Seq.takeWhile (fun line -> line.StartsWith '|')
    |> List.ofSeq

/// Counts may differ by one between machines where rounding decides.
let private agree (written: string) (measured: string) =
    let words (line: string) =
        line.Split([| ' '; '|'; '/' |], StringSplitOptions.RemoveEmptyEntries)

    let one (written: string) (measured: string) =
        match Int32.TryParse written, Int32.TryParse measured with
        | (true, a), (true, b) -> abs (a - b) <= 1
        | _ -> written = measured

    let written, measured = words written, words measured
    written.Length = measured.Length && Array.forall2 one written measured

[<Tests>]
let tests =
    testCase "docs/solver.md shows the evaluations that are measured"
    <| fun () ->
        let written, measured = documented (), table ()

        if written.Length <> measured.Length || not (List.forall2 agree written measured) then
            let text = String.concat "\n" measured
            failtest $"the table must read\n{text}"
