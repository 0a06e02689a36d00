/// The training loop's decisions, walked through with interruptions and kills anywhere, without a tensor.
module DeqDet.Tests.ProgressTests

open System
open Expecto
open FsCheck
open FsCheck.FSharp
open DeqDet.Detection

/// What a run leaves on disk: the states that its checkpoints are of, and every effect that somebody can see.
type private Disk =
    {
        Latest: Progress option
        Best: int64
        /// Steps trained and validations made, as metrics.jsonl holds them: lines beyond the state that is resumed are dropped.
        Steps: int64 list
        Validations: int64 list
    }

let private empty =
    {
        Latest = None
        Best = 0L
        Steps = []
        Validations = []
    }

/// What ends a process at one of its actions.
type private Fate =
    | Runs
    /// Somebody asks for the end; the action in progress is finished.
    | Interrupted
    /// As `kill -9` before the action has had its effect.
    | Killed

/// AP of a validation: a function of the step, as with a deterministic training.
let private ap (seed: int) (step: int64) =
    float ((int step * 7919 + seed * 104729) % 101) / 100.0

let private calm =
    {
        Interrupted = false
        SinceSaved = TimeSpan.Zero
    }

/// One process: from what is on disk until it ends. `fate` decides at each action by its number.
let private runThrough
    (bad: int64 -> bool)
    (plan: TrainingPlan)
    (seed: int)
    (fate: int -> Fate)
    (disk: Disk)
    : Disk * bool =
    let start = disk.Latest |> Option.defaultValue Progress.start

    let rec next (number: int) (interrupted: bool) (progress: Progress) (disk: Disk) (actions: TrainingAction list) =
        if number > 10_000 then
            failtest "the run goes on for ever"

        match actions with
        | [] ->
            let circumstances = { calm with Interrupted = interrupted }
            next number interrupted progress disk (Progress.next plan circumstances progress)
        | action :: rest ->
            let fate = fate number

            if fate = Killed then
                disk, false
            else
                let asked = interrupted || fate = Interrupted
                let go = next (number + 1) asked

                match action with
                | Finish -> disk, true
                | Stop
                | GiveUp -> disk, false
                | TrainBatch ->
                    let progress =
                        if bad (progress.Step + 1L) then
                            Progress.skipped progress
                        else
                            Progress.stepped progress

                    go
                        progress
                        { disk with
                            Steps = progress.Step :: disk.Steps
                        }
                        rest
                | Validate when asked ->
                    // cancelled in the middle
                    go progress disk rest
                | Validate ->
                    let progress = Progress.validated (ap seed progress.Step) progress

                    go
                        progress
                        { disk with
                            Validations = progress.Step :: disk.Validations
                        }
                        rest
                | SaveBest ->
                    let progress = Progress.savedBest progress
                    go progress { disk with Best = progress.BestStep } rest
                | SaveLatest ->
                    let progress = Progress.savedLatest progress
                    go progress { disk with Latest = Some progress } rest

    let resumed =
        { disk with
            Steps = disk.Steps |> List.filter (fun step -> step <= start.Step)
            Validations = disk.Validations |> List.filter (fun step -> step <= start.Validated)
        }

    next 0 false start resumed []

let private run plan seed fate disk =
    runThrough (fun _ -> false) plan seed fate disk

let private plans =
    gen {
        let! perEpoch = Gen.choose (1, 7)
        let! epochs = Gen.choose (1, 5)
        let! cut = Gen.choose (0, 5)
        let! every = Gen.choose (1, 3)
        let! saveSteps = Gen.optionOf (Gen.choose (1, 9))

        return
            {
                StepsPerEpoch = int64 perEpoch
                End = int64 (max 1 (perEpoch * epochs - cut))
                ValidateEvery = every
                Patience = 0
                SaveSteps = saveSteps |> Option.map int64
                SaveEvery = None
                BadSteps = 3
            }
    }

/// The same with some patience.
let private patient =
    gen {
        let! plan = plans
        let! patience = Gen.choose (0, 3)
        let! epochs = Gen.choose (1, 15)
        let! cut = Gen.choose (0, 5)

        return
            { plan with
                Patience = patience
                End = max 1L (plan.StepsPerEpoch * int64 epochs - int64 cut)
            }
    }

/// Fates of processes that follow each other: at which action each ends, and how.
let private fates =
    Gen.listOf (
        gen {
            let! at = Gen.choose (0, 60)
            let! fate = Gen.elements [ Interrupted; Killed ]
            return at, fate
        }
    )

let private cases =
    gen {
        let! plan = plans
        let! fates = fates
        let! seed = Gen.choose (0, 1000)
        return plan, fates, seed
    }

let private patientCases =
    gen {
        let! plan = patient
        let! fates = fates
        let! seed = Gen.choose (0, 1000)
        return plan, fates, seed
    }

let private undisturbed plan seed = run plan seed (fun _ -> Runs) empty

let private disturbed plan seed (ends: (int * Fate) list) =
    let disk =
        ends
        |> List.fold
            (fun (disk: Disk) (at, fate) ->
                let disk, _ = run plan seed (fun number -> if number = at then fate else Runs) disk
                disk)
            empty

    run plan seed (fun _ -> Runs) disk

let private config =
    { FsCheckConfig.defaultConfig with
        maxTest = 2000
    }

