module DeqDet.Tests.SettingsConfigsTests

open System.IO
open System.Text.Json
open Expecto
open DeqDet.Model
open DeqDet.Settings
open DeqDet.Tests.SettingsFiles

/// Our settings file and the table of the published model's parameters.
let private published =
    [
        "deqdet_r50_1x_coco", "eqdet_r50_1x_coco"
        "deqdet_r50_2x_coco", "eqdet_r50_2x_coco"
        "deqdet_r101_2x_coco", "eqdet_r101_2x_coco"
        "deqdet_swins_2x_coco", "eqdet_swins_2x_coco"
        "ffndet_r50_1x_coco", "ffndet_r50_1x_coco"
        "adamixer_r50_1x_coco", "adamixer_r50_1x_coco"
        "adamixer_r50_3x_coco", "adamixer_r50_300_query_crop_mstrain_480-800_3x_coco"
        "adamixer_r101_3x_coco", "adamixer_r101_300_query_crop_mstrain_480-800_3x_coco"
        "adamixer_swins_3x_coco", "adamixer_swin_s_300_query_crop_mstrain_480-800_3x_coco"
    ]

/// The table of a published model, or a skipped test where the tables are not at hand.
let private table (name: string) : JsonElement =
    let path = GoldenFolder.shared (Path.Combine("models", name + "_state_dict.json"))

    if File.Exists path then
        JsonDocument.Parse(File.ReadAllText path).RootElement
    else
        skiptest $"the tables of the published models are not here ({path})"

let private close (a: float) (b: float) = abs (a - b) <= 1e-12 * abs b

/// Rates and decays that differ from the table; entries that do not train have none.
let private compareRates (optimiser: OptimiserSettings) (table: JsonElement) =
    let mutable compared = 0

    for entry in table.GetProperty("state_dict").EnumerateArray() do
        // Buffers have no rate, and what does not train mostly has none either.
        match entry.TryGetProperty "optimizer_lr" with
        | true, rate when rate.ValueKind = JsonValueKind.Number ->
            let name = entry.GetProperty("name").GetString()
            let struct (lr, decay) = OptimiserRules.forParameter optimiser name
            compared <- compared + 1
            Expect.isTrue (close lr (rate.GetDouble())) $"{name}: learning rate {lr}, official {rate}"
            let official = entry.GetProperty("optimizer_weight_decay").GetDouble()
            Expect.isTrue (close decay official) $"{name}: weight decay {decay}, official {official}"
        | _ -> ()

    compared

let private shapeOf (table: JsonElement) (name: string) =
    table.GetProperty("state_dict").EnumerateArray()
    |> Seq.find (fun entry -> entry.GetProperty("name").GetString().EndsWith name)
    |> fun entry -> [ for size in entry.GetProperty("shape").EnumerateArray() -> size.GetInt32() ]

/// Training facts that the AdaMixer tables carry and the others do not.
let private compareTraining (settings: Settings) (table: JsonElement) =
    match table.TryGetProperty "lr_config" with
    | true, schedule ->
        let number (name: string) = schedule.GetProperty(name).GetDouble()

        let milestones =
            [
                for epoch in schedule.GetProperty("step").EnumerateArray() -> epoch.GetDouble()
            ]

        Expect.equal settings.Schedule.Milestones milestones "milestones"
        Expect.equal (float settings.Schedule.WarmupSteps) (number "warmup_iters") "warm-up steps"
        Expect.equal settings.Schedule.WarmupFactor (number "warmup_ratio") "warm-up factor"
        Expect.equal settings.Train.Epochs (table.GetProperty("max_epochs").GetInt32()) "epochs"

        Expect.equal
            settings.Detector.Queries.Detections
            (table.GetProperty("test_max_per_img").GetInt32())
            "detections"
    | _ -> ()

let private optimiser rules =
    { Settings.defaults.Optimiser with
        Lr = 1.0
        WeightDecay = 1.0
        Rules =
            [
                for part, lr in rules ->
                    {
                        Match = part
                        Lr = lr
                        Decay = 2.0 * lr
                    }
            ]
    }

let private rateOf rules name =
    let struct (lr, decay) = OptimiserRules.forParameter (optimiser rules) name

    if List.exists (fun (_, factor) -> factor = lr) rules then
        Expect.equal decay (2.0 * lr) "lr and decay come from one rule"

    lr

