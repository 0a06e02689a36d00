namespace DeqDet.CommandLine

open DeqDet.Settings
open System

/// What `--help` prints.
module HelpText =

    let private width = 92
    let private gap = 24

    let private wrap (room: int) (text: string) : string list =
        let add (lines: string list) (word: string) =
            match lines with
            | line :: rest when line.Length + 1 + word.Length <= room -> $"{line} {word}" :: rest
            | lines -> word :: lines

        text.Split ' ' |> Array.fold add [] |> List.rev

    /// A term at the left, its explanation at the right, and an example below that.
    let private item (term: string) (explanation: string) (example: string) : string list =
        let indent = String(' ', gap)

        let lines = wrap (width - gap) explanation @ [ $"Example: {example}" ]

        let term = "  " + term

        if term.Length + 2 > gap then
            term :: (lines |> List.map (fun line -> indent + line))
        else
            (term.PadRight gap + lines.Head)
            :: (lines.Tail |> List.map (fun line -> indent + line))

    let private exitCodes =
        [
            "Exit codes: 0 done, 1 failure of the program or the machine, 2 wrong usage or input."
        ]

    let private shorthand =
        "from the sources: dotnet run --project src/DeqDet.Host -- COMMAND"

    let private join (lines: string list) = String.Join('\n', lines) + "\n"

    let private term (argument: ArgumentSpecification) =
        match argument.Name, argument.Explain.Value with
        | None, value -> value
        | Some name, "" -> name
        | Some name, value -> $"{name} {value}"

    let private capitalised (text: string) =
        text.Substring(0, 1).ToUpperInvariant() + text.Substring 1

    /// Help of the program.
    let program () : string =
        [
            [
                "DeqDet detects objects by solving for an equilibrium (DEQDet, ICCV 2023)."
                ""
                "Usage: deqdet COMMAND [ARGUMENT]..."
                $"       {shorthand}"
                ""
                "Commands:"
            ]
            Specification.commands.Value
            |> List.collect (fun command ->
                item command.Name (capitalised command.Explain.Explanation) $"deqdet {command.Explain.Example}")
            [ "" ]
            item "COMMAND --help" "Explains a command and its arguments." "deqdet train --help"
            item "--version" "Prints the version." "deqdet --version"
            [ "" ]
            exitCodes
        ]
        |> List.concat
        |> join

    /// Help of a command.
    let command (command: CommandSpecification) : string =
        let main, options =
            command.Arguments |> List.partition (fun argument -> argument.Name.IsNone)

        let usage =
            [ "deqdet"; command.Name ]
            @ (main |> List.map term)
            @ (options |> List.filter (fun option -> option.Mandatory) |> List.map term)
            @ (if options.IsEmpty then [] else [ "[OPTION]..." ])
            |> String.concat " "

        [
            wrap width $"deqdet {command.Name} {command.Explain.Explanation}"
            [ ""; $"Usage: {usage}"; $"       {shorthand}"; "" ]
            command.Arguments
            |> List.collect (fun argument ->
                item (term argument) argument.Explain.Explanation $"deqdet {argument.Explain.Example}")
            [
                if not command.Arguments.IsEmpty then
                    ""
            ]
            exitCodes
        ]
        |> List.concat
        |> join
