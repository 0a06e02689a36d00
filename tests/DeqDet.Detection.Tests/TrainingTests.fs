module DeqDet.Tests.TrainingTests

open System
open System.Collections.Generic
open System.IO
open System.Text.Json.Nodes
open System.Threading
open Expecto
open TorchSharp
open DeqDet.Settings
open DeqDet.Checkpoints
open DeqDet.Data
open DeqDet.Detection
open DeqDet.Model
open DeqDet.Tests.SettingsFiles

/// The default training, made small: everything it does, in seconds.
let private small =
    [
        "data.shapes.train_images=24"
        "data.shapes.val_images=6"
        "train.batch_size=4"
        "train.epochs=2"
        "train.seed=3"
        "backbone.width=8"
        "head.channels=32"
        "head.feed_forward=32"
        "solver.steps=4"
        "rag.supervised=[1,4]"
        "queries.count=8"
        "schedule.warmup_steps=4"
    ]

/// The same with three steps an epoch, every image read anew.
let private tiny =
    small
    @ [ "data.shapes.train_images=12"; "data.shapes.val_images=2"; "data.cache_mb=0" ]

/// What a training told its observer.
type private Told() =
    member val Steps = List<StepReport>()
    member val Validations = List<int * int64>()
    member val Bad = List<int64 * string list * string list>()
    member val Notices = List<string>()
    /// Called after each step.
    member val After: StepReport -> unit = ignore with get, set
    /// Called after each bad step.
    member val AfterBad: StepReport -> unit = ignore with get, set
    /// Called while validating, with the steps so far.
    member val During: int64 -> unit = ignore with get, set

    interface ITrainingObserver with
        member told.Stepped report =
            told.Steps.Add report
            told.After report

        member told.Skipped(report, faults, images) =
            told.Bad.Add((report.Step, faults, List.ofSeq images))
            told.AfterBad report

        member told.Noticed notice = told.Notices.Add notice
        member _.Saving() = ()
        member told.Validating(_, _) = told.During(int64 told.Steps.Count)
        member told.Validated(epoch, step, _) = told.Validations.Add((epoch, step))

/// Settings and loaders over generated data in a folder of the whole list of tests.
type private Setting(folder: string, assignments: string list) =
    let settings =
        let data = "data.root=" + Path.Combine(folder, "data")
        let read = SettingsFile.load (config "shapes") (data :: assignments)

        DataSets.Ensure(read.Data, null, CancellationToken.None) |> ignore
        Settings.withClasses (DataSets.ForTraining(read.Data).Categories.Count) read

    let setup =
        let loader = DataLoader(DataSets.ForTraining settings.Data, settings.Data)

        {
            Settings = settings
            Loader = loader
            Validation = Validation.Of(settings, loader.Data.Categories)
            Device = torch.CPU
            Processes = Processes.Alone
            BackboneFile = settings.Detector.Backbone.Weights
            Version = "test"
        }

    let work name =
        let folder = WorkFolder.at (Path.Combine(folder, name))
        Directory.CreateDirectory folder.Path |> ignore
        folder

    member _.Settings = settings
    member _.Setup = setup
    member _.Work(name: string) : WorkFolder = work name
    member _.Start(maxSteps: int64 option) = TrainingRun.Start(setup, maxSteps)

    member _.Resume(name: string, maxSteps: int64 option) =
        TrainingRun.Resume(setup, maxSteps, (work name).Latest)

let private inFolder (action: string -> unit) =
    let folder = Directory.CreateTempSubdirectory "deqdet-training-"

    try
        action folder.FullName
    finally
        folder.Delete true

let private train (run: TrainingRun) (folder: WorkFolder) =
    let told = Told()
    use _ = run
    run.Train(folder, told, CancellationToken.None) |> ignore
    told

let private train' (run: TrainingRun) (folder: WorkFolder) (told: Told) =
    use _ = run
    run.Train(folder, told, CancellationToken.None) |> ignore

