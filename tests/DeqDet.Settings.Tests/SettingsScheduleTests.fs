module DeqDet.Tests.SettingsScheduleTests

open Expecto
open DeqDet.Settings

let private step =
    {
        Kind = ScheduleKind.Step
        WarmupSteps = 500
        WarmupFactor = 0.001
        Milestones = [ 8.0; 11.0 ]
        Factor = 0.1
        FinalFactor = 0.02
    }

let private cosine =
    { step with
        Kind = ScheduleKind.Cosine
        WarmupSteps = 0
    }

let private near expected actual message =
    Expect.floatClose Accuracy.high actual expected message

[<Tests>]
let tests =
    testList
        "Learning rate schedule"
        [
            testCase "the warm-up is linear and ends with its last step"
            <| fun () ->
                let at = LearningRate.factor step 12 1000
                near 0.001 (at 0) "first"
                near (0.001 + 0.999 * 100.0 / 499.0) (at 100) "a fifth"
                near 1.0 (at 499) "last"
                near 1.0 (at 500) "after"
            testCase "each milestone multiplies the rate from its epoch on"
            <| fun () ->
                let at = LearningRate.factor step 12 1000
                near 1.0 (at 7999) "before the first"
                near 0.1 (at 8000) "first"
                near 0.1 (at 10999) "before the second"
                near 0.01 (at 11000) "second"
            testCase "a milestone may be a fraction of an epoch"
            <| fun () ->
                let at = LearningRate.factor { step with Milestones = [ 1.5 ] } 2 1000
                near 1.0 (at 1499) "before"
                near 0.1 (at 1500) "after"
            testCase "the cosine falls from 1 to its final factor"
            <| fun () ->
                let at = LearningRate.factor cosine 10 100
                near 1.0 (at 0) "start"
                near (0.02 + 0.98 * 0.5) (at 500) "middle"
                near 0.02 (at 1000) "end"

                for now in 0..998 do
                    Expect.isGreaterThan (at now) (at (now + 1)) $"step {now}"
            testCase "warm-up and decay multiply"
            <| fun () ->
                let both = LearningRate.factor { cosine with WarmupSteps = 101 } 10 100 50
                near (LearningRate.factor cosine 10 100 50 * (0.001 + 0.999 * 0.5)) both "half-way up"
        ]
