module DeqDet.Tests.TrainingTests

open System
open System.Collections.Generic
open System.IO
open System.Threading
open Expecto
open TorchSharp
open DeqDet.Settings
open DeqDet.Checkpoints
open DeqDet.Data
open DeqDet.Detection
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
        "queries.count=8"
        "schedule.warmup_steps=4"
    ]

/// What a training told its observer.
type private Told() =
    member val Steps = List<StepReport>()
    member val Validations = List<int * int64>()
    /// Called after each step.
    member val After: StepReport -> unit = ignore with get, set

    interface ITrainingObserver with
        member told.Stepped report =
            told.Steps.Add report
            told.After report

        member _.Validating(_, _) = ()
        member told.Validated(epoch, step, _) = told.Validations.Add((epoch, step))

/// Settings and loaders over generated data in a folder of the whole list of tests.
type private Setting(folder: string, assignments: string list) =
    let settings =
        let data = "data.root=" + Path.Combine(folder, "data")
        let read = SettingsFile.load (config "shapes") (data :: assignments)

        DataSets.Ensure(read.Data, null, CancellationToken.None) |> ignore
        Settings.withClasses (DataSets.ForTraining(read.Data).Categories.Count) read

    let loader = DataLoader(DataSets.ForTraining settings.Data, settings.Data)
    let validation = DataSets.Validation(settings, loader.Data.Categories)

    let work name =
        let path = Path.Combine(folder, name)
        Directory.CreateDirectory path |> ignore
        WorkFolder path

    member _.Settings = settings
    member _.Work(name: string) : WorkFolder = work name

    member _.Start(name: string) =
        TrainingRun.Start(settings, loader, validation, torch.CPU, work name, "test")

    member _.Resume(name: string) =
        use checkpoint = CheckpointFile.Open (work name).Latest
        TrainingRun.Resume(checkpoint, settings, loader, validation, torch.CPU, work name, "test")

let private inFolder (action: string -> unit) =
    let folder = Directory.CreateTempSubdirectory "deqdet-training-"

    try
        action folder.FullName
    finally
        folder.Delete true

let private train (run: TrainingRun) (maxSteps: int64) =
    let told = Told()
    use _ = run
    run.Train(told, Nullable maxSteps, CancellationToken.None) |> ignore
    told

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
                            [ "data.shapes.train_images=160"; "data.shapes.val_images=4"; "train.epochs=1" ]
                        )

                    let told = train (setting.Start "run") 20L
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
                    let whole = train (setting.Start "whole") 9L
                    // stopped within an epoch, and again at its end
                    let first = train (setting.Start "parts") 4L
                    let second = train (setting.Resume "parts") 6L
                    let third = train (setting.Resume "parts") 9L
                    Expect.equal (losses first @ losses second @ losses third) (losses whole) "losses"

                    let a, b =
                        tensors (setting.Work "whole").Latest, tensors (setting.Work "parts").Latest

                    Expect.equal (Map.keys b |> List.ofSeq) (Map.keys a |> List.ofSeq) "names"

                    for entry in a do
                        Expect.isTrue (b[entry.Key].AsSpan().SequenceEqual(entry.Value)) entry.Key)

            testCase "losses fall"
            <| fun () ->
                inFolder (fun folder ->
                    let setting = Setting(folder, small @ [ "train.epochs=6"; "optimiser.lr=0.002" ])
                    let found = [ for step in (train (setting.Start "run") 36L).Steps -> step.Loss ]
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

                    using (setting.Start "run") (fun run ->
                        let outcome = run.Train(told, Nullable(), source.Token)
                        Expect.isFalse outcome.Finished "finished"
                        Expect.equal run.Step 3L "step")

                    use again = setting.Resume "run"
                    Expect.equal again.Step 3L "resumed at")

            testCase "validates after epochs and at the end, and keeps the best"
            <| fun () ->
                inFolder (fun folder ->
                    let setting = Setting(folder, small)
                    let told = train (setting.Start "run") 100L
                    Expect.equal (List.ofSeq told.Validations) [ 1, 6L; 2, 12L ] "epoch and step"
                    Expect.isTrue (File.Exists (setting.Work "run").Best) "best"
                    use best = CheckpointFile.Open (setting.Work "run").Best
                    Expect.isEmpty best.State "published weights carry no optimiser")

            testCase "a run whose loss is not a number stops and changes nothing that was saved"
            <| fun () ->
                inFolder (fun folder ->
                    let setting =
                        Setting(
                            folder,
                            small
                            @ [ "optimiser.clip_norm=1e30"; "optimiser.lr=1e6"; "schedule.warmup_steps=1" ]
                        )

                    use run = setting.Start "run"

                    Expect.throwsT<TrainingDivergedException>
                        (fun () -> run.Train(Told(), Nullable(), CancellationToken.None) |> ignore)
                        "diverges"

                    Expect.isFalse (setting.Work "run").HasCheckpoint "nothing written")

            testCase "a checkpoint of another model is refused, naming every tensor"
            <| fun () ->
                inFolder (fun folder ->
                    train (Setting(folder, small).Start "run") 1L |> ignore

                    let message =
                        complaint (fun () -> Setting(folder, small @ [ "head.groups=8" ]).Resume "run")

                    expectParts message [ "latest.safetensors"; "of another shape"; "adaptive_mixing" ])

            testCase "images that are missing are named before training starts"
            <| fun () ->
                inFolder (fun folder ->
                    let settings = Setting(folder, small).Settings
                    File.Delete(Path.Combine(settings.Data.Root, "train", "000002.png"))
                    let message = complaint (fun () -> DataSets.ForTraining settings.Data)
                    expectParts message [ "1 of 24 images"; "000002.png" ])

            testCase "a trained model detects in the original image's pixels"
            <| fun () ->
                inFolder (fun folder ->
                    let setting = Setting(folder, small)
                    train (setting.Start "run") 1L |> ignore
                    let model = TrainedModel.Load((setting.Work "run").Path, torch.CPU)
                    Expect.equal model.Classes.Count 6 "classes"
                    Expect.equal model.Settings setting.Settings "settings")
        ]
