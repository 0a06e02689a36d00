namespace DeqDet.CommandLine

open System
open System.Globalization
open DeqDet
open DeqDet.Model
open DeqDet.Settings
open DeqDet.Settings.Schema

/// Where a command computes.
type DeviceChoice =
    /// CUDA where it is there, else the CPU.
    | Auto
    | Cpu
    | Cuda of index: int

    override device.ToString() =
        match device with
        | Auto -> "auto"
        | Cpu -> "cpu"
        | Cuda index -> $"cuda:{index}"

/// What the command line changes of solver.*: None leaves what the checkpoint says.
type SolverRequest =
    {
        Scheme: SchemeKind option
        Steps: int option
        Tolerance: float option
        BudgetMs: float option
    }

    /// A detector's settings with the changes. InputError where there are some and the detector has no equilibrium to solve for.
    member request.Over(settings: DetectorSettings) : DetectorSettings =
        let asked =
            request.Scheme.IsSome
            || request.Steps.IsSome
            || request.Tolerance.IsSome
            || request.BudgetMs.IsSome

        if asked && not (Family.hasEquilibrium settings) then
            raise (
                InputError
                    "--solver, --steps, --tolerance and --budget-ms are for DEQDet models; this one applies a fixed number of different stages"
            )

        let solver = settings.Solver

        { settings with
            Solver =
                { solver with
                    Scheme = defaultArg request.Scheme solver.Scheme
                    Steps = defaultArg request.Steps solver.Steps
                    Tolerance = Option.orElse solver.Tolerance request.Tolerance
                    BudgetMs = Option.orElse solver.BudgetMs request.BudgetMs
                }
        }

/// What values of arguments become; InputError for those that cannot be.
[<AutoOpen>]
module internal Values =

    let refuse (text: string) = raise (InputError text)

    let invalid name value must example =
        refuse $"{name} {value}: must be {must}; for example: {name} {example}"

    /// Arguments that say nothing without another one are refused rather than ignored.
    let needs (command: string) (name: string) (given: bool) (other: string) (there: bool) =
        if given && not there then
            refuse $"{command}: {name} says nothing without {other}; add {other}, or leave {name} out"

    let private device (value: string) =
        match value.Split ':' with
        | [| "auto" |] -> Auto
        | [| "cpu" |] -> Cpu
        | [| "cuda" |] -> Cuda 0
        | [| "cuda"; index |] ->
            match Int32.TryParse(index, NumberStyles.None, CultureInfo.InvariantCulture) with
            | true, index -> Cuda index
            | _ -> invalid "--device" value "auto, cpu, cuda or cuda:N with N counting from 0" "cuda:0"
        | _ -> invalid "--device" value "auto, cpu, cuda or cuda:N with N counting from 0" "auto"

    let deviceOf (given: string option) =
        given |> Option.map device |> Option.defaultValue Auto

    /// The largest side of an input, px: beyond it the first maps alone take gigabytes.
    let private largestSide = 8192

    /// "800x1344": height and width of a network input.
    let size (value: string) : ImageSize =
        let must = $"height x width in px, both multiples of 32 from 32 to {largestSide}"

        let side (text: string) =
            match Int32.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture) with
            | true, side when side >= 32 && side <= largestSide && side % 32 = 0 -> Some side
            | _ -> None

        match value.Split 'x' |> Array.map side with
        | [| Some height; Some width |] -> { Height = height; Width = width }
        | _ -> invalid "--size" value must "800x1344"

    let solver scheme steps tolerance budget : SolverRequest =
        let schemeOf (name: string) =
            match List.tryFind (fun (known, _) -> known = name) Words.all<SchemeKind> with
            | Some(_, scheme) -> scheme
            | None -> invalid "--solver" name "picard, anderson or broyden" "anderson"

        {
            Scheme = Option.map schemeOf scheme
            Steps = steps
            Tolerance = tolerance
            BudgetMs = budget
        }

    let numbersOf (name: string) : NumberKind =
        match List.tryFind (fun (known, _) -> known = name) Words.all<NumberKind> with
        | Some(_, kind) -> kind
        | None -> invalid "--precision" name "fp32 or bf16" "bf16"

    /// The word of a case among all of them.
    let wordOf<'T> name example (word: string) : 'T =
        match Words.all<'T> |> List.tryFind (fun (known, _) -> known = word) with
        | Some(_, case) -> case
        | None ->
            let names = Words.all<'T> |> List.map fst
            let all = String.concat ", " names
            let nearest = Nearest.find names word |> Option.get

            let meant =
                if Nearest.isClose word nearest then
                    $"; did you mean {nearest}?"
                else
                    ""

            refuse $"{name} {word}: must be one of {all}{meant}; for example: {name} {example}"
