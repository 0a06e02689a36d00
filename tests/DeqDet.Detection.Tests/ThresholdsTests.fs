/// The scores from which on detections are taken, in a checkpoint's account of its training.
module DeqDet.Tests.ThresholdsTests

open System
open System.Text.Json.Nodes
open Expecto
open FsCheck
open FsCheck.FSharp
open DeqDet.Checkpoints
open DeqDet.Coco.Analysis
open DeqDet.Detection
open DeqDet.Tests.CheckpointFiles

let private thresholds =
    gen {
        let share = Gen.choose (0, 1000) |> Gen.map (fun n -> float n / 1000.0)
        let! score = share
        let! f1 = Gen.optionOf share
        return ClassThreshold(score, Option.toNullable f1)
    }
    |> Gen.nonEmptyListOf
    |> Gen.map Array.ofList

let private parsed (json: string) =
    JsonNode.Parse($$"""{"thresholds":{{json}}}""").AsObject()

[<Tests>]
let tests =
    testList
        "Thresholds in checkpoints"
        [
            testProperty "what is written is read"
            <| Prop.forAll (Arb.fromGen thresholds) (fun thresholds ->
                let training = JsonObject()
                Thresholds.write training (Some thresholds)
                let again = JsonNode.Parse(training.ToJsonString()).AsObject()
                Thresholds.read "a" thresholds.Length again = Some thresholds)

            testCase "nothing is written of none, and none is read of files without them"
            <| fun () ->
                let training = JsonObject()
                Thresholds.write training None
                Expect.equal training.Count 0 "entries"
                Expect.isNone (Thresholds.read "a" 3 training) "none"

            for damage in
                [
                    "3"
                    "{}"
                    "[]"
                    """[{"score":0.5}]"""
                    """[{"score":0.5},{"score":1.5}]"""
                    """[{"score":0.5},{"score":-0.1,"f1":0.5}]"""
                    """[{"score":0.5},{"score":"0.5"}]"""
                    """[{"score":0.5},{"score":0.5,"f1":2}]"""
                    """[{"score":0.5},{"f1":0.5}]"""
                    """[{"score":0.5},0.5]"""
                    """[{"score":0.5},null]"""
                ] do
                testCase $"{damage} is refused"
                <| fun () ->
                    let problem =
                        refusal "a" (fun () -> Thresholds.read "a" 2 (parsed damage) |> ignore)

                    Expect.stringContains problem "thresholds" "names the key"
        ]
