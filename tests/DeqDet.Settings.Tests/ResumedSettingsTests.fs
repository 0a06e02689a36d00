/// What a resumed run may change.
module DeqDet.Tests.ResumedSettingsTests

open Expecto
open DeqDet.Settings
open DeqDet.Settings.Schema
open DeqDet.Tests.SettingsFiles

let private before = SettingsFile.load (config "shapes") [ "classes=4" ]

let private after assignments =
    SettingsFile.load (config "shapes") ("classes=4" :: assignments)

let private notices assignments =
    ResumedSettings.changes "latest.safetensors" before (after assignments)

let private refusal assignments =
    complaint (fun () -> notices assignments)

/// Assignments that change one key, and the rule that it has.
let private single =
    [
        "kind=ffndet", Fixed
        "backbone.weights=other.pth", Fixed
        "weights.load=other.pth", Fixed
        "weights.rename=[{\"old\":\"a\",\"new\":\"b\"}]", Fixed
        "head.groups=2", Fixed
        "solver.steps=25", Fixed
        "rag.unroll=3", Fixed
        "rap.position_intensity=3", Fixed
        "loss.weights.giou=1", Fixed
        "data.augment.flip=0", Fixed
        "data.augment.crop={}", Fixed
        "data.shapes.train_images=12", Fixed
        "data.normalise.mean=[0,0,0]", Fixed
        "data.filter.drop_empty=false", Fixed
        "optimiser.betas=[0.8,0.999]", Fixed
        "optimiser.freeze=[\"backbone\"]", Fixed
        "train.batch_size=4", Fixed
        "train.seed=1", Fixed
        "train.epochs=12", Noticed
        "train.patience=3", Noticed
        "optimiser.lr=0.0005", Noticed
        "optimiser.clip_norm=0.1", Noticed
        "optimiser.rules=[{\"match\":\"backbone\",\"lr\":0.1}]", Noticed
        "schedule.warmup_steps=200", Noticed
        "solver.tolerance=0.01", Noticed
        "data.resize.short_side=80", Noticed
        "precision=bf16", Free
        "data.root=elsewhere", Free
        "data.shapes=null", Free
        "data.val.images=other", Free
        "data.workers=1", Free
        "data.cache_mb=0", Free
        "train.log_every=1", Free
        "train.evaluate_every=2", Free
        "train.save_steps=7", Free
        "evaluation.pictures=0", Free
    ]

[<Tests>]
let tests =
    testList
        "Resumed settings"
        [
            for assignment, rule in single do
                let key = assignment.Substring(0, assignment.IndexOf '=')

                testCase $"{assignment} at a resume"
                <| fun () ->
                    let changed = SettingsSchema.compare before (after [ assignment ])
                    Expect.equal [ for change in changed -> change.Key, change.Rule ] [ key, rule ] "what differs"

                    match rule with
                    | Fixed -> expectParts (refusal [ assignment ]) [ "latest.safetensors"; key; "--resume" ]
                    | Noticed ->
                        match notices [ assignment ] with
                        | [ line ] -> expectParts line [ key; "from here on"; "it was" ]
                        | lines -> failtest $"%A{lines}"
                    | Free -> Expect.isEmpty (notices [ assignment ]) "said"

            testCase "the same settings differ in nothing"
            <| fun () -> Expect.isEmpty (SettingsSchema.compare before (after [])) "changes"

            testCase "both values are named, as a settings file writes them"
            <| fun () ->
                expectParts
                    (refusal [ "data.augment.short_sides=[64,80]" ])
                    [ "data.augment.short_sides"; "it was [64]"; "would be [64, 80]" ]

            testCase "several refused settings are all named, and those that may change are not"
            <| fun () ->
                let message =
                    refusal
                        [
                            "train.batch_size=4"
                            "train.epochs=20"
                            "head.heads=2"
                            "data.workers=1"
                            "train.seed=5"
                        ]

                expectParts
                    message
                    [
                        "these 3 settings"
                        "\n  head.heads was 4, and would be 2"
                        "\n  train.batch_size was 8, and would be 4"
                        "\n  train.seed was 0, and would be 5"
                    ]

                for key in [ "epochs"; "workers" ] do
                    Expect.isFalse (message.Contains key) key

            testCase "a number of classes that is left to the data is not compared here"
            <| fun () ->
                let now = SettingsFile.load (config "shapes") [ "classes=null" ]
                Expect.isEmpty (ResumedSettings.changes "a" before now) "said"
                expectParts (refusal [ "classes=3" ]) [ "keeps classes"; "it was 4"; "would be 3" ]
        ]
