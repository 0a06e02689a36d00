/// The contract over real processes: this program starts itself by every MPI installation that is there.
module DeqDet.Communication.Tests.MpiTests

open System
open System.Collections.Concurrent
open System.Diagnostics
open System.IO
open DeqDet
open DeqDet.Communication
open DeqDet.Communication.Launching
open DeqDet.Communication.Mpi
open Expecto

let private variable (name: string) = Environment.GetEnvironmentVariable name

/// The launcher that is found here, if there is one.
let private installation =
    lazy
        (try
            Some(MpiRun.Find(null, (fun name -> variable name)))
         with :? InputError ->
             None)

/// Says why tests are going to be skipped, if they are.
let sayIfAbsent () : unit =
    match installation.Value with
    | Some found -> printfn $"MPI: {found.Path}"
    | None ->
        printfn "note: there is no MPI (mpirun, mpiexec) on this machine; the tests over several processes are ignored"

/// How a start of several processes has ended: exit code, what each wrote, and what was printed.
type private Ended =
    {
        Code: int
        Seconds: float
        Told: Map<int, string>
        Printed: string list
    }

/// This program as a command: a file of its own, or `dotnet` with the assembly, as `dotnet test` starts it.
let private ownProgram =
    let path = Environment.ProcessPath

    if Path.GetFileNameWithoutExtension path = "dotnet" then
        [ path; System.Reflection.Assembly.GetExecutingAssembly().Location ]
    else
        [ path ]

let private startScenario (size: int) (scenario: string) (victim: int) : Ended =
    let folder = Directory.CreateTempSubdirectory("deqdet-tests-").FullName

    try
        let printed = ConcurrentQueue<string>()
        let clock = Stopwatch.StartNew()

        use launch =
            Launch.Start(
                installation.Value.Value,
                size,
                1,
                ownProgram @ [ "member"; scenario; string victim; folder ],
                (fun line -> printed.Enqueue line)
            )

        let code = launch.Wait()

        {
            Code = code
            Seconds = clock.Elapsed.TotalSeconds
            Told =
                Map
                    [
                        for file in Directory.GetFiles(folder, "*.txt") ->
                            int (Path.GetFileNameWithoutExtension file), File.ReadAllText file
                    ]
            Printed = List.ofSeq printed
        }
    finally
        Directory.Delete(folder, true)

/// A test that is ignored, visibly, where there is no MPI.
let private withMpi (name: string) (body: unit -> unit) =
    if installation.Value.IsSome then
        testCase name body
    else
        ptestCase name body

let private explain (ended: Ended) = String.concat "\n" ended.Printed

/// Everybody but one must have learnt within the bound why the sum does not come.
let private expectLost (ended: Ended) (size: int) (victim: int) (exitCode: int) (sentence: string) =
    for rank in 0 .. size - 1 do
        if rank <> victim then
            let told =
                match Map.tryFind rank ended.Told with
                | Some told -> told
                | None -> failtest $"process {rank} told nothing:\n{explain ended}"

            Expect.stringStarts told $"lost {exitCode} after " $"process {rank}"
            Expect.stringContains told $"process {victim} of {size} (PID " $"process {rank}"
            Expect.stringContains told sentence $"process {rank}"

    Expect.isLessThan ended.Seconds 30. "all have ended"

[<Tests>]
let tests =
    testSequenced
    <| testList
        "MPI"
        [
            for size in [ 1; 2; 4 ] do
                withMpi $"{size} processes keep the contract"
                <| fun () ->
                    let ended = startScenario size "contract" 0
                    Expect.equal ended.Code 0 (explain ended)
                    Expect.equal ended.Told (Map [ for rank in 0 .. size - 1 -> rank, $"held {size}" ]) (explain ended)

            withMpi "sums and gathers in many parts"
            <| fun () ->
                let ended = startScenario 3 "split" 0
                Expect.equal ended.Code 0 (explain ended)

            withMpi "without a watch sums are the same"
            <| fun () ->
                let ended = startScenario 2 "unwatched" 0
                Expect.equal ended.Code 0 (explain ended)

            for victim in [ 0; 1 ] do
                withMpi $"when process {victim} is killed, the others end"
                <| fun () ->
                    let ended = startScenario 3 "kill" victim
                    expectLost ended 3 victim 1 "is gone"
                    Expect.equal ended.Code 1 (explain ended)

                    let said =
                        ended.Printed
                        |> List.filter (fun line -> line.StartsWith "error: " && line.Contains "is gone")

                    // launchers stop passing on what processes print once one has died
                    Expect.equal said.Length 2 $"what the others say is printed: {explain ended}"

                withMpi $"what process {victim} says when it fails reaches the others, with its exit code"
                <| fun () ->
                    let ended = startScenario 3 "fail" victim
                    expectLost ended 3 victim 7 "failed: the disk is full"
                    Expect.equal ended.Code 7 (explain ended)

            withMpi "a process that ends without a word is lost"
            <| fun () ->
                let ended = startScenario 2 "crash" 1
                expectLost ended 2 1 1 "is gone"
                Expect.equal ended.Code 1 (explain ended)

            withMpi "a process that ends early, in order, is lost all the same"
            <| fun () ->
                let ended = startScenario 3 "leave" 1
                expectLost ended 3 1 1 "has ended before the others"
                Expect.equal ended.Code 1 (explain ended)
        ]

