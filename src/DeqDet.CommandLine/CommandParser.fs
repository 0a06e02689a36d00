namespace DeqDet.CommandLine

open System
open System.Text.RegularExpressions
open Argu
open DeqDet
open Microsoft.FSharp.Reflection

/// Argu's reading of a command line, with what it cannot say in our own words. Everything that is refused is an InputError.
module CommandParser =

    let private refuse (command: CommandSpecification) (text: string) =
        raise (InputError $"{command.Name}: {text}")

    let private find (command: CommandSpecification) (name: string) =
        command.Arguments |> List.tryFind (fun argument -> argument.Name = Some name)

    let private looksLikeOption (token: string) =
        token.Length > 1
        && token[0] = '-'
        && not (Char.IsAsciiDigit token[1] || token[1] = '.')

    /// The tokens with `--name=value` in two. Argu takes a name that it does not know for a value, and for another name that it begins
    /// with; so unknown ones are refused before it sees them.
    let rec private spelled (command: CommandSpecification) (tokens: string list) : string list =
        match tokens with
        | [] -> []
        | token :: rest when looksLikeOption token ->
            let name, value =
                match token.IndexOf '=' with
                | -1 -> token, []
                | at -> token.Substring(0, at), [ token.Substring(at + 1) ]

            match find command name with
            | None ->
                let names =
                    (command.Arguments |> List.choose (fun argument -> argument.Name))
                    @ [ "--help" ]

                let nearest = Nearest.find names name |> Option.get
                refuse command $"unknown argument '{name}'; did you mean {nearest}? {command.Name} --help explains all"
            | Some argument when argument.IsSwitch && not value.IsEmpty -> refuse command $"{name} takes no value"
            | Some _ -> name :: value @ spelled command rest
        | token :: rest -> token :: spelled command rest

    let private invalid (argument: ArgumentSpecification) (name: string) (value: string) =
        let example = argument.Explain.ExampleOf name
        raise (InputError $"{name} {value}: must be {argument.Must}; for example: {name} {example}")

    /// Argu's sentences that a name and a missing or wrong value, or a value too many, can be taken from.
    let private valueError =
        Regex @"^(?:argument|parameter) '(--[\w-]+).*' must be followed by <[^>]*>(?:, but was '(.*)')?$"

    let private tooMany = Regex "^unrecognized argument: '(.*)'$"

    /// What Argu refuses, with the remedy.
    let private translate (command: CommandSpecification) (error: ArguParseException) =
        let reason =
            (error.Message.Split '\n' |> Array.head).Replace("ERROR: ", "").TrimEnd('.', '\r')

        let value, extra = valueError.Match reason, tooMany.Match reason

        if value.Success then
            let name, given = value.Groups[1].Value, value.Groups[2].Value
            let argument = find command name |> Option.get

            if value.Groups[2].Success && not (looksLikeOption given) then
                invalid argument name given
            else
                let explain = argument.Explain
                refuse command $"{name} needs a value, {explain.Value}; for example: {explain.Example}"
        elif extra.Success then
            refuse
                command
                $"'{extra.Groups[1].Value}' is one argument too many; {command.Name} --help explains the arguments"
        else
            refuse command $"{reason}; {command.Name} --help explains all arguments"

    /// The same results, if the numbers among them are within the bounds of their arguments.
    let within (results: ParseResults<'T>) : ParseResults<'T> =
        for result in results.GetAllResults() do
            let case, fields = FSharpValue.GetUnionFields(result, typeof<'T>)

            let check (number: float) (text: string) =
                if not (Bounds(case.GetCustomAttributes()).Hold number) then
                    let argument = Specification.argument case
                    invalid argument argument.Name.Value text

            match fields with
            | [| :? int as number |] -> check (float number) (string number)
            // Not a number is typed in small letters.
            | [| :? float as number |] -> check number ((string number).ToLowerInvariant())
            | _ -> ()

        results

    /// What `read` makes of a command with its arguments, which stand in `tokens`. Argu misses mandatory ones when they are read.
    let parse (command: CommandSpecification) (tokens: string list) (read: Command -> 'T) : 'T =
        let line = command.Name :: spelled command tokens

        let parser =
            ArgumentParser.Create<Command>(programName = "deqdet", checkStructure = false)

        try
            parser.ParseCommandLine(Array.ofList line).GetSubCommand() |> read
        with :? ArguParseException as error ->
            translate command error
