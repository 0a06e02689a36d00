namespace DeqDet.CommandLine

open DeqDet

/// Command line to request.
module RequestParser =

    /// The settings file that `train` uses when none is named.
    let defaultConfig = "configs/shapes.json"

    let private asksForHelp token = token = "--help" || token = "-h"

    let private request (command: Command) : Request =
        match command with
        | Command.Train results -> CommandParser.within results |> TrainParser.request |> Request.Train
        | Command.Launch _ -> refuse LaunchParser.usage
        | Command.Test results -> CommandParser.within results |> TestParser.request |> Request.Test
        | Command.Detect results -> CommandParser.within results |> DetectParser.request |> Request.Detect
        | Command.Serve results -> CommandParser.within results |> ServeParser.request |> Request.Serve
        | Command.Trace results -> CommandParser.within results |> TraceParser.request |> Request.Trace
        | Command.Evaluate results -> CommandParser.within results |> EvaluateParser.request |> Request.Evaluate
        | Command.Verify results -> CommandParser.within results |> VerifyParser.request |> Request.Verify
        | Command.Convert results -> CommandParser.within results |> ConvertParser.request |> Request.Convert
        | Command.Export results -> CommandParser.within results |> ExportParser.request |> Request.Export
        | Command.Info results -> CommandParser.within results |> InfoParser.request |> Request.Info
        | Command.Bench results -> CommandParser.within results |> BenchParser.request |> Request.Bench
        | Command.Data results -> CommandParser.within results |> DataParser.request |> Request.Data
        | Command.Doctor -> Request.Doctor

    /// What a command line asks for. InputError for what cannot be understood. Help does not start Argu: it is there at once.
    let rec parse (arguments: string[]) : Request =
        match List.ofArray arguments with
        | [] -> Request.Help(HelpText.program ())
        | first :: _ when asksForHelp first || first = "help" -> Request.Help(HelpText.program ())
        | "--version" :: _ -> Request.Version
        | name :: tokens ->
            let commands = Specification.commands.Value

            match commands |> List.tryFind (fun command -> command.Name = name) with
            | Some({ Name = "launch" } as command) -> parseLaunch command tokens
            | Some command when List.exists asksForHelp tokens -> Request.Help(HelpText.command command)
            | Some { Name = name; Arguments = [] } when not tokens.IsEmpty ->
                refuse $"{name}: takes no arguments, but '{tokens.Head}' is given"
            | Some command -> CommandParser.parse command tokens request
            | None ->
                let names = commands |> List.map (fun command -> command.Name)
                let nearest = Nearest.find names name |> Option.get
                let all = String.concat ", " names
                refuse $"unknown command '{name}'; did you mean {nearest}? The commands are {all}; --help explains them"

    and private parseLaunch (specification: CommandSpecification) (tokens: string list) : Request =
        let own, command = LaunchParser.split tokens

        let ofTrain = List.tryHead command = Some "train"

        if List.exists asksForHelp (if ofTrain then own else tokens) then
            Request.Help(HelpText.command specification)
        else
            let results =
                CommandParser.parse specification own (function
                    | Command.Launch results -> CommandParser.within results
                    | _ -> refuse LaunchParser.usage)

            match command with
            | [] -> refuse LaunchParser.usage
            | other :: _ when not ofTrain -> refuse $"launch: only train runs in several processes, not {other}"
            | _ ->
                match parse (Array.ofList command) with
                | Request.Train train -> Request.Launch(LaunchParser.request results command train)
                | others -> others