/// This program as a launcher would have started it, but by itself: exit code and what it printed.
let private startAlone (variables: (string * string) list) =
    let command = ownProgram @ [ "member"; "contract"; "0"; Path.GetTempPath() ]
    let start = ProcessStartInfo(command.Head, command.Tail)

    start.RedirectStandardError <- true

    for name, value in variables do
        start.Environment[name] <- value

    use alone = Process.Start start
    let printed = alone.StandardError.ReadToEnd()
    alone.WaitForExit()
    alone.ExitCode, printed

[<Tests>]
let aloneTests =
    testList
        "Started alone"
        [
            for name, hydra, variables in
                [
                    "Open MPI's mpirun", false, [ "OMPI_COMM_WORLD_SIZE", "2" ]
                    "mpiexec (hydra)", true, [ "PMI_RANK", "0"; "PMI_SIZE", "2" ]
                ] do
                // the other kind is not found here, which is an error of its own
                withMpi $"one of two processes of {name} that does not find the other says so"
                <| fun () ->
                    let code, printed = startAlone variables
                    Expect.equal code 2 printed
                    Expect.stringContains printed $"error: {name} has started 2 processes, but " "names the launcher"
                    Expect.stringContains printed "DEQDET_MPI=FILE" "and the remedy"

                    if installation.Value.Value.IsHydra = hydra then
                        Expect.stringContains printed "finds 1" "and what MPI says"
        ]

[<Tests>]
let ncclTests =
    testCase "without NCCL in one process none sums by it, and the first one says why"
    <| fun () ->
        if File.Exists "/dev/nvidia0" then
            skiptest "this machine may have NCCL"

        let said = ConcurrentQueue<string>()

        let opened =
            ThreadedCommunicator.run 3 (fun communicator ->
                DeqDet.Communication.Nccl.NcclSums.Open(
                    communicator,
                    communicator.Rank,
                    (fun text -> said.Enqueue text)
                )
                |> isNull)

        Expect.equal opened [| true; true; true |] "nobody has it"
        Expect.equal said.Count 1 "said once"
        Expect.stringContains (Seq.head said) "process 0 finds no libcuda.so.1" "the reason"

/// Opens a library by name, as under a launcher.
let private openNamed (name: string) =
    MpiLibrary.Open(Launcher(LauncherKind.OpenMpi, "Open MPI's mpirun", 2), name)

[<Tests>]
let libraryTests =
    testList
        "MPI library"
        [
            for name in [ "nonsense"; "no/such/libmpi.so.40"; "libc.so.6" ] do
                testCase $"DEQDET_MPI={name} is refused"
                <| fun () ->
                    try
                        openNamed name |> ignore
                        failtest "it was taken"
                    with :? InputError as error ->
                        Expect.stringContains error.Message $"DEQDET_MPI={name}" "names the variable"
                        Expect.stringContains error.Message "MPI library" "says what is wanted"

            testCase "a library of another hand does not fit a launcher"
            <| fun () ->
                for kind, version, fits in
                    [
                        LauncherKind.OpenMpi, "Open MPI v4.1.4, package: Debian OpenMPI", true
                        LauncherKind.OpenMpi, "MPICH Version: 4.0.2", false
                        LauncherKind.OpenMpi, "IBM Spectrum MPI 10.4", true
                        LauncherKind.Hydra, "MPICH Version: 4.0.2", true
                        LauncherKind.Hydra, "Intel(R) MPI Library 2021.10", true
                        LauncherKind.Hydra, "Open MPI v5.0.3", false
                        LauncherKind.SlurmPmix, "Open MPI v5.0.3", true
                        LauncherKind.SlurmPmix, "MPICH Version: 4.2", true
                    ] do
                    Expect.equal (MpiLibrary.Fits(kind, version)) fits $"{kind}, {version}"

            testCase "a launcher that is there without a library says what to install"
            <| fun () ->
                // under hydra only MPICH's names are looked for, which a machine with Open MPI alone has not
                for kind in [ LauncherKind.OpenMpi; LauncherKind.Hydra ] do
                    let names = MpiLibrary.Candidates kind |> List.ofSeq
                    Expect.isTrue (names |> List.exists (fun name -> name.Contains "mpi_abi")) "the standard's first"
                    Expect.notEqual names.Length 0 "some"
        ]

