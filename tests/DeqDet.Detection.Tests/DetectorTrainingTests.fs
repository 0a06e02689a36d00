/// Training as one call of a program.
module DeqDet.Tests.DetectorTrainingTests

open System
open System.IO
open System.Threading
open Expecto
open DeqDet.Checkpoints
open DeqDet.Detection
open DeqDet.Tests.SettingsFiles

/// The default training with four steps in two epochs.
let private tiny (data: string) =
    [
        $"data.root={data}"
        "data.shapes.train_images=8"
        "data.shapes.val_images=2"
        "train.batch_size=4"
        "train.epochs=2"
        "train.log_every=1"
        "backbone.width=8"
        "head.channels=32"
        "head.feed_forward=32"
        "solver.steps=4"
        "rag.supervised=[1,4]"
        "queries.count=8"
    ]

/// Weights and optimiser state by name.
let private tensors (folder: string) =
    use file = SafetensorsFile.Open (WorkFolder.at folder).Latest

    [
        for stored in file.Tensors ->
            use tensor = Tensors.Load stored
            stored.Name, tensor.bytes.ToArray()
    ]

[<Tests>]
let tests =
    testSequenced
    <| testList
        "DetectorTraining"
        [
            testCase "one call trains, one goes on, and both come to what one run comes to; what is left can be opened"
            <| fun () ->
                withFiles [] (fun folder ->
                    let data = Path.Combine(folder, "data")
                    let work name = Path.Combine(folder, name)
                    let mutable steps = []

                    let run (name: string) (most: Nullable<int64>) =
                        DetectorTraining.Run(
                            "shapes",
                            work name,
                            set = tiny data,
                            maxSteps = most,
                            stepped = (fun report -> steps <- report.Step :: steps)
                        )

                    let whole = run "whole" (Nullable())
                    Expect.isTrue (whole.Finished && whole.Last.IsSome) "to its end, and validated"
                    Expect.equal steps [ 4L; 3L; 2L; 1L ] "steps"

                    run "parts" (Nullable 3L) |> ignore
                    let rest = DetectorTraining.Resume(work "parts")
                    Expect.isTrue rest.Finished "went on to the end"

                    Expect.equal (tensors (work "parts")) (tensors (work "whole")) "bit for bit"

                    for file in [ "settings.json"; "metrics.jsonl"; "val_detections.json"; "best.safetensors" ] do
                        Expect.isTrue (File.Exists(Path.Combine(work "whole", file))) file

                    Expect.isFalse (File.Exists (WorkFolder.at (work "whole")).Owner) "nobody's any more"

                    use session = DetectorSession.Open(work "whole")
                    let picture = Directory.GetFiles(data, "*.png", SearchOption.AllDirectories)[0]
                    Expect.isNonEmpty (session.Detect picture) "detections")

            testCase "interrupted, it says so, keeps its state and can go on"
            <| fun () ->
                withFiles [] (fun folder ->
                    use cancellation = new CancellationTokenSource()
                    let work = Path.Combine(folder, "work")

                    let outcome =
                        DetectorTraining.Run(
                            "shapes",
                            work,
                            data = Path.Combine(folder, "data"),
                            set = tiny "elsewhere",
                            stepped = (fun _ -> cancellation.Cancel()),
                            cancellation = cancellation.Token
                        )

                    Expect.isFalse outcome.Finished "interrupted"
                    use file = CheckpointFile.Open((WorkFolder.at work).Latest)
                    Expect.equal file.Info.Progress.Step 1L "after one step")

            testCase "a folder with a run, unknown settings and an empty folder to go on from are refused"
            <| fun () ->
                withFiles [ "work/best.safetensors", "weights" ] (fun folder ->
                    let work = Path.Combine(folder, "work")
                    let none = Path.Combine(folder, "none")

                    let refusal action =
                        complaint (fun () -> action () |> ignore)

                    Expect.stringContains (refusal (fun () -> DetectorTraining.Run("shapes", work))) work "a run"

                    Expect.stringContains
                        (refusal (fun () -> DetectorTraining.Run("shpaes", none)))
                        "shapes"
                        "the name that was meant"

                    Expect.stringContains (refusal (fun () -> DetectorTraining.Resume none)) none "nothing there"
                    Expect.isFalse (Directory.Exists none) "no folder is left")
        ]