/// Trains as the command does, with a line of metrics for each step and validation.
let private logged (run: TrainingRun) (folder: WorkFolder) (told: Told) (interruption: CancellationToken) =
    use log = MetricsLog.Open(folder.Metrics, run.Progress.Step, run.Progress.Validated)
    let inner = told :> ITrainingObserver

    run.Train(
        folder,
        { new ITrainingObserver with
            member _.Stepped report =
                log.Step report
                inner.Stepped report

            member _.Skipped(report, faults, images) = inner.Skipped(report, faults, images)
            member _.Noticed notice = inner.Noticed notice
            member _.Saving() = log.Save()
            member _.Validating(images, all) = inner.Validating(images, all)

            member _.Validated(epoch, step, result) =
                log.Validation(epoch, step, result.Evaluation.Value, result.Time)
                inner.Validated(epoch, step, result)
        },
        interruption
    )

/// Lines of metrics without what depends on the clock.
let private metrics (folder: WorkFolder) =
    [
        for line in File.ReadAllLines folder.Metrics ->
            let json = JsonNode.Parse(line).AsObject()

            for key in [ "time"; "data_time"; "memory" ] do
                json.Remove key |> ignore

            json.ToJsonString()
    ]

let private losses (told: Told) =
    [
        for step in told.Steps -> step.Losses |> Seq.map (fun entry -> entry.Value) |> List.ofSeq
    ]

let private tensors (path: string) =
    use file = SafetensorsFile.Open path

    Map
        [
            for stored in file.Tensors do
                use tensor = Tensors.Load stored
                stored.Name, tensor.bytes.ToArray()
        ]

let private sameTensors (a: string) (b: string) =
    let a, b = tensors a, tensors b
    Expect.equal (Map.keys b |> List.ofSeq) (Map.keys a |> List.ofSeq) "names"

    for entry in a do
        Expect.isTrue (b[entry.Key].AsSpan().SequenceEqual(entry.Value)) entry.Key

/// Sets one of the detector's weights to a number.
let private spoilt (detector: Detector) : float -> unit =
    let weight =
        Detector.trainable detector
        |> List.find (fun (spec, _) -> spec.Name.EndsWith "fc_cls.weight")
        |> snd

    fun number ->
        use _ = torch.no_grad ()
        use first = weight.detach().view(-1L).narrow(0L, 0L, 1L)
        first.fill_ (number.ToScalar()) |> ignore

/// What a step of one process in so many parts is computed with.
let private work (setup: TrainingSetup) (parts: int) : StepWork =
    {
        Device = torch.CPU
        Seed = int64 setup.Settings.Train.Seed
        Parts = parts
        Processes = Processes.Alone
        Sums = None
    }

/// Total loss of the first 20 steps of the default training on 160 pictures, as measured on x86-64.
let private trace =
    [
        40.58029282
        37.10938478
        40.26320553
        38.61170888
        38.1573981
        36.77519763
        37.08881509
        38.39388371
        34.40350568
        36.70418513
        38.51534057
        36.80071354
        36.95972848
        36.01471841
        34.45551026
        34.61364913
        31.51493239
        36.78421068
        35.37162411
        34.76669526
    ]

