module DeqDet.Tests.SettingsMessagesTests

open System
open System.IO
open Expecto
open DeqDet
open DeqDet.Settings
open DeqDet.Tests.SettingsFiles

/// Settings that are wrong, or nearly so, each on a line of its own, and below it, indented, what is said about them. What begins
/// with a bracket is the text of a file, everything else an argument of --set.
let private path =
    Path.Combine(root, "tests", "DeqDet.Settings.Tests", "messages.txt")

let private indent = "    "

let private answer (input: string) : string =
    try
        if input.StartsWith '{' || input.StartsWith '[' then
            SettingsFile.parse "bad.json" input [] |> ignore
        else
            SettingsFile.parse "none.json" "{}" [ input ] |> ignore

        "accepted"
    with :? InputError as error ->
        error.Message

/// Inputs with their expected answers, in the order of the file.
let rec private entries (lines: string list) : (string * string) list =
    match lines with
    | input :: rest ->
        let said = rest |> List.takeWhile (fun line -> line.StartsWith indent)

        let expected =
            said
            |> List.map (fun line -> line.Substring indent.Length)
            |> String.concat "\n"

        (input, expected) :: entries (List.skip said.Length rest)
    | [] -> []

[<Tests>]
let tests =
    testList
        "Settings messages"
        [
            testCase "what is said about wrong settings is what messages.txt records"
            <| fun () ->
                let recorded = File.ReadAllLines path |> List.ofArray |> entries
                Expect.isGreaterThan recorded.Length 700 "a table of all keys"

                if Environment.GetEnvironmentVariable "DEQDET_WRITE_DOCS" = "1" then
                    File.WriteAllLines(
                        path,
                        [
                            for input, _ in recorded do
                                yield input
                                yield! (answer input).Split '\n' |> Array.map (fun line -> indent + line)
                        ]
                    )
                else
                    for input, expected in recorded do
                        Expect.equal (answer input) expected input
        ]
