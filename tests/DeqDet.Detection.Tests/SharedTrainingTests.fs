module DeqDet.Tests.SharedTrainingTests

open System
open System.IO
open System.Threading
open Expecto
open TorchSharp
open DeqDet.Communication
open DeqDet.Settings
open DeqDet.Data
open DeqDet.Detection
open DeqDet.Model
open DeqDet.Tests.SettingsFiles

/// A training that computes all there is, in a second: pictures of two shapes, some without boxes.
let private small =
    [
        "data.shapes.train_images=13"
        "data.shapes.val_images=5"
        "data.filter.drop_empty=false"
        "train.batch_size=4"
        "train.epochs=7"
        "train.seed=3"
        "train.try_largest=false"
        "backbone.width=8"
        "head.channels=32"
        "head.feed_forward=32"
        "solver.steps=4"
        "rag.supervised=[1,4]"
        "queries.count=8"
        "schedule.warmup_steps=2"
        // rounding shows in the losses once a box's edge crosses another one's: not within twenty steps as small as these
        "optimiser.lr=0.00002"
        "train.evaluate_every=3"
        "rap.content_probability=0.5"
        "rap.position_probability=0.5"
    ]

let private frozen = "backbone.norm=frozen" :: small

/// What a run leaves.
type private Left =
    {
        Losses: float list
        GradNorms: float list
        Weights: Map<string, float32[]>
        Validations: float list
        Bad: int
    }

type private Observer() =
    member val Steps = ResizeArray<StepReport>()
    member val Validations = ResizeArray<float>()
    member val Bad = 0 with get, set
    member val After: StepReport -> unit = ignore with get, set

    interface ITrainingObserver with
        member observer.Stepped report =
            observer.Steps.Add report
            observer.After report

        member observer.Skipped(_, _, _) = observer.Bad <- observer.Bad + 1
        member _.Noticed _ = ()
        member _.Saving() = ()
        member _.Validating(_, _) = ()

        member observer.Validated(_, _, result) =
            observer.Validations.Add result.Evaluation.Value["AP"]

let private setupOf (root: string) (assignments: string list) (processes: Processes) : TrainingSetup =
    let read = SettingsFile.load (config "shapes") ($"data.root={root}" :: assignments)
    let data = DataSets.ForTraining read.Data
    let settings = Settings.withClasses data.Categories.Count read

    {
        Settings = settings
        Loader = DataLoader(data, settings.Data)
        Validation = Validation.Of(settings, data.Categories)
        Device = torch.CPU
        Processes = processes
        BackboneFile = settings.Detector.Backbone.Weights
        Version = "test"
    }

let private makeData (root: string) (assignments: string list) =
    let settings =
        SettingsFile.load (config "shapes") ($"data.root={root}" :: assignments)

    DataSets.Ensure(settings.Data, null, CancellationToken.None) |> ignore

let private weights (run: TrainingRun) =
    Map
        [
            for spec, tensor in run.Detector.Tensors do
                if not spec.Integer then
                    spec.Name, tensor.detach().data<float32>().ToArray()
        ]

let private train (run: TrainingRun) (folder: WorkFolder) : Left =
    let observer = Observer()
    run.Train(folder, observer, CancellationToken.None) |> ignore

    {
        Losses = [ for step in observer.Steps -> step.Loss ]
        GradNorms = [ for step in observer.Steps -> step.GradNorm ]
        Weights = weights run
        Validations = List.ofSeq observer.Validations
        Bad = observer.Bad
    }

let private folder (root: string) (name: string) =
    WorkFolder.at (Directory.CreateDirectory(Path.Combine(root, name)).FullName)

/// What each of several processes is left with that go on from a state, at most to a step, the first one writing into the folder `name`.
let private from
    (state: WorkFolder)
    (most: int64 option)
    (root: string)
    (assignments: string list)
    (size: int)
    (name: string)
    : Left[] =
    let work = folder root name

    ThreadedCommunicator.run size (fun communicator ->
        let setup =
            setupOf (Path.Combine(root, "data")) assignments (Processes communicator)

        use run = TrainingRun.Resume(setup, most, state.Latest)
        train run work)

