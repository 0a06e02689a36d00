/// Trainings that start from a whole detector.
module DeqDet.Tests.DetectorStartTests

open System
open System.IO
open System.Threading
open System.Text.Json.Nodes
open Expecto
open TorchSharp
open DeqDet
open DeqDet.Settings
open DeqDet.Checkpoints
open DeqDet.Data
open DeqDet.Detection
open DeqDet.Model
open DeqDet.Tests.SettingsFiles

let private small =
    [
        "data.shapes.train_images=8"
        "data.shapes.val_images=2"
        "train.batch_size=4"
        "train.epochs=2"
        "train.try_largest=false"
        "backbone.width=8"
        "head.channels=32"
        "head.feed_forward=32"
        "solver.steps=4"
        "rag.supervised=[1,4]"
        "queries.count=6"
    ]

/// The classes of the shapes, in their order.
let private shapes = [ "disc"; "ring"; "square"; "triangle"; "star"; "cross" ]

let private settingsOf (folder: string) (assignments: string list) : Settings =
    let data = "data.root=" + Path.Combine(folder, "data")
    let settings = SettingsFile.load (config "shapes") (data :: small @ assignments)

    DataSets.Ensure(settings.Data, null, CancellationToken.None) |> ignore
    Settings.withClasses shapes.Length settings

let private setupOf (folder: string) (assignments: string list) : TrainingSetup =
    let settings = settingsOf folder assignments
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

let private numbers (tensor: torch.Tensor) =
    tensor.detach().``to``(torch.float32).reshape(-1L).data<float32>().ToArray()

let private weightsOf (detector: Detector) =
    Map
        [
            for spec, tensor in detector.Tensors -> spec.Name, (tensor.shape, numbers tensor)
        ]

/// The weights that a training with these settings starts with.
let private started (folder: string) (assignments: string list) =
    let state = TrainingState.create (setupOf folder assignments)
    let weights = weightsOf state.Detector
    TrainingState.dispose state
    weights

/// A detector of other numbers with these classes, written as a checkpoint of ours, and its weights.
let private written (folder: string) (name: string) (assignments: string list) (classes: string list) =
    let settings =
        { settingsOf folder assignments with
            Detector =
                { (settingsOf folder assignments).Detector with
                    Classes = classes.Length
                }
        }

    let detector = Detector.initialise settings.Detector 77UL torch.CPU
    let path = Path.Combine(folder, name)

    CheckpointFile.Write(
        path,
        [
            for spec, tensor in detector.Tensors do
                struct (spec.Name, tensor)

            struct ("optimiser.step.x", torch.tensor (3L))
        ],
        CheckpointInfo(
            SettingsFile.toJson settings,
            // ids that mean something else in the data
            [|
                for i, name in List.indexed classes ->
                    {
                        Id = CocoId(int64 (classes.Length - i))
                        Name = name
                    }
            |],
            CheckpointProgress(1, 2L),
            77UL,
            "test",
            JsonObject()
        )
    )

    let weights = weightsOf detector
    Detector.dispose detector
    path, weights

let private inFolder (action: string -> unit) =
    let folder = Directory.CreateTempSubdirectory "deqdet-start-"

    try
        action folder.FullName
    finally
        folder.Delete true

/// Trains a run in a folder, and gives its weights.
let private train (folder: string) (run: TrainingRun) (name: string) =
    use run = run

    let work =
        WorkFolder.at (Directory.CreateDirectory(Path.Combine(folder, name)).FullName)

    let silent =
        { new ITrainingObserver with
            member _.Stepped _ = ()
            member _.Skipped(_, _, _) = ()
            member _.Noticed _ = ()
            member _.Saving() = ()
            member _.Validating(_, _) = ()
            member _.Validated(_, _, _) = ()
        }

    run.Train(work, silent, CancellationToken.None) |> ignore
    weightsOf run.Detector, work

let private row (width: int) (number: int) (values: float32[]) =
    values[number * width .. (number + 1) * width - 1]

/// A file beside a whole detector's, without its backbone.
let private decoderOf (folder: string) (whole: string) : string =
    let decoder = Path.Combine(folder, "decoder.safetensors")
    use source = SafetensorsFile.Open whole

    SafetensorsWriter.Write(
        decoder,
        [|
            for tensor in source.Tensors do
                if
                    not (
                        CheckpointFile.IsState tensor.Name
                        || tensor.Name.StartsWith BackboneNames.prefix
                    )
                then
                    TensorToWrite.Of tensor
        |],
        source.Metadata
    )

    decoder

let private isOfClasses (name: string) = name.Contains ".fc_cls."

