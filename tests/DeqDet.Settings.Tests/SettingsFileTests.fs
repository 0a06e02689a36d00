module DeqDet.Tests.SettingsFileTests

open System
open System.IO
open System.Text
open Expecto
open DeqDet.Model
open DeqDet.Settings
open DeqDet.Tests.SettingsFiles

/// The complaint about the text of a file called bad.json.
let private about (text: string) : string =
    complaint (fun () -> SettingsFile.parse "bad.json" text [])

/// The complaint about --set arguments on top of nothing.
let private aboutSet (assignments: string list) : string =
    complaint (fun () -> SettingsFile.parse "none.json" "{}" assignments)

let private loading =
    testList
        "loading"
        [
            testCase "an empty object gives the defaults"
            <| fun () -> Expect.equal (SettingsFile.parse "x" "{}" []) Settings.defaults "defaults"
            testCase "comments, trailing commas and a byte order mark are welcome"
            <| fun () ->
                let text = "\uFEFF// one\n{ /* two */ \"solver\": { \"steps\": 30, }, }\n// three\n"
                Expect.equal (SettingsFile.parse "x" text []).Detector.Solver.Steps 30 "steps"
            testCase "a chain of bases merges key by key and replaces lists; bases are relative to their file"
            <| fun () ->
                withFiles
                    [
                        "top.json", """{ "base": "sub/middle.json", "rag": { "unroll": 3 } }"""
                        "sub/middle.json", """{ "base": "../low.json", "rag": { "supervised": [2, 5] } }"""
                        "low.json", """{ "rag": { "extra": 1, "unroll": 9, "supervised": [1, 2, 3] }, "classes": 7 }"""
                    ]
                    (fun folder ->
                        let settings = SettingsFile.load (Path.Combine(folder, "top.json")) []

                        let rag =
                            { DetectorSettings.published.Rag with
                                Supervised = [ 2; 5 ]
                                Unroll = 3
                                Extra = 1
                                Immediate = true
                            }

                        Expect.equal settings.Detector.Rag rag "rag"
                        Expect.equal settings.Detector.Classes 7 "classes")
            testCase "null removes an optional section of the base"
            <| fun () ->
                withFiles
                    [
                        "top.json", """{ "base": "low.json", "data": { "shapes": null } }"""
                        "low.json", """{ "data": { "shapes": { "seed": 3 } } }"""
                    ]
                    (fun folder ->
                        let low = SettingsFile.load (Path.Combine(folder, "low.json")) []
                        let top = SettingsFile.load (Path.Combine(folder, "top.json")) []

                        Expect.equal
                            low.Data.Shapes
                            (Some
                                {
                                    TrainImages = 2000
                                    ValImages = 200
                                    Seed = 3
                                })
                            "what the section leaves out has its default"

                        Expect.equal top.Data.Shapes None "removed")
            testCase "--set takes numbers, bare words, texts, lists, sections and null; the last one wins"
            <| fun () ->
                let settings =
                    SettingsFile.parse
                        "x"
                        "{}"
                        [
                            "solver.steps=3"
                            "solver.steps = 30"
                            "backbone.kind=resnet18"
                            "data.root=/x y=z"
                            "data.train.images=2017"
                            "data.val.images=\"a \\\"b\\\"\""
                            "rag.supervised=[1,4,30]"
                            "data.shapes={\"seed\":5}"
                            "backbone.weights=null"
                        ]

                Expect.equal settings.Detector.Solver.Steps 30 "steps"
                Expect.equal settings.Detector.Backbone.Kind ResNet18 "kind"
                Expect.equal settings.Data.Root "/x y=z" "root"
                Expect.equal settings.Data.Train.Images "2017" "a name of digits"
                Expect.equal settings.Data.Val.Images "a \"b\"" "quoted"
                Expect.equal settings.Detector.Rag.Supervised [ 1; 4; 30 ] "supervised"
                Expect.equal (settings.Data.Shapes |> Option.map _.Seed) (Some 5) "seed"
        ]