/// What each has at first and is left with that starts anew from the whole detector of the test's start, its backbone held still.
let private started (root: string) (size: int) : (Map<string, float32[]> * Left)[] =
    let start = Path.GetDirectoryName (folder root "start").Latest

    let assignments =
        frozen
        @ [ $"weights.load={start}"; "optimiser.freeze=[\"backbone\"]"; "train.seed=5" ]

    let work = folder root $"started-{size}"

    ThreadedCommunicator.run size (fun communicator ->
        let setup =
            setupOf (Path.Combine(root, "data")) assignments (Processes communicator)

        use run = TrainingRun.Start(setup, Some 6L)
        weights run, train run work)

/// The same from the start of the test.
let private together root assignments size name =
    from (folder root "start") None root assignments size name

let private alone root assignments name = (together root assignments 1 name)[0]

/// `action` in a folder with data and the state of a run after eight steps: at the very start all queries are alike, so that rounding decides
/// which of them is matched with which box.
let private inFolder (assignments: string list) (action: string -> unit) =
    let root = (Directory.CreateTempSubdirectory "deqdet-shared-").FullName

    try
        let data = Path.Combine(root, "data")
        makeData data assignments
        let assignments = assignments @ [ "optimiser.lr=0.002" ]
        use run = TrainingRun.Start(setupOf data assignments Processes.Alone, Some 8L)
        train run (folder root "start") |> ignore
        action root
    finally
        Directory.Delete(root, true)

let private norm (numbers: float seq) =
    sqrt (numbers |> Seq.sumBy (fun number -> number * number))

let private same (tolerance: float) (what: string) (expected: Left) (found: Left) =
    Expect.equal found.Losses.Length expected.Losses.Length $"{what}: steps"

    for step, (a, b) in List.indexed (List.zip expected.Losses found.Losses) do
        Expect.isLessThan (abs (a - b)) (tolerance * abs a) $"{what}: loss of step {step + 1}"

    let differences =
        [
            for entry in expected.Weights ->
                entry.Key, Array.map2 (fun a b -> float a - float b) entry.Value found.Weights[entry.Key]
        ]

    let all = norm (expected.Weights.Values |> Seq.collect (Seq.map float))

    Expect.isLessThan (norm (differences |> Seq.collect snd)) (tolerance * all) $"{what}: all weights"

    // AdamW's steps have one length however short the gradient: where that is rounding, so is the step's direction
    for name, difference in differences do
        Expect.isLessThan (difference |> Array.map abs |> Array.max) (10.0 * tolerance) $"{what}: {name}"

    Expect.equal found.Validations.Length expected.Validations.Length $"{what}: validations"