[<Tests>]
let tests =
    testSequenced
    <| testList
        "Detector start"
        [
            testCase "the decoder that comes with the program fits the settings that start from it"
            <| fun () ->
                let settings = SettingsFile.load (config "finetune_r18") []
                Expect.equal settings.Weights.Load (Some CarriedWeights.Signs) "by its name"
                let file = WorkFolder.checkpointOf CarriedWeights.Signs
                Expect.isTrue (File.Exists file) file
                Expect.isFalse (DetectorStart.bringsBackbone settings) "ImageNet's backbone stays"
                Expect.isFalse (Overfit.isRandomAndFrozen settings) "and is none of random weights"

                let start =
                    DetectorStart.plan
                        (Settings.withClasses 2 settings)
                        [ { Id = CocoId 1L; Name = "A" }; { Id = CocoId 2L; Name = "gear" } ]

                let start = Option.get start
                Expect.equal start.LeftOut.Length 35 "all of its 36 classes but the one that the data have, too"
                Expect.equal start.QueriesThere start.Queries "as many queries"
                Expect.isEmpty start.Notices "nothing else to say"

                // with a backbone of other channels
                let mobile =
                    SettingsFile.load (config "finetune_mobilenet") [ "backbone.weights=mobilenet.pth" ]

                let start = DetectorStart.plan (Settings.withClasses 2 mobile) [||]
                Expect.exists start.Value.Notices _.Contains("the neck") "all but the neck"

            testCase "a name of nothing that comes with the program is a path, of which the nearest name is told"
            <| fun () ->
                Expect.isNone (CarriedWeights.named "sign") "another name"

                let refused (name: string) =
                    complaint (fun () -> WorkFolder.checkpointOf name)

                expectParts (refused "sings") [ "sings: there is no such file"; "did you mean signs" ]
                Expect.isFalse ((refused "work/nothing").Contains "did you mean") "nothing like it"
                expectParts (refused "") [ "there is no such file" ]

            testCase "a decoder alone leaves the backbone as it starts by itself"
            <| fun () ->
                inFolder (fun folder ->
                    let whole, file = written folder "a.safetensors" [] shapes
                    let decoder = decoderOf folder whole

                    let fresh = started folder []

                    for entry in started folder [ $"weights.load={decoder}" ] do
                        let expected =
                            if entry.Key.StartsWith BackboneNames.prefix then
                                fresh[entry.Key]
                            else
                                file[entry.Key]

                        Expect.equal entry.Value expected entry.Key

                    let settings = settingsOf folder [ $"weights.load={decoder}" ]
                    Expect.isFalse (DetectorStart.bringsBackbone settings) "no backbone"

                    Expect.isTrue
                        (DetectorStart.bringsBackbone (settingsOf folder [ $"weights.load={whole}" ]))
                        "a backbone"

                    let notices =
                        (DetectorStart.plan settings [||])
                        |> Option.map _.Notices
                        |> Option.defaultValue []

                    Expect.exists notices _.Contains("random weights") "said"

                    let isFrozen start =
                        Overfit.isRandomAndFrozen (settingsOf folder [ "backbone.frozen_stages=1"; start ])

                    Expect.isTrue (isFrozen $"weights.load={decoder}") "a decoder alone leaves the backbone random"
                    Expect.isFalse (isFrozen $"weights.load={whole}") "a whole detector brings its own"

                    // one tensor less than a decoder has
                    let damaged = Path.Combine(folder, "damaged.safetensors")

                    do
                        use source = SafetensorsFile.Open decoder

                        SafetensorsWriter.Write(
                            damaged,
                            [| for tensor in Seq.skip 1 source.Tensors -> TensorToWrite.Of tensor |],
                            source.Metadata
                        )

                    Expect.throwsT<CheckpointError>
                        (fun () -> DetectorStart.check (settingsOf folder [ $"weights.load={damaged}" ]))
                        "a decoder with a hole")

            testCase
                "everything is taken, of the class layers the rows of the same names, and the others are drawn from the seed"
            <| fun () ->
                inFolder (fun folder ->
                    let there = [ "Cross"; "disc"; "moon"; "square" ]
                    let path, file = written folder "a.safetensors" [] there
                    let fresh = started folder []
                    let rename = """weights.rename=[{"old":"moon","new":"ring"}]"""
                    let found = started folder [ $"weights.load={path}"; rename ]
                    // disc, ring, square, triangle, star, cross
                    let rows = [ Some 1; Some 2; Some 3; None; None; Some 0 ]

                    for entry in found do
                        let shape, values = entry.Value

                        if isOfClasses entry.Key then
                            let width = values.Length / shapes.Length

                            for number, from in List.indexed rows do
                                let expected =
                                    match from with
                                    | Some old -> row width old (snd file[entry.Key])
                                    | None -> row width number (snd fresh[entry.Key])

                                Expect.equal (row width number values) expected $"{entry.Key}, row {number}"
                        else
                            Expect.equal (shape, values) file[entry.Key] entry.Key)

            testCase "where initial contents are injected into one of the two alone that is said"
            <| fun () ->
                inFolder (fun folder ->
                    for there, here in [ "false", "true"; "true", "false"; "true", "true" ] do
                        let path, _ = written folder "a.safetensors" [ $"queries.inject={there}" ] shapes

                        let start =
                            DetectorStart.plan
                                (settingsOf folder [ $"weights.load={path}"; $"queries.inject={here}" ])
                                []

                        let said = start.Value.Notices |> List.filter _.Contains("queries.inject")
                        Expect.equal said.Length (if there = here then 0 else 1) $"{there}, {here}")

            testCase "of other numbers of queries the first ones are taken"
            <| fun () ->
                inFolder (fun folder ->
                    let fresh = started folder []

                    for count in [ 4; 9 ] do
                        let path, file = written folder "a.safetensors" [ $"queries.count={count}" ] shapes
                        let found = started folder [ $"weights.load={path}" ]

                        for name in [ "init_proposal_bboxes"; "init_proposal_features" ] do
                            let name = $"rpn_head.{name}.weight"
                            let width = (snd fresh[name]).Length / 6
                            let taken = width * min count 6
                            let expected = Array.copy (snd fresh[name])
                            Array.blit (snd file[name]) 0 expected 0 taken
                            Expect.equal (snd found[name]) expected $"{name}, {count}"

                        let start = DetectorStart.plan (settingsOf folder [ $"weights.load={path}" ]) []
                        Expect.equal (start.Value.QueriesThere, start.Value.Queries) (count, 6) "said")

            testCase "a decoder alone goes with another backbone, for which the neck starts fresh"
            <| fun () ->
                inFolder (fun folder ->
                    let whole, file = written folder "a.safetensors" [] shapes
                    let decoder = decoderOf folder whole

                    // channels of other numbers, and another backbone with the same ones
                    for other in
                        [
                            [ "backbone.width=16" ]
                            [ "backbone.kind=resnet34" ]
                            [ "backbone.kind=mobilenet_v2"; "backbone.norm=frozen" ]
                        ] do
                        let about = String.concat " " other
                        let fresh = started folder other
                        let mutable necks = 0

                        for entry in started folder ($"weights.load={decoder}" :: other) do
                            let isNeck = entry.Key.StartsWith "neck."

                            if isNeck then
                                necks <- necks + 1

                            let expected =
                                if isNeck || entry.Key.StartsWith BackboneNames.prefix then
                                    fresh[entry.Key]
                                else
                                    file[entry.Key]

                            Expect.equal entry.Value expected $"{about}: {entry.Key}"

                        Expect.isGreaterThan necks 0 "a neck"

                        let plan =
                            DetectorStart.plan (settingsOf folder ($"weights.load={decoder}" :: other)) [||]

                        Expect.exists plan.Value.Notices _.Contains("the neck") $"{about}: said"

                    // pixels matter to a backbone that comes along, not to a decoder alone
                    let notices (file: string) =
                        DetectorStart.plan
                            (settingsOf folder [ $"weights.load={file}"; "data.normalise.mean=[0,0,0]" ])
                            [||]
                        |> Option.get
                        |> _.Notices
                        |> List.filter _.Contains("data.normalise")

                    Expect.hasLength (notices whole) 1 "a whole detector"
                    Expect.isEmpty (notices decoder) "a decoder alone"

                    expectParts
                        (complaint (fun () ->
                            started folder [ $"weights.load={decoder}"; "backbone.width=16"; "head.channels=64" ]))
                        [ decoder; "head.channels is 32 in the file and 64 in the settings" ])

            testCase "what does not fit is refused whole, with what differs"
            <| fun () ->
                inFolder (fun folder ->
                    let refused (assignments: string list) =
                        complaint (fun () -> started folder assignments)

                    let path, _ = written folder "a.safetensors" [] shapes

                    expectParts
                        (refused [ $"weights.load={path}"; "head.channels=64"; "backbone.width=16" ])
                        [
                            path
                            "cannot be the start"
                            "backbone.width is 8 in the file and 16 in the settings"
                            "head.channels is 32"
                        ]

                    // where nothing but the backbone is another one, there is a way
                    let said = refused [ $"weights.load={path}"; "backbone.width=16" ]
                    expectParts said [ "backbone.width"; $"convert {path} decoder.safetensors --decoder" ]

                    expectParts
                        (refused [ $"weights.load={path}"; "kind=ffndet"; "head.stages=2" ])
                        [ path; "DEQDet"; "FFNDet"; "(kind)" ]

                    // a file of which nothing is known but its tensors
                    let foreign = Path.Combine(folder, "foreign.pth")

                    let write (keep: string -> bool) =
                        use file = CheckpointFile.Open path

                        PthWriter.Write(
                            foreign,
                            [|
                                for tensor in file.Weights do
                                    if keep tensor.Name then
                                        TensorToWrite.Of tensor
                            |]
                        )

                    write (fun name -> not (name.EndsWith "attention_norm.bias"))

                    expectParts
                        (refused [ $"weights.load={foreign}" ])
                        [ foreign; "missing (2)"; "roi_head.bbox_head.1.attention_norm.bias" ]

                    write (fun name -> name.StartsWith "backbone.")
                    expectParts (refused [ $"weights.load={foreign}" ]) [ foreign; "no detector"; "backbone.weights" ]

                    expectParts (refused [ "weights.load=nothing.pth" ]) [ "nothing.pth" ]

                    expectParts
                        (refused [ """weights.rename=[{"old":"a","new":"b"}]""" ])
                        [ "weights.rename"; "weights.load" ])

            testCase "a file that does not name its classes gives all but these, and says so"
            <| fun () ->
                inFolder (fun folder ->
                    let path, file = written folder "a.safetensors" [] shapes
                    let foreign = Path.Combine(folder, "foreign.pth")

                    using (CheckpointFile.Open path) (fun file ->
                        PthWriter.Write(foreign, [| for tensor in file.Weights -> TensorToWrite.Of tensor |]))

                    let load = $"weights.load={foreign}"

                    let fresh, found =
                        started folder [], started folder [ load; "backbone.weights=none.pth" ]

                    for entry in found do
                        let expected = if isOfClasses entry.Key then fresh else file
                        Expect.equal entry.Value expected[entry.Key] entry.Key

                    let start =
                        DetectorStart.plan
                            (settingsOf folder [ load; "backbone.weights=none.pth" ])
                            (setupOf folder []).Classes

                    Expect.equal
                        [ for c in start.Value.Classes -> c.Name, c.Fate ]
                        [ for name in shapes -> name, "fresh" ]
                        "fresh"

                    expectParts
                        (String.concat "\n" start.Value.Notices)
                        [ "what its 6 classes are"; "backbone.weights" ])

            testCase
                "the settings of a file are those of a training from it, without what belongs to its own start and data"
            <| fun () ->
                inFolder (fun folder ->
                    let path, _ = written folder "a.safetensors" [ "backbone.weights=b.pth" ] [ "moon" ]
                    let settings = DetectorStart.settingsOf path true [ "train.epochs=7" ]
                    Expect.equal settings.Detector.Head.Channels 32 "the file's"
                    Expect.equal settings.Train.Epochs 7 "assigned"
                    Expect.equal settings.Detector.Classes 0 "as many as the data has"
                    Expect.isNone settings.Detector.Backbone.Weights "read once"
                    Expect.isNone settings.Data.Shapes "other data are not made"
                    Expect.isSome (DetectorStart.settingsOf path false []).Data.Shapes "its own are")

            testCase "what is frozen stays bit for bit, has no optimiser state, and a resumed run keeps it so"
            <| fun () ->
                inFolder (fun folder ->
                    let path, file = written folder "a.safetensors" [] shapes

                    let setup =
                        setupOf
                            folder
                            [
                                $"weights.load={path}"
                                """optimiser.freeze=["backbone","neck.*","attention"]"""
                                "train.ema=0.9"
                            ]

                    let isFrozen (name: string) =
                        name.Contains "backbone" || name.Contains "neck." || name.Contains "attention"

                    let whole, _ = train folder (TrainingRun.Start(setup, Some 3L)) "whole"
                    let _, work = train folder (TrainingRun.Start(setup, Some 2L)) "parts"

                    let parts, _ =
                        train folder (TrainingRun.Resume(setup, Some 3L, work.Latest)) "parts"

                    Expect.equal parts whole "resumed"

                    for entry in whole do
                        let same = entry.Value = file[entry.Key]
                        // all boxes are the whole image, and no gradient reaches them
                        let isFixed = isFrozen entry.Key || entry.Key.Contains "init_proposal_bboxes"
                        Expect.equal same isFixed entry.Key

                    use checkpoint = CheckpointFile.Open work.Latest

                    for tensor in checkpoint.State do
                        Expect.isFalse (isFrozen tensor.Name) tensor.Name)

            testCase "a resumed run does not need the file any more, and repeats the uninterrupted one"
            <| fun () ->
                inFolder (fun folder ->
                    let path, _ = written folder "a.safetensors" [] [ "disc"; "star" ]
                    let setup = setupOf folder [ $"weights.load={path}" ]

                    let whole, _ = train folder (TrainingRun.Start(setup, Some 3L)) "whole"
                    let _, work = train folder (TrainingRun.Start(setup, Some 2L)) "parts"
                    File.Delete path

                    let parts, _ =
                        train folder (TrainingRun.Resume(setup, Some 3L, work.Latest)) "parts"

                    Expect.equal parts whole "weights")
        ]