let private files =
    testList
        "files that cannot be used"
        [
            testCase "a missing file names its nearest neighbour"
            <| fun () ->
                withFiles [ "shapes.json", "{}"; "bccd.json", "{}" ] (fun folder ->
                    let path = Path.Combine(folder, "shape.json")

                    expectParts
                        (complaint (fun () -> SettingsFile.load path []))
                        [ path; "no such settings file"; Path.Combine(folder, "shapes.json") ])
            testCase "a missing folder is said to be missing"
            <| fun () ->
                withFiles [] (fun folder ->
                    let path = Path.Combine(folder, "nowhere", "x.json")
                    expectParts (complaint (fun () -> SettingsFile.load path [])) [ path; "there is no folder" ])
            testCase "a folder is no file"
            <| fun () ->
                withFiles [] (fun folder ->
                    expectParts (complaint (fun () -> SettingsFile.load folder [])) [ folder; "is a folder" ])
            testCase "a huge file is not read as settings"
            <| fun () ->
                withFiles [ "big.json", String(' ', 3 <<< 20) ] (fun folder ->
                    expectParts
                        (complaint (fun () -> SettingsFile.load (Path.Combine(folder, "big.json")) []))
                        [ "no settings file"; "3 MiB" ])
            testCase "a missing base is reported where it is named"
            <| fun () ->
                withFiles [ "top.json", "{\n  \"base\": \"lo.json\"\n}"; "low.json", "{}" ] (fun folder ->
                    expectParts
                        (complaint (fun () -> SettingsFile.load (Path.Combine(folder, "top.json")) []))
                        [ "top.json, line 2, column 11"; "does not exist"; "low.json" ])
            testCase "a circle of bases is reported with its way"
            <| fun () ->
                withFiles
                    [
                        "a.json", """{ "base": "b.json" }"""
                        "b.json", """{ "base": "c.json" }"""
                        "c.json", """{ "base": "b.json" }"""
                    ]
                    (fun folder ->
                        expectParts
                            (complaint (fun () -> SettingsFile.load (Path.Combine(folder, "a.json")) []))
                            [ "c.json, line 1, column 11"; "a.json -> b.json -> c.json -> b.json" ])
            testCase "a base that is no text is refused"
            <| fun () ->
                withFiles [ "a.json", """{ "base": 3 }""" ] (fun folder ->
                    expectParts
                        (complaint (fun () -> SettingsFile.load (Path.Combine(folder, "a.json")) []))
                        [ "line 1, column 11"; "base is 3" ])
            testCase "an error in a base names the base"
            <| fun () ->
                withFiles
                    [ "top.json", """{ "base": "low.json" }"""; "low.json", "{\n\"classes\": -1 }" ]
                    (fun folder ->
                        expectParts
                            (complaint (fun () -> SettingsFile.load (Path.Combine(folder, "top.json")) []))
                            [ "low.json, line 2, column 12: classes is -1" ])
        ]

/// Text of a file, and what the complaint must hold.
let private malformed =
    [
        "", [ "bad.json"; "empty" ]
        " \n", [ "empty" ]
        "[1]", [ "line 1, column 1"; "must be a JSON object" ]
        "{ \"classes\": 3", [ "malformed JSON"; "line 1, column 15" ]
        "{\n  \"classes\": nul\n}", [ "line 2, column 17"; "malformed JSON" ]
        "{\n  \"é\": 1, 3\n}", [ "line 2, column 11"; "malformed JSON" ]
        "{} {}", [ "line 1, column 4"; "malformed JSON" ]
        "{\n \"solver\": { \"steps\": 1,\n  \"steps\": 2 } }",
        [ "line 3, column 3"; "\"steps\" is given twice"; "line 2, column 14" ]
        "{ \"data\": { \"root\": \"\\ud800\" } }", [ "line 1, column 21"; "\\u escape" ]
        String('[', 200), [ "malformed JSON" ]
    ]