[<Tests>]
let launcherTests =
    let recognise (variables: (string * string) list) =
        let table = Map variables

        Launcher.Recognise(fun name -> Map.tryFind name table |> Option.toObj)
        |> Option.ofObj
        |> Option.map (fun launcher -> launcher.Kind, launcher.Size)

    testList
        "Launcher"
        [
            for name, variables, expected in
                [
                    "none", [], None
                    "mpirun", [ "OMPI_COMM_WORLD_SIZE", "4" ], Some(LauncherKind.OpenMpi, 4)
                    "hydra", [ "PMI_RANK", "1"; "PMI_SIZE", "2"; "PMI_FD", "9" ], Some(LauncherKind.Hydra, 2)
                    "the script of sbatch", [ "SLURM_JOB_ID", "7"; "SLURM_NTASKS", "8"; "SLURM_PROCID", "0" ], None
                    "srun with PMIx",
                    [ "SLURM_NTASKS", "8"; "SLURM_STEP_NUM_TASKS", "8"; "PMIX_RANK", "0" ],
                    Some(LauncherKind.SlurmPmix, 8)
                    "srun with PMI",
                    [ "SLURM_STEP_NUM_TASKS", "8"; "PMI_RANK", "0"; "PMI_SIZE", "8"; "PMI_FD", "9" ],
                    Some(LauncherKind.SlurmPmi, 8)
                    "srun alone", [ "SLURM_STEP_NUM_TASKS", "8"; "SLURM_PROCID", "0" ], Some(LauncherKind.SlurmPlain, 8)
                    "mpirun inside of srun",
                    [ "SLURM_STEP_NUM_TASKS", "1"; "OMPI_COMM_WORLD_SIZE", "4" ],
                    Some(LauncherKind.OpenMpi, 4)
                    "mpiexec inside of srun",
                    [ "SLURM_STEP_NUM_TASKS", "1"; "PMI_RANK", "0"; "PMI_SIZE", "4" ],
                    Some(LauncherKind.Hydra, 4)
                    "nonsense", [ "OMPI_COMM_WORLD_SIZE", "many"; "PMI_SIZE", "-1"; "PMI_RANK", "0" ], None
                ] do
                testCase name <| fun () -> Expect.equal (recognise variables) expected name

            testCase "Open MPI gets what threads and the administrator need, hydra what saving needs"
            <| fun () ->
                let command = [ "deqdet"; "train" ]

                Expect.equal
                    (MpiRun("mpirun", false).Arguments(3, true, command) |> List.ofSeq)
                    [
                        "-n"
                        "3"
                        "--bind-to"
                        "none"
                        "--quiet"
                        "--map-by"
                        "slot:OVERSUBSCRIBE"
                        "--allow-run-as-root"
                        "deqdet"
                        "train"
                    ]
                    "Open MPI"

                Expect.equal
                    (MpiRun("mpiexec", true).Arguments(2, true, command) |> List.ofSeq)
                    [ "-n"; "2"; "-disable-auto-cleanup"; "deqdet"; "train" ]
                    "hydra"

            testCase "what is no launcher is refused with the way to get one"
            <| fun () ->
                for named, variables in
                    [
                        "/bin/true", []
                        "no/such/mpirun", []
                        null, [ "PATH", "/nonexistent" ]
                        // the library is looked at first
                        null, [ "PATH", "/usr/bin"; "DEQDET_MPI", "/bin/no-such-mpirun-library" ]
                    ] do
                    try
                        let table = Map variables

                        MpiRun.Find(named, (fun name -> Map.tryFind name table |> Option.toObj))
                        |> ignore

                        failtest "it was taken"
                    with :? InputError as error ->
                        Expect.stringContains error.Message "mpirun" "names it"
        ]