[<Tests>]
let tests =
    testSequenced
    <| testList
        "Shared training"
        [
            testCase "parts one after the other come to what the whole batch comes to"
            <| fun () ->
                inFolder frozen (fun root ->
                    let whole = alone root frozen "whole"

                    // more parts than images, too
                    for parts in [ 2; 3; 7 ] do
                        let found = alone root ($"train.accumulate={parts}" :: frozen) $"parts-{parts}"
                        same 1e-5 $"{parts} parts" whole found)

            testCase
                "processes side by side come to what one comes to, with images without boxes and ranks without images"
            <| fun () ->
                inFolder frozen (fun root ->
                    let whole = alone root frozen "whole"

                    for size in [ 2; 3; 4 ] do
                        let all = together root frozen size $"processes-{size}"

                        for rank, found in Array.indexed all do
                            same 1e-5 $"process {rank} of {size}" whole found
                            Expect.equal found.Weights all[0].Weights $"{size} processes: the same bits"
                            Expect.equal found.Losses all[0].Losses $"{size} processes: the same losses"
                            Expect.equal found.Validations all[0].Validations $"{size} processes: the same AP")

            testCase "batch normalisations have their statistics from all processes"
            <| fun () ->
                inFolder small (fun root ->
                    let whole = alone root small "whole"

                    for size in [ 2; 4 ] do
                        let all = together root small size $"processes-{size}"

                        for rank, found in Array.indexed all do
                            same 2e-4 $"process {rank} of {size}" whole found
                            Expect.equal found.Weights all[0].Weights $"{size} processes: the same bits")

            testCase "a run goes on with another number of processes"
            <| fun () ->
                inFolder frozen (fun root ->
                    let whole = alone root frozen "whole"
                    let two = from (folder root "start") (Some 17L) root frozen 2 "two"
                    let three = from (folder root "two") None root frozen 3 "three"

                    let joined =
                        { three[1] with
                            Losses = two[1].Losses @ three[1].Losses
                            // the end of the first part was validated, too
                            Validations = whole.Validations
                        }

                    same 1e-5 "two processes, then three" whole joined)

            testCase
                "a whole detector is the start of all processes, and layers that are held still stay what they were"
            <| fun () ->
                inFolder frozen (fun root ->
                    let before, alone = started root 1 |> Array.exactlyOne
                    let held (name: string) = name.StartsWith "backbone."

                    for entry in before do
                        if held entry.Key then
                            Expect.equal alone.Weights[entry.Key] entry.Value entry.Key

                    Expect.isTrue
                        (before
                         |> Seq.exists (fun entry -> not (held entry.Key) && alone.Weights[entry.Key] <> entry.Value))
                        "the others learn"

                    for rank, (first, found) in Array.indexed (started root 3) do
                        Expect.equal first before $"process {rank} of 3 starts the same"
                        same 1e-5 $"process {rank} of 3" alone found)

            testCase "where one process is asked to stop all stop, with one state saved"
            <| fun () ->
                inFolder frozen (fun root ->
                    let work = folder root "stopped"

                    let steps =
                        ThreadedCommunicator.run 3 (fun communicator ->
                            let setup = setupOf (Path.Combine(root, "data")) frozen (Processes communicator)

                            use run = TrainingRun.Start(setup, None)
                            use source = new CancellationTokenSource()
                            let observer = Observer()

                            observer.After <-
                                fun report ->
                                    if communicator.Rank = 2 && report.Step = 5L then
                                        source.Cancel()

                            let outcome = run.Train(work, observer, source.Token)
                            Expect.isFalse outcome.Finished "finished"
                            run.Progress.Step)

                    Expect.equal steps [| 5L; 5L; 5L |] "steps"

                    use again =
                        TrainingRun.Resume(
                            setupOf (Path.Combine(root, "data")) frozen Processes.Alone,
                            None,
                            work.Latest
                        )

                    Expect.equal again.Progress.Step 5L "saved")

            testCase "where one process fails the others end, and the first one saves its state"
            <| fun () ->
                inFolder frozen (fun root ->
                    let work = folder root "failed"
                    let ends: exn[] = Array.zeroCreate 3

                    try
                        ThreadedCommunicator.run 3 (fun communicator ->
                            let setup = setupOf (Path.Combine(root, "data")) frozen (Processes communicator)

                            use run = TrainingRun.Start(setup, None)
                            let observer = Observer()

                            observer.After <-
                                fun report ->
                                    if communicator.Rank = 1 && report.Step = 5L then
                                        raise (DeqDet.InputError "a picture that cannot be read")

                            try
                                run.Train(work, observer, CancellationToken.None) |> ignore
                            with error ->
                                ends[communicator.Rank] <- error
                                communicator.Fail(2, error.Message)
                                reraise ())
                        |> ignore
                    with _ ->
                        ()

                    Expect.isTrue (ends[1] :? DeqDet.InputError) $"%A{ends[1]}"

                    for rank in [ 0; 2 ] do
                        match ends[rank] with
                        | :? ProcessLostException as error ->
                            Expect.equal error.ExitCode 2 "exit code"
                            expectParts error.Message [ "process 1"; "cannot be read" ]
                        | other -> failtest $"%A{other}"

                    expectParts ends[0].Message [ "after step 5 is saved" ]

                    use again =
                        TrainingRun.Resume(
                            setupOf (Path.Combine(root, "data")) frozen Processes.Alone,
                            None,
                            work.Latest
                        )

                    Expect.equal again.Progress.Step 5L "saved")
        ]