/// Text of a file, and what the complaint must hold.
let private wrong =
    [
        "{\n  \"solver\": { \"stpes\": 3 } }",
        [
            "bad.json, line 2, column 15"
            "solver.stpes is an unknown key"
            "did you mean solver.steps?"
            "Keys of solver: steps"
        ]
        "{ \"steps\": 3 }",
        [
            "steps is an unknown key"
            "did you mean solver.steps?"
            "Keys of the top level: kind, classes"
        ]
        "{ \"solver.steps\": 3 }", [ "did you mean solver.steps?" ]
        "{ \"queries\": { \"unroll\": 3 } }", [ "did you mean rag.unroll?" ]
        "{ \"kind\": \"deqdt\" }",
        [
            "line 1, column 11"
            "kind is the text \"deqdt\""
            "did you mean \"deqdet\"?"
        ]
        "{ \"backbone\": { \"kind\": \"resnet52\" } }", [ "backbone.kind"; "did you mean \"resnet50\"?" ]
        "{ \"solver\": { \"steps\": \"30\" } }",
        [
            "line 1, column 24"
            "solver.steps is the text \"30\""
            "a whole number from 1 to 10000"
            "the default is 20"
        ]
        "{ \"solver\": { \"steps\": 2.5 } }", [ "solver.steps is 2.5"; "whole number" ]
        "{ \"solver\": { \"steps\": 99999999999 } }", [ "solver.steps is 99999999999"; "whole number" ]
        "{ \"solver\": 7 }", [ "solver is 7"; "a section" ]
        "{ \"optimiser\": { \"lr\": 0 } }", [ "optimiser.lr is 0"; "above 0" ]
        "{ \"optimiser\": { \"lr\": 1e999 } }", [ "optimiser.lr is 1e999"; "a number" ]
        "{ \"optimiser\": { \"rules\": [{ \"match\": \"a\", \"rate\": 2 }] } }",
        [ "optimiser.rules[0].rate"; "Keys of optimiser.rules[0]: match, lr, decay" ]
        "{ \"optimiser\": { \"rules\": [{ \"lr\": 2 }] } }", [ "optimiser.rules[0].match is missing" ]
        "{ \"rag\": { \"immediate\": 1 } }", [ "rag.immediate is 1"; "true or false" ]
        "{ \"rag\": { \"supervised\": [3, 1] } }", [ "rag.supervised"; "ascending" ]
        "{ \"rag\": { \"supervised\": [1, \"x\"] } }", [ "rag.supervised[1] is the text \"x\"" ]
        "{ \"rag\": { \"supervised\": [] } }", [ "rag.supervised is an empty list"; "at least one" ]
        "{ \"rap\": { \"content_probability\": 1.5 } }", [ "rap.content_probability is 1.5"; "from 0 to 1" ]
        "{ \"data\": { \"normalise\": { \"std\": [1, 1, 0] } } }", [ "data.normalise.std[2] is 0"; "above 0" ]
        "{ \"data\": { \"normalise\": { \"mean\": [1, 1] } } }", [ "data.normalise.mean is a list of 2"; "three" ]
        "{ \"data\": { \"root\": \"\" } }", [ "data.root"; "must be text" ]
        "{ \"schedule\": { \"milestones\": [8, 8] } }", [ "schedule.milestones"; "ascending" ]
        // Rules between keys.
        "{ \"solver\": { \"steps\": 10 } }",
        [
            "bad.json: rag.supervised names steps beyond solver.steps = 10: 12, 20"
            "[1,3,6,9,10]"
            "solver.steps is set at bad.json, line 1, column 24"
        ]
        "{ \"head\": { \"channels\": 100 } }",
        [ "line 1, column 25"; "head.channels is 100"; "multiple of 32"; "example 128" ]
        "{ \"head\": { \"channels\": 96, \"heads\": 10 } }",
        [
            "head.channels is 96"
            "of heads = 10"
            "example 160"
            "head.heads is set at"
        ]
        "{ \"head\": { \"channels\": 96, \"groups\": 5 } }",
        [
            "head.channels is 96"
            "of groups = 5"
            "example 160"
            "head.groups is set at"
        ]
        "{ \"head\": { \"stages\": 3, \"stage_weights\": [1, 2] } }",
        [ "head.stage_weights holds 2 weights for 3 stages" ]
        "{ \"backbone\": { \"kind\": \"swin_t\", \"norm\": \"batch\" } }", [ "backbone.norm"; "Swin" ]
        "{ \"backbone\": { \"drop_path\": 0.1 } }", [ "backbone.drop_path is 0.1"; "only Swins" ]
        "{ \"data\": { \"resize\": { \"long_max\": 600 } } }", [ "data.resize.long_max is 600"; "800" ]
        "{ \"data\": { \"augment\": { \"short_sides\": [1400] } } }", [ "data.augment.short_sides holds 1400"; "1333" ]
        "{ \"data\": { \"augment\": { \"crop\": { \"max_size\": 100 } } } }",
        [ "data.augment.crop.max_size is 100"; "384" ]
        "{ \"matching\": { \"focal\": 0, \"l1\": 0, \"giou\": 0 } }", [ "matching.focal is 0"; "above 0" ]
    ]

