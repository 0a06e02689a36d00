/// `test` on images that are named, with and without annotations, and where it finds a model's data set.
module DeqDet.Tests.TestCommandTests

open System
open System.IO
open System.Text.Json
open Expecto
open DeqDet.Tests.RunProgram
open DeqDet.Tests.SolvingTests

let private field =
    Path.Combine(GoldenFolder.path "", "..", "field", "04-test-without-annotations")

let private annotations name =
    Path.Combine(field, "annotations", name)

let private images = Path.Combine(field, "val")

let private named file work more =
    run (
        [
            "test"
            work
            "--annotations"
            annotations file
            "--images"
            images
            "--device"
            "cpu"
        ]
        @ more
    )

[<Tests>]
let tests =
    testSequenced
    <| testList
        "test"
        [
            testCase "images without annotations: results and no table"
            <| fun () ->
                withModel [] (fun work _ ->
                    let out = Path.Combine(work, "found.json")
                    let code, said = named "image_info_test.json" work [ "--out"; out ]
                    Expect.equal code 0 said
                    Expect.stringContains said "no annotations" "says so"
                    Expect.isFalse (said.Contains "Average Precision") "no table"
                    use json = JsonDocument.Parse(File.ReadAllBytes out)

                    let ids =
                        [
                            for found in json.RootElement.EnumerateArray() -> found.GetProperty("image_id").GetInt64()
                        ]
                        |> List.distinct

                    Expect.equal ids.Length 2 "both images"
                    Expect.all ids (fun id -> id > 1_000_000L) "with the file's ids")

            testCase "images without annotations need a place for the results"
            <| fun () ->
                withModel [] (fun work _ ->
                    let code, said = named "image_info_test.json" work []
                    Expect.equal code 2 said
                    Expect.stringContains said "--out" "the remedy"

                    let page = Path.Combine(work, "page.html")
                    let out = Path.Combine(work, "found.json")

                    let code, said =
                        named "image_info_test.json" work [ "--out"; out; "--report"; page ]

                    Expect.equal code 2 said
                    Expect.isFalse (File.Exists page || File.Exists out) "nothing was written")

            testCase "annotated images that are named: a table, also where the list is empty"
            <| fun () ->
                withModel [] (fun work _ ->
                    for file in [ "instances_val.json"; "empty_list.json" ] do
                        let code, said = named file work []
                        Expect.equal code 0 said
                        Expect.stringContains said "Average Precision" file)

            testCase "only one of the two named: the other is the model's own"
            <| fun () ->
                withModel [] (fun work own ->
                    let root = Path.GetFullPath(Path.Combine(own, ".."))
                    let file = Path.Combine(root, "annotations", "instances_val.json")
                    let code, said = run [ "test"; work; "--annotations"; file ]
                    Expect.equal code 0 said
                    let code, said = run [ "test"; work; "--images"; own ]
                    Expect.equal code 0 said
                    let code, said = run [ "test"; work; "--images"; Path.Combine(root, "nowhere") ]
                    Expect.equal code 2 said
                    Expect.stringContains said "nowhere" "names the folder")

            testCase "training still wants annotations"
            <| fun () ->
                withModel [] (fun work _ ->
                    let code, said =
                        run
                            [
                                "train"
                                "--data"
                                field
                                "--set"
                                "data.shapes=null"
                                "--set"
                                "data.train.annotations=annotations/image_info_test.json"
                                "--set"
                                "data.train.images=val"
                                "--work-dir"
                                Path.Combine(work, "new")
                                "--max-steps"
                                "1"
                            ]

                    Expect.equal code 2 said
                    Expect.stringContains said "annotations" "names the list"
                    Expect.isFalse (Directory.Exists(Path.Combine(work, "new"))) "no work folder is left behind")

            testCase "a model trained with a relative data folder finds it from elsewhere, and draws no new one"
            <| fun () ->
                let before = Environment.CurrentDirectory
                let folder = Directory.CreateTempSubdirectory("deqdet-elsewhere-").FullName

                try
                    let home, elsewhere =
                        Path.Combine(folder, "home"), Path.Combine(folder, "elsewhere")

                    for path in [ home; elsewhere ] do
                        Directory.CreateDirectory path |> ignore

                    Environment.CurrentDirectory <- home

                    let small =
                        [
                            "data.root=data/mine"
                            "data.shapes.train_images=4"
                            "data.shapes.val_images=3"
                            "train.batch_size=4"
                            "backbone.width=8"
                            "head.channels=32"
                            "head.feed_forward=32"
                            "queries.count=6"
                        ]
                        |> List.collect (fun set -> [ "--set"; set ])

                    let code, said = run ([ "train"; "--max-steps"; "1"; "--device"; "cpu" ] @ small)
                    Expect.equal code 0 said
                    Environment.CurrentDirectory <- elsewhere
                    let code, said = run [ "test"; Path.Combine(home, "work", "shapes") ]
                    Expect.equal code 0 said
                    Expect.stringContains said (Path.Combine(home, "data", "mine")) "says where"
                    Expect.isEmpty (Directory.GetFileSystemEntries elsewhere) "nothing was drawn here"
                finally
                    Environment.CurrentDirectory <- before
                    Directory.Delete(folder, true)

            testCase "--device and --threads are checked"
            <| fun () ->
                withModel [] (fun work own ->
                    let code, said = run [ "test"; work; "--device"; "cuda:7" ]
                    Expect.equal code 2 said

                    let code, said =
                        run [ "detect"; work; own; "--threads"; "0"; "--out"; Path.Combine(work, "d") ]

                    Expect.equal code 2 said
                    let code, said = run [ "test"; work; "--threads"; "1" ]
                    Expect.equal code 0 said)
        ]