[<Tests>]
let tests =
    testList
        "Settings of configs/"
        [
            testCase "every file loads, and again from what it resolves to"
            <| fun () ->
                Expect.isGreaterThanOrEqual configs.Length 12 "files"

                for file in configs do
                    let settings = SettingsFile.load file []
                    Expect.equal (SettingsFile.parse file (SettingsFile.toJson settings) []) settings file
            testCase "docs/settings.md names every file"
            <| fun () ->
                let page = File.ReadAllText(Path.Combine(root, "docs", "settings.md"))

                for file in configs do
                    Expect.stringContains page $"`{Path.GetFileName file}`" "its row"

            testCase "the short training resizes and flips, the long ones crop as the official configurations do"
            <| fun () ->
                for file in configs |> List.filter (fun file -> file.EndsWith "_coco.json") do
                    let data = (SettingsFile.load file []).Data
                    Expect.equal data.Resize { ShortSide = 800; LongMax = 1333 } file
                    Expect.equal data.Filter { MinSide = 32; DropEmpty = true } file

                    let expected =
                        if file.Contains "_1x_" then
                            AugmentSettings.Published
                        else
                            { AugmentSettings.Published with
                                ShortSides = [ 480..32..800 ]
                                Crop =
                                    Some
                                        {
                                            Probability = 0.5
                                            ShortSides = [ 400; 500; 600 ]
                                            MinSize = 384
                                            MaxSize = 600
                                        }
                            }

                    Expect.equal data.Augment expected file

            testCase "the defaults are the published deqdet_r50_1x_coco"
            <| fun () ->
                Expect.equal
                    (SettingsFile.load (config "deqdet_r50_1x_coco") [])
                    (Settings.withClasses 80 Settings.defaults)
                    "equal"
            for ours, theirs in published do
                testCase $"{ours}: rates, decays, sizes and schedule are those of the published model"
                <| fun () ->
                    let settings = SettingsFile.load (config ours) []
                    let table = table theirs
                    Expect.isGreaterThan (compareRates settings.Optimiser table) 200 "parameters compared"
                    compareTraining settings table
                    let head = settings.Detector.Head

                    let queries =
                        shapeOf
                            table
                            (if ours.StartsWith "adamixer" then
                                 "init_content_features.weight"
                             else
                                 "init_proposal_features.weight")

                    Expect.equal queries [ settings.Detector.Queries.Count; head.Channels ] "queries"

                    let offsets =
                        shapeOf table "bbox_head.1.sampling_n_mixing.sampling_offset_generator.0.weight"

                    Expect.equal offsets [ head.Groups * head.PointsIn * 3; head.Channels ] "sampling points"

                    let output =
                        shapeOf table "bbox_head.1.sampling_n_mixing.adaptive_mixing.out_proj.weight"

                    Expect.equal output [ head.Channels; head.Channels * head.PointsOut ] "mixed points"
                    Expect.equal (shapeOf table "bbox_head.1.iof_tau") [ head.Heads ] "attention heads"

                    Expect.equal
                        (shapeOf table "bbox_head.1.fc_cls.weight")
                        [ settings.Detector.Classes; head.Channels ]
                        "classes"
            testCase "of the rules that match the longest counts, then the alphabetically first"
            <| fun () ->
                Expect.equal (rateOf [] "neck.convs.0.weight") 1.0 "no rule"
                Expect.equal (rateOf [ "head", 3.0 ] "neck.convs.0.weight") 1.0 "no match"
                Expect.equal (rateOf [ "head", 3.0; "bbox_head", 5.0 ] "roi_head.bbox_head.0.x") 5.0 "longest"

                Expect.equal
                    (rateOf [ "bbox_head", 5.0; "head", 3.0 ] "roi_head.bbox_head.0.x")
                    5.0
                    "order does not count"

                Expect.equal (rateOf [ "bcd", 3.0; "abc", 5.0 ] "xabcdx") 5.0 "alphabetically first"
            testCase "a star stands for any run of characters, also none"
            <| fun () ->
                for pattern, name, expected in
                    [
                        "backbone.*norm", "backbone.stages.0.blocks.1.norm2.weight", true
                        "backbone.*norm", "backbone.norm0.bias", true
                        "backbone.*norm", "neck.norm.backbone.x", false
                        "a*b*c", "xaxbxcx", true
                        "a*b*c", "xaxcxbx", false
                        "a*a", "a", false
                        "*", "", true
                        ".", "ab", false
                    ] do
                    Expect.equal (OptimiserRules.matches pattern name) expected $"{pattern} in {name}"
        ]
