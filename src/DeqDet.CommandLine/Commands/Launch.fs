namespace DeqDet.CommandLine

open Argu
open DeqDet

type LaunchRequest =
    {
        Processes: int
        /// File of mpirun or mpiexec; None: it is looked for.
        MpiRun: string option
        /// What train is asked for.
        Train: TrainRequest
        /// The same as typed, with the command's name.
        Command: string[]
    }

/// Those of launch itself; what follows `train` is train's.
[<RequireQualifiedAccess>]
type LaunchArgument =
    | [<MainCommand;
        Explain("[--] train [ARGUMENT]...",
                "The training, with its arguments, as for one process.",
                "launch --processes 2 train configs/bccd.json")>] What of string list
    | [<Unique;
        Explain("N",
                "How many processes; -n for short. Each has its share of the cores, unless train has --threads.",
                "launch --processes 2 train configs/bccd.json");
        AtLeast 1;
        AtMost 1024>] Processes of int
    | [<Unique;
        Explain("FILE",
                "The mpirun or mpiexec to start them by. Default: the one beside the library that DEQDET_MPI names, or on the PATH.",
                "launch -n 2 --mpirun mpiexec.hydra train")>] Mpirun of string

    interface IArgParserTemplate with
        member argument.Usage = ExplainAttribute.Usage argument

/// The arguments of launch as its request.
module internal LaunchParser =

    let usage =
        "launch: say how many processes shall train; for example: launch -n 2 train configs/bccd.json"

    /// The arguments of launch, and those from the command on that it starts.
    let rec split (tokens: string list) : string list * string list =
        match tokens with
        | [] -> [], []
        | "--" :: command -> [], command
        | "-n" :: rest -> split ("--processes" :: rest)
        | ("--processes" | "--mpirun" as name) :: value :: rest ->
            let own, command = split rest
            name :: value :: own, command
        | token :: _ when not (token.StartsWith '-') -> [], tokens
        | token :: rest ->
            let own, command = split rest
            token :: own, command

    let request (results: ParseResults<LaunchArgument>) (command: string list) (train: TrainRequest) =
        match results.TryGetResult LaunchArgument.Processes with
        | None -> refuse usage
        | Some _ when train.Trial.IsSome ->
            refuse "launch: --dry-run and --overfit run in one process; call train itself"
        | Some processes ->
            {
                Processes = processes
                MpiRun = results.TryGetResult LaunchArgument.Mpirun
                Train = train
                Command = Array.ofList command
            }
