module DeqDet.Tests.ScoreFilterTests

open System
open Expecto
open DeqDet
open DeqDet.Coco.Analysis
open DeqDet.Detection
open DeqDet.Host.Commands
open DeqDet.Settings

let private model (scores: float list) : TrainedModel =
    {
        Detector = Unchecked.defaultof<_>
        Settings = Settings.defaults
        Classes = [||]
        TrainedOn = None
        Thresholds =
            if scores.IsEmpty then
                None
            else
                Some [| for score in scores -> ClassThreshold(score, Nullable()) |]
    }

let private finding (label: int) (score: float32) : Finding =
    {
        Class = { Id = CocoId 1L; Name = "" }
        Label = label
        Score = score
        Box = Coco.Box(0f, 0f, 1f, 1f)
        Query = 0
        Report = None
    }

[<Tests>]
let tests =
    testList
        "Score filter"
        [
            for scores, asked, kept, words in
                [
                    [], None, [ 0, 0.31f ], "of at least 0.3"
                    [], Some 0.5, [], "of at least 0.5"
                    [ 0.2; 0.6 ],
                    None,
                    [ 0, 0.31f; 0, 0.2f ],
                    "of at least 0.20 to 0.60 by class (best F1 in validation)"
                    [ 0.6; 0.201 ], None, [ 1, 0.25f ], "of at least 0.20 to 0.60 by class (best F1 in validation)"
                    [ 0.2; 0.2 ], None, [ 0, 0.31f; 0, 0.2f; 1, 0.25f ], "of at least 0.20 (best F1 in validation)"
                    [ 0.2; 0.6 ], Some 0.3, [ 0, 0.31f ], "of at least 0.3"
                ] do
                testCase $"%A{scores}, %A{asked}"
                <| fun () ->
                    let filter = ScoreFilter(model scores, Option.toNullable asked)
                    // as one finds it in float32
                    let given = [ 0, 0.31f; 0, 0.2f; 1, 0.25f ]

                    Expect.equal
                        (given |> List.filter (fun (label, score) -> filter.Keeps(finding label score)))
                        kept
                        "kept"

                    Expect.equal filter.Words words "words"
        ]
