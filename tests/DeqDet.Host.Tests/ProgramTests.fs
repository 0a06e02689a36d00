module DeqDet.Tests.ProgramTests

open System.IO
open Expecto

[<Tests>]
let tests =
    testSequenced
    <| testList
        "Program"
        [
            testCase "an unknown command exits with 2"
            <| fun () -> Expect.equal (DeqDet.Host.Program.Main [| "no-such-command" |]) 2 "exit code"

            testCase "a training that this machine cannot compute is refused before it makes data"
            <| fun () ->
                let folder = Directory.CreateTempSubdirectory "deqdet-program-"

                try
                    for refused in [ [ "--set"; "train.precision=fp16" ]; [ "--tf32" ] ] do
                        let data = Path.Combine(folder.FullName, "data")

                        let arguments =
                            [ "train"; SettingsFiles.config "shapes"; "--data"; data; "--device"; "cpu" ]

                        let code, said = RunProgram.run (arguments @ refused)
                        Expect.equal code 2 said
                        Expect.isFalse (Directory.Exists data) $"nothing is made: {said}"
                finally
                    folder.Delete true

            testCase "trials say what they found and leave nothing behind"
            <| fun () ->
                let folder = Directory.CreateTempSubdirectory "deqdet-program-"

                let trials () =
                    Directory.GetDirectories(Path.GetTempPath(), "deqdet-trial-*") |> set

                let before = trials ()

                try
                    let data = Path.Combine(folder.FullName, "data")

                    let arguments =
                        [
                            "train"
                            SettingsFiles.config "shapes"
                            "--data"
                            data
                            "--device"
                            "cpu"
                            for setting in
                                [
                                    "data.shapes.train_images=12"
                                    "data.shapes.val_images=2"
                                    "train.batch_size=4"
                                    "backbone.width=8"
                                    "head.channels=32"
                                    "head.feed_forward=32"
                                    "queries.count=3"
                                ] do
                                "--set"
                                setting
                        ]

                    let code, said = RunProgram.run (arguments @ [ "--dry-run" ])
                    Expect.equal code 0 said

                    for part in
                        [
                            "training     12 images"
                            "validation   2 images"
                            "6 classes"
                            "4 images of"
                            "9 epochs of 3 steps"
                            "more objects than the detector has queries"
                            "in all       about"
                        ] do
                        Expect.stringContains said part part

                    // the detector that comes with the program, whose classes these are
                    let code, said =
                        RunProgram.run
                            [
                                "train"
                                "--from"
                                DeqDet.Detection.CarriedWeights.Shapes
                                "--data"
                                data
                                "--device"
                                "cpu"
                                "--set"
                                "data.shapes={\"train_images\":8,\"val_images\":2}"
                                "--set"
                                "data.normalise.mean=[0,0,0]"
                                "--dry-run"
                            ]

                    Expect.equal code 0 said

                    for part in [ "starts from"; "ring         ring      kept"; "other data.normalise" ] do
                        Expect.stringContains said part part

                    let code, said =
                        RunProgram.run (arguments @ [ "--overfit"; "2"; "--max-steps"; "20" ])

                    Expect.equal code 1 said

                    for part in
                        [
                            "Learning 2 images"
                            "in at most 20 steps"
                            "step    20"
                            "No: 2 images not learned"
                        ] do
                        Expect.stringContains said part part

                    Expect.isEmpty (Directory.GetFileSystemEntries folder.FullName) "the data folder"

                    // a folder of somebody's, as the training itself refuses it
                    Directory.CreateDirectory data |> ignore
                    File.WriteAllText(Path.Combine(data, "mine.txt"), "mine")

                    for trial in [ [ "--dry-run" ]; [ "--overfit"; "2" ]; [] ] do
                        let code, said = RunProgram.run (arguments @ trial)
                        Expect.equal code 2 said
                        Expect.stringContains said "is in use but holds no shapes data set" said
                        Expect.stringContains said "configs/finetune_r18.json" "what else may have been meant"

                    Expect.isEmpty (Set.difference (trials ()) before) "temporary folders"
                finally
                    folder.Delete true

            testCase "a training leaves its page, its starts and its events, and info makes the page anew"
            <| fun () ->
                let folder = Directory.CreateTempSubdirectory "deqdet-program-"

                try
                    let under name = Path.Combine(folder.FullName, name)
                    let work = under "work"

                    let code, said =
                        RunProgram.run
                            [
                                "train"
                                SettingsFiles.config "shapes"
                                "--data"
                                under "data"
                                "--work-dir"
                                work
                                "--device"
                                "cpu"
                                for setting in
                                    [
                                        "data.shapes.train_images=8"
                                        "data.shapes.val_images=2"
                                        "train.epochs=1"
                                        "train.batch_size=4"
                                        "train.log_every=1"
                                        "train.tensorboard=true"
                                        "backbone.width=8"
                                        "head.channels=32"
                                        "head.feed_forward=32"
                                        "queries.count=8"
                                    ] do
                                    "--set"
                                    setting
                            ]

                    Expect.equal code 0 said
                    let page = File.ReadAllText(Path.Combine(work, "training.html"))
                    Expect.stringContains page "data:image/jpeg" "pictures"
                    Expect.stringContains page "AP by class" "classes"
                    Expect.equal (File.ReadAllLines(Path.Combine(work, "starts.jsonl")).Length) 1 "one start"
                    Expect.equal (Directory.GetFiles(Path.Combine(work, "events")).Length) 1 "one file of events"

                    let code, said = RunProgram.run [ "info"; work; "--page"; under "again.html" ]
                    Expect.equal code 0 said
                    Expect.equal (File.ReadAllText(under "again.html")) page "the same page"
                    File.WriteAllText(under "mine.html", "something of mine")
                    let code, said = RunProgram.run [ "info"; work; work; "--page"; under "mine.html" ]
                    Expect.equal code 2 said

                    let code, said =
                        RunProgram.run [ "info"; folder.FullName; "--page"; under "again.html" ]

                    Expect.equal code 2 said
                    Expect.stringContains said "no metrics.jsonl" "what is missing"
                finally
                    folder.Delete true
        ]
