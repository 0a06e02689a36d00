/// What a process of a real group does: the test program starts itself under mpirun, and plays one of these.
module DeqDet.Communication.Tests.Member

open System
open System.Diagnostics
open System.IO
open System.Runtime.InteropServices
open System.Threading
open DeqDet
open DeqDet.Communication
open DeqDet.Communication.Mpi

/// Writes what this member has to say into its file; whole, or not at all.
let private tell (folder: string) (rank: int) (text: string) =
    let file = Path.Combine(folder, $"{rank}.txt")
    File.WriteAllText(file + ".new", text)
    File.Move(file + ".new", file, true)

let private variable (name: string) = Environment.GetEnvironmentVariable name

let private openLibrary () =
    let launcher = Launcher.Recognise(fun name -> variable name)
    launcher, MpiLibrary.Open(launcher, variable MpiLibrary.Variable)

let private openOwn (watched: bool) (most: int) : ICommunicator =
    let launcher, library = openLibrary ()
    MpiCommunicator.Open(launcher, library, ignore, watched, most, most)

/// Waits for sums of which one at the latest never comes, and tells how that ended.
let private waitInVain (communicator: ICommunicator) (folder: string) =
    let clock = Stopwatch.StartNew()

    try
        communicator.Sum(Span [| 1. |])
        communicator.Sum(Span [| 1. |])
        tell folder communicator.Rank "a sum without all"
        0
    with :? ProcessLostException as error ->
        tell folder communicator.Rank $"lost {error.ExitCode} after {int clock.Elapsed.TotalSeconds} s: {error.Message}"
        eprintfn $"error: {error.Message}"
        error.ExitCode

let private play (scenario: string) (victim: int) (folder: string) : int =
    match scenario with
    | "library" ->
        let _, library = openLibrary ()
        printfn $"{library.Interface}: {library.Name}, {library.Version}"
        0
    | "contract"
    | "split"
    | "unwatched" ->
        use communicator =
            match scenario with
            | "split" -> openOwn true 1000
            | "unwatched" -> openOwn false (1 <<< 20)
            | _ -> Communicators.Open(fun notice -> eprintfn $"notice: {notice}")

        Contract.check communicator 3 [ 0; 1; 2; 3; 1000; 4097; 300_000; 17 ]

        for round in 1..20 do
            let random = Random round
            Contract.check communicator round (List.init (random.Next 4) (fun _ -> random.Next 6000))

        // what MPI libraries install for crashes must not take this away from the runtime
        let nothing: string = Unchecked.defaultof<string>

        try
            nothing.Length |> ignore
        with :? NullReferenceException ->
            ()

        tell folder communicator.Rank $"held {communicator.Size}"
        0
    | _ ->
        use communicator = Communicators.Open(fun notice -> eprintfn $"notice: {notice}")

        if communicator.Rank = victim then
            communicator.Sum(Span [| 1. |])

            match scenario with
            | "kill" -> Process.GetCurrentProcess().Kill()
            | "fail" -> communicator.Fail(7, "the disk is full")
            | "crash" -> exit 9
            | "leave" -> ()
            | other -> failwith $"no scenario {other}"

            if scenario = "fail" then 7 else 0
        else
            waitInVain communicator folder

/// `member SCENARIO VICTIM FOLDER`: plays a scenario and gives the exit code.
let run (arguments: string[]) : int =
    // as a training has it, which saves first
    use _ =
        PosixSignalRegistration.Create(PosixSignal.SIGTERM, fun context -> context.Cancel <- true)

    try
        play arguments[1] (int arguments[2]) arguments[3]
    with
    | :? InputError as error ->
        eprintfn $"error: {error.Message}"
        2
    | :? ProcessLostException as error ->
        eprintfn $"error: {error.Message}"
        error.ExitCode
    | error ->
        eprintfn $"error: {error}"
        1
