/// The scores from which on detections are taken, against counting at every score there is.
module DeqDet.Tests.ThresholdTests

open System
open Expecto
open DeqDet
open DeqDet.Coco.Evaluation
open DeqDet.Coco.Analysis
open DeqDet.Tests.EvaluationBruteForce
open DeqDet.Tests.EvaluationPropertyTests

let private f1 (mistakes: ClassMistakes) =
    let right, wrong = float mistakes.Right, float (Seq.sum mistakes.Wrong)
    let whole = 2.0 * right + wrong + float mistakes.Unfound
    if whole = 0.0 then 0.0 else 2.0 * right / whole

[<Tests>]
let tests =
    testList
        "Thresholds"
        [
            property "no score gives a class a higher F1, and no higher score the same" 500 world (fun world ->
                let truth, found = groundTruth world, detections world

                let judgement =
                    Judge.Decide(truth, found, EvaluationParameters.Coco, AnalysisParameters.Default)

                let classes = List.ofSeq judgement.Classes
                let scores = [ for d in 0 .. found.Count - 1 -> found.Score[d] ] |> List.distinct

                let at (score: float) =
                    ClassMistakes.Of(judgement, found, score) |> Seq.map f1 |> Array.ofSeq

                let curves = [ for score in scores -> score, at score ]
                let all = OperatingPoint.Of(judgement, found, Nullable())

                match ClassThreshold.Of(truth, found, Array.ofList classes) with
                | null -> curves |> List.forall (fun (_, f1) -> Array.forall ((=) 0.0) f1)
                | thresholds ->
                    classes
                    |> List.indexed
                    |> List.forall (fun (k, _) ->
                        let best = curves |> List.map (fun (_, f1) -> f1[k]) |> List.max
                        let threshold = thresholds[k]

                        if best = 0.0 then
                            threshold = ClassThreshold(all.Score, Nullable())
                        else
                            let own = (at threshold.Score)[k]

                            own = best
                            && threshold.F1 = Nullable best
                            && curves
                               |> List.forall (fun (score, f1) -> score <= threshold.Score || f1[k] < best)))

            testCase "classes come in the order that is asked for, and one that the truth does not have goes with all"
            <| fun () ->
                let truth = GroundTruth.Builder "made up"
                truth.AddImage(CocoId 1L)

                for id, name in [ 3L, "cat"; 7L, "dog" ] do
                    truth.AddCategory(CocoId id, name)

                truth.AddBox(CocoId 1L, CocoId 1L, CocoId 3L, 0.0, 0.0, 10.0, 10.0)
                truth.AddBox(CocoId 2L, CocoId 1L, CocoId 7L, 50.0, 0.0, 10.0, 10.0)
                let found = Detections "found"

                for category, x, score in [ 3L, 0.0, 0.9; 3L, 30.0, 0.8; 7L, 50.0, 0.4; 7L, 80.0, 0.2 ] do
                    found.Add(CocoId 1L, CocoId category, x, 0.0, 10.0, 10.0, score)

                let one (id: int64) : ObjectClass = { Id = CocoId id; Name = "" }

                Expect.equal
                    (List.ofSeq (ClassThreshold.Of(truth.Build(), found, [| one 7L; one 5L; one 3L |])))
                    [
                        ClassThreshold(0.4, Nullable 1.0)
                        // both right and one wrong
                        ClassThreshold(0.4, Nullable())
                        ClassThreshold(0.9, Nullable 1.0)
                    ]
                    "scores"
        ]