let private content =
    testList
        "contents that are refused"
        [
            for text, parts in malformed @ wrong do
                let name = if text.Length > 60 then text.Substring(0, 60) else text

                testCase $"'{name}'" <| fun () -> expectParts (about text) parts
            testCase "bytes that are no UTF-8"
            <| fun () ->
                withFiles [] (fun folder ->
                    let path = Path.Combine(folder, "x.json")
                    File.WriteAllBytes(path, Array.append (Encoding.UTF8.GetBytes "{\n \"") [| 0xFFuy; 34uy |])
                    expectParts (complaint (fun () -> SettingsFile.load path [])) [ "line 2, column 3"; "UTF-8" ])
            testCase "all problems are reported at once, each with its place"
            <| fun () ->
                let message =
                    about "{\n \"solver\": { \"steps\": 0 },\n \"rag\": { \"unrol\": 1 },\n \"classes\": true }"

                expectParts
                    message
                    [
                        "3 problems"
                        "line 2, column 23: solver.steps"
                        "line 3, column 11: rag.unrol"
                        "line 4, column 13: classes"
                    ]
            testCase "one message has one line"
            <| fun () -> Expect.isFalse ((about "{ \"classes\": 0 }").Contains '\n') "a line break"
        ]

let private arguments =
    testList
        "--set arguments that are refused"
        [
            for assignments, parts in
                [
                    [ "solver.steps" ], [ "--set solver.steps"; "KEY=VALUE" ]
                    [ "=3" ], [ "--set =3"; "is no key" ]
                    [ "a..b=3" ], [ "--set a..b=3"; "is no key" ]
                    [ "solver.stpes=3" ], [ "--set solver.stpes=3: solver.stpes is an unknown key"; "solver.steps" ]
                    [ "solver.steps=0" ], [ "--set solver.steps=0: solver.steps is 0" ]
                    [ "solver.steps=many" ], [ "the text \"many\"" ]
                    [ "solver.steps=" ], [ "the text \"\"" ]
                    [ "rag.supervised=[1,2" ], [ "--set rag.supervised=[1,2: malformed JSON" ]
                    [ "classes.x=3" ], [ "--set classes.x=3: classes is a section" ]
                    [ "base=x.json" ], [ "--set base=x.json"; "only be set in a file" ]
                    [ "solver.steps=10" ], [ "rag.supervised"; "solver.steps is set at --set solver.steps=10" ]
                    [ "head.channels=100"; "solver.steps=0" ], [ "2 problems" ]
                ] do
                let name = String.concat " " assignments
                testCase name <| fun () -> expectParts (aboutSet assignments) parts
        ]

[<Tests>]
let tests = testList "Settings files" [ loading; files; content; arguments ]
