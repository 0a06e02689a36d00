module DeqDet.Tests.ConfigurationsTests

open System
open System.IO
open Expecto
open DeqDet.Settings
open DeqDet.Tests.SettingsFiles

let private nameOf (file: string) =
    nonNull (Path.GetFileNameWithoutExtension file)

[<Tests>]
let tests =
    testList
        "Configurations that the program carries"
        [
            testCase "they are the files of configs/, byte for byte"
            <| fun () ->
                Expect.equal Configurations.names (configs |> List.map nameOf) "names"

                for file in configs do
                    Expect.equal (Configurations.bytes (nameOf file)) (File.ReadAllBytes file) file
            testCase "each loads by its name and by its place, with its bases, where there is no such file"
            <| fun () ->
                // The tests run in a folder without configs/, or beside the very files that are carried.
                for file in configs do
                    let expected = SettingsFile.load file []

                    for spelling in [ nameOf file; nameOf file + ".json"; $"configs/{nameOf file}.json" ] do
                        Expect.equal (SettingsFile.load spelling []) expected spelling
            testCase "a problem in one has its place in configs/"
            <| fun () ->
                expectParts
                    (complaint (fun () -> SettingsFile.load "shapes" [ "solver.steps=1" ]))
                    [
                        "configs/shapes.json, line "
                        "rag.supervised names steps beyond solver.steps = 1"
                    ]
            testCase "a file on the disk goes before them, also as a base"
            <| fun () ->
                withFiles
                    [
                        "top.json", """{ "base": "shapes.json" }"""
                        "shapes.json", """{ "classes": 17 }"""
                    ]
                    (fun folder ->
                        let settings = SettingsFile.load (Path.Combine(folder, "top.json")) []
                        Expect.equal settings.Detector.Classes 17 "the user's own shapes.json")
            testCase "a file in any folder may build on one of them"
            <| fun () ->
                withFiles
                    [
                        "top.json", """{ "base": "deqdet_r50_2x_coco.json", "train": { "epochs": 3 } }"""
                    ]
                    (fun folder ->
                        let settings = SettingsFile.load (Path.Combine(folder, "top.json")) []
                        let theirs = SettingsFile.load (config "deqdet_r50_2x_coco") []

                        Expect.equal
                            settings
                            { theirs with
                                Train = { theirs.Train with Epochs = 3 }
                            }
                            "merged")
            testCase "a path elsewhere is no name of theirs"
            <| fun () ->
                withFiles [] (fun folder ->
                    let path = Path.Combine(folder, "shapes.json")
                    expectParts (complaint (fun () -> SettingsFile.load path [])) [ path; "no such settings file" ])
            testCase "a mistyped name names the nearest of them"
            <| fun () ->
                expectParts
                    (complaint (fun () -> SettingsFile.load "configs/deqdet_r5O_1x_coco.json" []))
                    [ "no such settings file"; "deqdet_r50_1x_coco.json?" ]
            testCase "the official ones are the published models, whatever number of classes is asked for"
            <| fun () ->
                let official = SettingsFile.official [ "classes=7" ]
                Expect.equal official.Length 9 "models"

                Expect.equal
                    (List.map fst official)
                    (official
                     |> List.map fst
                     |> List.sortWith (fun a b -> String.CompareOrdinal(a, b)))
                    "order"

                for name, settings in official do
                    let onDisk = SettingsFile.load (config name) [ "classes=7" ]
                    Expect.equal settings onDisk name
        ]