[<Tests>]
let tests =
    testList
        "Progress"
        [
            testPropertyWithConfig
                config
                "whatever ends the processes on the way, the files are those of the undisturbed run"
            <| Prop.forAll (Arb.fromGen patientCases) (fun (plan, ends, seed) ->
                let expected, _ = undisturbed plan seed
                let found, finished = disturbed plan seed ends
                finished && found = expected)

            testPropertyWithConfig
                config
                "training ends at the validation with which patience does, and never without patience"
            <| Prop.forAll (Arb.fromGen patientCases) (fun (plan, _, seed) ->
                let disk, finished = undisturbed plan seed
                let every = plan.StepsPerEpoch * int64 plan.ValidateEvery

                let validations =
                    [
                        for step in 1L .. plan.End do
                            if step = plan.End || step % every = 0L then
                                step
                    ]

                let rec last (best: float) (since: int) (steps: int64 list) =
                    match steps with
                    | [] -> plan.End
                    | step :: rest ->
                        let best, since =
                            if ap seed step > best then
                                ap seed step, 0
                            else
                                best, since + 1

                        if since = plan.Patience && plan.Patience > 0 then
                            step
                        else
                            last best since rest

                let last = last -1.0 0 validations
                let progress = disk.Latest.Value

                finished
                && List.rev disk.Steps = [ 1L .. last ]
                && List.rev disk.Validations = (validations |> List.filter (fun step -> step <= last))
                && disk.Best =
                    (validations
                     |> List.filter (fun step -> step <= last)
                     |> List.maxBy (fun step -> ap seed step, -step))
                && (Progress.endsEarly plan progress).IsSome = (last < plan.End))

            testPropertyWithConfig config "best weights beside a resumed state do not change where patience ends"
            <| Prop.forAll (Arb.fromGen patientCases) (fun (plan, ends, seed) ->
                let expected, _ = undisturbed plan seed
                let at = ends |> List.tryHead |> Option.map fst |> Option.defaultValue 9

                let killed, _ =
                    run plan seed (fun number -> if number = at then Killed else Runs) empty

                let beside =
                    { killed with
                        Latest = killed.Latest |> Option.map (fun progress -> { progress with BestAp = 2.0 })
                    }

                let found, _ = run plan seed (fun _ -> Runs) beside
                found.Steps = expected.Steps && found.Validations = expected.Validations)

            testPropertyWithConfig
                config
                "a run ends at so many bad steps in a row, saved, wherever its processes ended, and else comes to its end"
            <| Prop.forAll (Arb.fromGen cases) (fun (plan, ends, seed) ->
                // one step in two
                let bad (step: int64) = (int step * 31 + seed) % 7 < 4

                let rec given (row: int) (step: int64) =
                    if step > plan.End then
                        None
                    else
                        let row = if bad step then row + 1 else 0

                        if row = plan.BadSteps then
                            Some step
                        else
                            given row (step + 1L)

                let at disk fate = runThrough bad plan seed fate disk

                let disk =
                    (empty, ends)
                    ||> List.fold (fun disk (number, fate) ->
                        at disk (fun action -> if action = number then fate else Runs) |> fst)

                let disk, finished = at disk (fun _ -> Runs)

                match given 0 1L with
                | Some step ->
                    not finished
                    && (disk.Latest.Value.Step, disk.Latest.Value.BadSteps) = (step, plan.BadSteps)
                | None -> finished && disk.Latest.Value.Step = plan.End)

            testPropertyWithConfig config "every step is taken once, and validations come where they belong"
            <| Prop.forAll (Arb.fromGen cases) (fun (plan, _, seed) ->
                let disk, _ = undisturbed plan seed

                let wanted =
                    [
                        for step in 1L .. plan.End do
                            let epochs = step / plan.StepsPerEpoch

                            if
                                step = plan.End
                                || (step % plan.StepsPerEpoch = 0L && epochs % int64 plan.ValidateEvery = 0L)
                            then
                                step
                    ]

                List.rev disk.Steps = [ 1L .. plan.End ]
                && List.rev disk.Validations = wanted
                && disk.Best = (wanted |> List.maxBy (fun step -> ap seed step, -step)))

            testPropertyWithConfig config "a kill loses no more steps than lie between two saves"
            <| Prop.forAll (Arb.fromGen cases) (fun (plan, ends, seed) ->
                match ends with
                | (at, _) :: _ ->
                    let disk, _ =
                        run plan seed (fun number -> if number = at then Killed else Runs) empty

                    let trained = disk.Steps |> List.tryHead |> Option.defaultValue 0L
                    let saved = disk.Latest |> Option.map _.Step |> Option.defaultValue 0L
                    let most = plan.SaveSteps |> Option.defaultValue plan.StepsPerEpoch
                    trained - saved <= min most plan.StepsPerEpoch
                | [] -> true)

            testCase "time saves as well as steps do, and not twice"
            <| fun () ->
                let plan =
                    {
                        StepsPerEpoch = 100L
                        End = 1000L
                        ValidateEvery = 1
                        Patience = 0
                        SaveSteps = None
                        SaveEvery = Some(TimeSpan.FromMinutes 5.0)
                        BadSteps = 3
                    }

                let at step = { Progress.start with Step = step }

                let after (minutes: float) =
                    {
                        Interrupted = false
                        SinceSaved = TimeSpan.FromMinutes minutes
                    }

                Expect.equal (Progress.next plan (after 4.9) (at 7L)) [ TrainBatch ] "not yet"
                Expect.equal (Progress.next plan (after 5.0) (at 7L)) [ SaveLatest ] "due"

                Expect.equal
                    (Progress.next plan (after 6.0) (Progress.savedLatest (at 7L)))
                    [ TrainBatch ]
                    "nothing new to save"

                Expect.equal
                    (Progress.next plan (after 60.0) (at 0L))
                    [ TrainBatch ]
                    "nothing to save before the first step"
        ]