[<Tests>]
let tests =
    testSequenced
    <| testList
        "Training"
        [
            testCase "a seeded run of 20 steps leaves the recorded loss trace"
            <| fun () ->
                inFolder (fun folder ->
                    let setting =
                        Setting(
                            folder,
                            [
                                "data.shapes.train_images=160"
                                "data.shapes.val_images=4"
                                "train.epochs=1"
                                "solver.steps=4"
                                "rag.supervised=[1,4]"
                            ]
                        )

                    let told = train (setting.Start(Some 20L)) (setting.Work "run")
                    let found = [ for step in told.Steps -> step.Loss ]
                    Expect.equal found.Length trace.Length $"steps of %A{found}"

                    // Another processor adds in another order; differences grow from step to step.
                    for step, (expected, actual) in List.indexed (List.zip trace found) do
                        let accepted = 1e-4 * expected * float (step + 1)
                        Expect.isLessThan (abs (actual - expected)) accepted $"step {step + 1} of %A{found}")

            testCase "a run that is resumed repeats the uninterrupted one bit for bit"
            <| fun () ->
                inFolder (fun folder ->
                    let setting = Setting(folder, small)
                    let whole = train (setting.Start(Some 9L)) (setting.Work "whole")
                    // stopped within an epoch, and again at its end
                    let first = train (setting.Start(Some 4L)) (setting.Work "parts")
                    let second = train (setting.Resume("parts", Some 6L)) (setting.Work "parts")
                    let third = train (setting.Resume("parts", Some 9L)) (setting.Work "parts")
                    Expect.equal (losses first @ losses second @ losses third) (losses whole) "losses"

                    sameTensors (setting.Work "whole").Latest (setting.Work "parts").Latest)

            testCase "in bfloat16 and float16, too, and the losses stay near those of float32"
            <| fun () ->
                inFolder (fun folder ->
                    let exact =
                        let setting = Setting(folder, small)
                        train (setting.Start(Some 5L)) (setting.Work "exact")

                    for precision in [ "bf16"; "fp16" ] do
                        let setting = Setting(folder, small @ [ $"train.precision={precision}" ])

                        let whole, parts =
                            setting.Work $"{precision}-whole", setting.Work $"{precision}-parts"

                        let found = train (setting.Start(Some 5L)) whole
                        let first = train (setting.Start(Some 3L)) parts
                        let second = train (setting.Resume($"{precision}-parts", Some 5L)) parts
                        Expect.equal (losses first @ losses second) (losses found) $"{precision}: losses"
                        sameTensors whole.Latest parts.Latest
                        Expect.notEqual (losses found) (losses exact) $"{precision} is another computation"

                        for expected, actual in Seq.zip exact.Steps found.Steps do
                            Expect.isLessThan
                                (abs (actual.Loss - expected.Loss))
                                (0.02 * expected.Loss)
                                $"{precision}, step {expected.Step}: {actual.Loss} for {expected.Loss}")

            testCase "losses fall"
            <| fun () ->
                inFolder (fun folder ->
                    let setting = Setting(folder, small @ [ "train.epochs=6"; "optimiser.lr=0.002" ])

                    let found =
                        [
                            for step in (train (setting.Start None) (setting.Work "run")).Steps -> step.Loss
                        ]

                    let mean values = List.average values

                    Expect.isLessThan
                        (mean (List.skip 28 found))
                        (0.85 * mean (List.take 8 found))
                        "last against first")

            testCase "an interrupted run finishes its step, saves, and can go on"
            <| fun () ->
                inFolder (fun folder ->
                    let setting = Setting(folder, small)
                    let told = Told()
                    use source = new CancellationTokenSource()

                    told.After <-
                        fun report ->
                            if report.Step = 3L then
                                source.Cancel()

                    using (setting.Start None) (fun run ->
                        let outcome = run.Train(setting.Work "run", told, source.Token)
                        Expect.isFalse outcome.Finished "finished"
                        Expect.equal run.Progress.Step 3L "step")

                    use again = setting.Resume("run", None)
                    Expect.equal again.Progress.Step 3L "resumed at")

            testCase "validates after epochs and at the end, and keeps the best"
            <| fun () ->
                inFolder (fun folder ->
                    let setting = Setting(folder, small)
                    let told = train (setting.Start(Some 100L)) (setting.Work "run")
                    Expect.equal (List.ofSeq told.Validations) [ 1, 6L; 2, 12L ] "epoch and step"
                    Expect.isTrue (File.Exists (setting.Work "run").Best) "best"
                    use best = CheckpointFile.Open (setting.Work "run").Best
                    Expect.isEmpty best.State "published weights carry no optimiser")

            testCase "a run whose loss is no number any more stops after so many bad steps, its state saved"
            <| fun () ->
                inFolder (fun folder ->
                    let setting =
                        Setting(
                            folder,
                            small
                            @ [ "optimiser.clip_norm=1e30"; "optimiser.lr=1e6"; "schedule.warmup_steps=1" ]
                        )

                    let told, work = Told(), setting.Work "run"
                    use run = setting.Start None

                    Expect.throwsC (fun () -> run.Train(work, told, CancellationToken.None) |> ignore) (fun error ->
                        Expect.equal (error.GetType()) typeof<TrainingDivergedException> "kind of error"
                        let step, _, images = told.Bad[2]

                        expectParts
                            error.Message
                            ($"at step {step}"
                             :: "3 steps in a row"
                             :: $"after step {step} is kept"
                             :: images))

                    let last = told.Steps[told.Steps.Count - 1].Step
                    Expect.equal [ for step, _, _ in told.Bad -> step ] [ last + 1L .. last + 3L ] "bad steps"

                    for _, faults, images in told.Bad do
                        Expect.isNonEmpty faults "faults"
                        Expect.equal images.Length 4 "all images of the step"

                    // has three chances more
                    use again = setting.Resume("run", None)
                    Expect.equal again.Progress.Step (last + 3L) "resumed after them"
                    Expect.equal again.Progress.BadSteps 0 "bad steps")

            testCase "a bad step changes nothing, and training goes on after it"
            <| fun () ->
                inFolder (fun folder ->
                    let setting = Setting(folder, tiny @ [ "train.ema=0.9" ])
                    let told = Told()
                    use run = setting.Start None
                    let spoil = spoilt run.Detector

                    told.After <-
                        fun report ->
                            if report.Step = 2L then
                                spoil nan

                    told.AfterBad <- fun _ -> spoil 0.0
                    run.Train(setting.Work "run", told, CancellationToken.None) |> ignore
                    Expect.equal [ for step, _, _ in told.Bad -> step ] [ 3L ] "bad"
                    Expect.equal [ for step in told.Steps -> step.Step ] [ 1L; 2L; 4L; 5L; 6L ] "good"
                    Expect.equal run.Progress.BadSteps 0 "in a row")

            testCase
                "a step that is bad leaves weights, averages, statistics and optimiser as they are, to the last bit"
            <| fun () ->
                inFolder (fun folder ->
                    let setting = Setting(folder, tiny @ [ "train.ema=0.9" ])
                    let setup = setting.Setup
                    let state = TrainingState.create setup
                    use batch = setup.Loader.TrainBatch([| 0; 1; 2; 3 |], 3L, 0, CancellationToken.None)

                    let all () =
                        [
                            for tensor in
                                (List.map snd state.Detector.Tensors)
                                @ (List.map snd state.Result.Tensors)
                                @ (List.map snd (state.Optimiser.State())) do
                                tensor.bytes.ToArray()
                        ]

                    let step () =
                        TrainingStep.run (work setup 1) state 1.0 batch

                    match step () with
                    | Moved _ -> ()
                    | Bad(_, _, faults) -> failtest $"%A{faults}"

                    let spoil = spoilt state.Detector
                    spoil 0.0
                    let before = all ()
                    spoil nan

                    match step () with
                    | Moved _ -> failtest "moved"
                    | Bad(_, _, faults) -> Expect.isNonEmpty faults "faults"

                    spoil 0.0
                    Expect.equal (all ()) before "everything"
                    TrainingState.dispose state)

            testCase
                "a step whose gradients leave float16's range is computed anew with half the factor, and moves what it would have moved"
            <| fun () ->
                inFolder (fun folder ->
                    let setting = Setting(folder, tiny @ [ "train.precision=fp16" ])
                    let setup = setting.Setup
                    use batch = setup.Loader.TrainBatch([| 0; 1; 2; 3 |], 3L, 0, CancellationToken.None)

                    let stepped scale =
                        let state =
                            { TrainingState.create setup with
                                LossScale = { Scale = scale; GoodSteps = 7 }
                            }

                        match TrainingStep.run (work setup 1) state 1.0 batch with
                        | Bad(_, _, faults) -> failtest $"%A{faults}"
                        | Moved(losses, norm, after) ->
                            let weights = [ for _, tensor in state.Detector.Tensors -> tensor.bytes.ToArray() ]

                            TrainingState.dispose state
                            (losses, norm, weights), after

                    let found, after = stepped (2.0 ** 40.0)
                    Expect.isLessThan after.Scale (2.0 ** 40.0) "something overflowed"
                    Expect.equal after.GoodSteps 1 "counted anew"
                    let direct, same = stepped after.Scale
                    Expect.equal same { after with GoodSteps = 8 } "no overflow"
                    Expect.equal found direct "losses, norm and weights, to the last bit"
                    // the next one up did overflow
                    let _, again = stepped (2.0 * after.Scale)
                    Expect.equal again after "the largest that does not")

            testCase "the factor on the loss is resumed with the rest"
            <| fun () ->
                inFolder (fun folder ->
                    let setting = Setting(folder, tiny @ [ "train.precision=fp16" ])
                    let state = TrainingState.create setting.Setup
                    Expect.equal state.LossScale (LossScale.start DeqDet.Kernels.Precision.Fp16) "at the start"
                    let path = (setting.Work "run").Latest

                    let plan =
                        {
                            StepsPerEpoch = 3L
                            BadSteps = 3
                            End = 6L
                            ValidateEvery = 1
                            Patience = 0
                            SaveSteps = None
                            SaveEvery = None
                        }

                    let saved = { Scale = 512.0; GoodSteps = 1234 }
                    TrainingState.save setting.Setup true path { state with LossScale = saved }

                    let read (setting: Setting) =
                        TrainingState.read setting.Setup plan path

                    for setting, expected in
                        [
                            setting, saved
                            Setting(folder, tiny), LossScale.start DeqDet.Kernels.Precision.Fp32
                        ] do
                        let again = read setting
                        Expect.equal again.LossScale expected "as it was, where the precision is"
                        TrainingState.dispose again

                    TrainingState.dispose state)

            testCase "what is not finite is not saved, and the file that was there stays"
            <| fun () ->
                inFolder (fun folder ->
                    let setting = Setting(folder, tiny @ [ "train.save_steps=2" ])
                    let work = setting.Work "run"
                    let told = Told()
                    let kept = ref [||]
                    let spoilt = ref ""
                    use run = setting.Start None

                    told.After <-
                        fun report ->
                            if report.Step = 3L then
                                let spec, buffer =
                                    run.Detector.Tensors |> List.find (fun (spec, _) -> spec.Role = Role.Buffer)

                                kept.Value <- File.ReadAllBytes work.Latest
                                spoilt.Value <- spec.Name
                                use first = buffer.narrow (0L, 0L, 1L)
                                first.fill_ (nan.ToScalar()) |> ignore

                    Expect.throwsC (fun () -> run.Train(work, told, CancellationToken.None) |> ignore) (fun error ->
                        Expect.equal (error.GetType()) typeof<TrainingDivergedException> "kind of error"
                        expectParts error.Message [ spoilt.Value; "by step 3"; "after step 2 is kept"; "lower rate" ])

                    Expect.isNonEmpty kept.Value "something was saved"
                    Expect.equal (File.ReadAllBytes work.Latest) kept.Value "latest"

                    Expect.isFalse
                        (Directory.EnumerateFiles work.Path
                         |> Seq.exists (fun file -> file.EndsWith ".tmp"))
                        "nothing is left half written")

            testCase "interrupted anywhere, a resumed run leaves the files of the uninterrupted one"
            <| fun () ->
                inFolder (fun folder ->
                    let setting = Setting(folder, tiny)
                    let whole = setting.Work "whole"
                    let all = Told()

                    using (setting.Start None) (fun run -> logged run whole all CancellationToken.None |> ignore)

                    // after a step within an epoch, at an epoch's last step, in a validation, in the last validation
                    for at in [ Choice1Of2 2L; Choice1Of2 3L; Choice2Of2 3L; Choice2Of2 6L ] do
                        let name = $"parts-%A{at}".Replace(' ', '-')
                        let parts = setting.Work name
                        use source = new CancellationTokenSource()
                        let first = Told()

                        first.After <-
                            fun report ->
                                if at = Choice1Of2 report.Step then
                                    source.Cancel()

                        first.During <-
                            fun step ->
                                if at = Choice2Of2 step then
                                    source.Cancel()

                        using (setting.Start None) (fun run ->
                            let outcome = logged run parts first source.Token
                            Expect.isFalse outcome.Finished $"{name}: interrupted")

                        using (setting.Resume(name, None)) (fun run ->
                            let outcome = logged run parts (Told()) CancellationToken.None
                            Expect.isTrue outcome.Finished $"{name}: finished")

                        sameTensors whole.Best parts.Best
                        sameTensors whole.Latest parts.Latest

                        Expect.equal (metrics parts) (metrics whole) $"{name}: metrics")

            testCase "an image that cannot be read ends the run with its state saved"
            <| fun () ->
                inFolder (fun folder ->
                    let setting = Setting(folder, tiny)
                    let work = setting.Work "run"
                    // of epoch 2, so that it is met after at least 3 steps
                    let broken = Path.Combine(setting.Settings.Data.Root, "train", "000005.png")
                    let whole = File.ReadAllBytes broken
                    let told = Told()

                    told.During <-
                        fun step ->
                            if step = 3L then
                                File.WriteAllBytes(broken, whole[.. whole.Length / 2])

                    let message =
                        complaint (fun () ->
                            use run = setting.Start None
                            run.Train(work, told, CancellationToken.None))

                    let saved =
                        use file = CheckpointFile.Open work.Latest
                        file.Info.Progress.Step

                    Expect.equal saved (int64 told.Steps.Count) "every step that was taken is saved"
                    Expect.isGreaterThanOrEqual saved 3L "steps"
                    expectParts message [ "000005.png"; $"after step {saved}"; "latest.safetensors" ]

                    // and with the image mended, the run goes on as though nothing had been
                    File.WriteAllBytes(broken, whole)
                    train (setting.Resume("run", None)) work |> ignore
                    let other = setting.Work "whole"
                    train (setting.Start None) other |> ignore
                    sameTensors other.Latest work.Latest)

            testCase "an error of the observer, such as a full disk at a metrics line, loses nothing that was trained"
            <| fun () ->
                inFolder (fun folder ->
                    let setting = Setting(folder, tiny)
                    let work = setting.Work "run"
                    let told = Told()

                    told.After <-
                        fun report ->
                            if report.Step = 4L then
                                raise (IOException "No space left on device")

                    Expect.throwsC
                        (fun () ->
                            use run = setting.Start None
                            run.Train(work, told, CancellationToken.None) |> ignore)
                        (fun error ->
                            expectParts
                                error.Message
                                [ "No space left on device"; "after step 4"; "latest.safetensors" ])

                    use again = setting.Resume("run", None)
                    Expect.equal again.Progress.Step 4L "resumed at")

            testCase "from every state that is kept a run goes on to the same end"
            <| fun () ->
                inFolder (fun folder ->
                    let setting = Setting(folder, tiny @ [ "train.save_steps=2"; "train.keep=4" ])
                    let whole = setting.Work "whole"

                    using (setting.Start None) (fun run -> logged run whole (Told()) CancellationToken.None |> ignore)

                    Expect.equal (List.map fst whole.Earlier) [ 5L; 3L; 2L ] "states before the last"

                    let goOn (checkpoint: string) (work: WorkFolder) =
                        use run = TrainingRun.Resume(setting.Setup, None, checkpoint)
                        RunFolder.bringAlong checkpoint work
                        logged run work (Told()) CancellationToken.None |> ignore
                        sameTensors whole.Latest work.Latest
                        sameTensors whole.Best work.Best
                        Expect.equal (metrics work) (metrics whole) $"{checkpoint}: metrics"

                    for step, file in whole.Earlier do
                        goOn file (setting.Work $"from-{step}")

                    // the newest whole one in its own folder, where the latest is damaged
                    let damaged = setting.Work "damaged"

                    for file in Directory.GetFiles whole.Path do
                        File.Copy(file, Path.Combine(damaged.Path, Path.GetFileName file))

                    File.WriteAllText(damaged.Latest, "half of it")

                    using (RunFolder.ofResumed None (damaged.StateOf 5L)) (fun taken ->
                        goOn (damaged.StateOf 5L) taken.Folder)

                    Expect.equal (List.map fst damaged.Earlier) [ 5L; 3L; 2L ] "states before the last")

            testCase "save_steps saves within an epoch, and a run killed after it goes on from there"
            <| fun () ->
                inFolder (fun folder ->
                    let setting = Setting(folder, tiny @ [ "train.save_steps=2" ])
                    let work = setting.Work "run"
                    let copies = Dictionary<int64, byte[] * byte[]>()
                    let told = Told()

                    told.After <-
                        fun report ->
                            if File.Exists work.Latest then
                                let best =
                                    if File.Exists work.Best then
                                        File.ReadAllBytes work.Best
                                    else
                                        [||]

                                copies[report.Step] <- (File.ReadAllBytes work.Latest, best)

                    train' (setting.Start None) work told

                    // as a kill in step 6 leaves it
                    let killed = setting.Work "killed"
                    let latest, best = copies[6L]
                    File.WriteAllBytes(killed.Latest, latest)
                    File.WriteAllBytes(killed.Best, best)

                    using (setting.Resume("killed", None)) (fun run ->
                        Expect.equal run.Progress.Step 5L "the last save"
                        run.Train(killed, Told(), CancellationToken.None) |> ignore)

                    sameTensors work.Latest killed.Latest
                    sameTensors work.Best killed.Best)

            testCase "resuming refuses other classes and another size of a batch"
            <| fun () ->
                inFolder (fun folder ->
                    let setting = Setting(folder, small)
                    let work = setting.Work "run"
                    train (setting.Start(Some 2L)) work |> ignore

                    let message =
                        complaint (fun () -> Setting(folder, small @ [ "train.batch_size=6" ]).Resume("run", None))

                    expectParts message [ "latest.safetensors"; "train.batch_size"; "was 4"; "would be 6" ]
                    let root = setting.Settings.Data.Root

                    for part in [ setting.Settings.Data.Train; setting.Settings.Data.Val ] do
                        let file = Path.Combine(root, part.Annotations)
                        // two classes change their names with each other: every shape fits, every label would be wrong
                        let text = File.ReadAllText file
                        Expect.stringContains text "\"disc\"" "a class"

                        File.WriteAllText(
                            file,
                            text
                                .Replace("\"disc\"", "\"?\"")
                                .Replace("\"ring\"", "\"disc\"")
                                .Replace("\"?\"", "\"ring\"")
                        )

                    // the data set as it now is; making it again would put it right
                    let changed = Setting(folder, small @ [ "data.shapes=null" ])
                    let message = complaint (fun () -> changed.Resume("run", None))
                    expectParts message [ "disc"; "ring"; "was trained on the classes" ])

            testCase "a resumed run holds no file of the checkpoint open"
            <| fun () ->
                inFolder (fun folder ->
                    let setting = Setting(folder, small)
                    let work = setting.Work "run"
                    train (setting.Start(Some 2L)) work |> ignore
                    use _ = setting.Resume("run", None)

                    if OperatingSystem.IsLinux() then
                        let maps = File.ReadAllText "/proc/self/maps"
                        Expect.isFalse (maps.Contains work.Latest) "mapped")

            testCase "a checkpoint of another model is refused, naming what differs"
            <| fun () ->
                inFolder (fun folder ->
                    let setting = Setting(folder, small)
                    train (setting.Start(Some 1L)) (setting.Work "run") |> ignore

                    let message =
                        complaint (fun () -> Setting(folder, small @ [ "head.groups=8" ]).Resume("run", None))

                    expectParts message [ "latest.safetensors"; "head.groups"; "was 4"; "would be 8" ])

            testCase "images that are missing are named before training starts"
            <| fun () ->
                inFolder (fun folder ->
                    let settings = Setting(folder, small).Settings
                    File.Delete(Path.Combine(settings.Data.Root, "train", "000002.png"))
                    let message = complaint (fun () -> DataSets.ForTraining settings.Data)
                    expectParts message [ "1 of 24 images"; "000002.png" ])

            testCase "a trained model is opened with the classes and settings it was trained with"
            <| fun () ->
                inFolder (fun folder ->
                    let setting = Setting(folder, small)
                    train (setting.Start(Some 1L)) (setting.Work "run") |> ignore
                    use session = DetectorSession.Open((setting.Work "run").Path)
                    Expect.equal session.Model.Classes setting.Setup.Classes "classes"
                    Expect.equal session.Model.Settings setting.Settings "settings")
        ]
