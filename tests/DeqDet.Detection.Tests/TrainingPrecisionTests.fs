/// Where a training may compute in which numbers, and how its loss is scaled.
module DeqDet.Tests.TrainingPrecisionTests

open Expecto
open TorchSharp
open DeqDet.Kernels
open DeqDet.Settings
open DeqDet.Detection
open DeqDet.Model
open DeqDet.Tests.SettingsFiles

let private settings =
    { DetectorSettings.published with
        Classes = 3
        Backbone =
            { DetectorSettings.published.Backbone with
                Kind = ResNet18
                Width = 8
            }
        Head =
            { DetectorSettings.published.Head with
                Channels = 32
                FeedForward = 32
            }
    }

[<Tests>]
let tests =
    testList
        "Precision of training"
        [
            testCase "it is refused where the processor has no instructions for it, and the message says what to use"
            <| fun () ->
                TrainingPrecision.check torch.CPU TrainingNumbers.Float32

                let message =
                    complaint (fun () -> TrainingPrecision.check torch.CPU TrainingNumbers.Float16)

                expectParts message [ "train.precision=fp16 is for GPUs"; "train.precision=fp32" ]

                if Computation.Supports Precision.Bf16 then
                    TrainingPrecision.check torch.CPU TrainingNumbers.BFloat16
                    expectParts message [ "or train.precision=bf16" ]
                else
                    let message =
                        complaint (fun () -> TrainingPrecision.check torch.CPU TrainingNumbers.BFloat16)

                    expectParts message [ "train.precision=bf16: this processor lacks"; "train.precision=fp32" ]

            testCase "auto is what the processor is faster in, and settings say which"
            <| fun () ->
                let run precision =
                    { Settings.defaults with
                        Train.Precision = precision
                    }

                let expected =
                    if Computation.Supports Precision.Bf16 then
                        TrainingNumbers.BFloat16
                    else
                        TrainingNumbers.Float32

                let settled precision =
                    (TrainingPrecision.settled torch.CPU (run precision)).Train.Precision

                Expect.equal (settled TrainingNumbers.Fastest) expected "auto"
                TrainingPrecision.check torch.CPU TrainingNumbers.Fastest

                for precision in [ TrainingNumbers.Float32; TrainingNumbers.BFloat16; TrainingNumbers.Float16 ] do
                    Expect.equal (settled precision) precision "what is named stays"

            testCase "it has no part in validations, which take float32"
            <| fun () ->
                let detector =
                    Detector.initialise settings 1UL torch.CPU
                    |> Detector.forTraining Precision.Bf16

                let validated = TrainingPrecision.forValidation detector
                Expect.equal validated.Computation Computation.Best "float32"
                TrainingPrecision.release detector validated
                Detector.dispose detector
        ]

let private config =
    { FsCheckConfig.defaultConfig with
        maxTest = 200
    }

/// What follows from steps that overflow with scales beyond a limit of each.
let private after (scale: LossScale) (limit: float) : LossScale =
    let _, found = LossScale.search id (fun tried -> tried.Scale > limit) scale
    LossScale.good Precision.Fp16 found

[<Tests>]
let scales =
    testList
        "Loss scale"
        [
            testPropertyWithConfig config "a step has the largest scale that nothing overflows with, found by halving"
            <| fun (exponent: int) (limit: int) ->
                let scale =
                    {
                        Scale = 2.0 ** float (abs exponent % 25)
                        GoodSteps = 5
                    }

                let limit = 2.0 ** float (limit % 30) * 1.5
                let mutable tried = []

                let attempt (scale: LossScale) =
                    tried <- scale.Scale :: tried
                    scale.Scale

                let last, found = LossScale.search attempt (fun scale -> scale > limit) scale
                Expect.equal last found.Scale "the last attempt's"
                Expect.equal tried.Head found.Scale "nothing is computed after it"

                Expect.equal
                    (List.rev tried)
                    [ for halvings in 0 .. tried.Length - 1 -> scale.Scale / 2.0 ** float halvings ]
                    "each attempt at half the one before"

                Expect.isTrue (found.Scale <= limit || found.Scale = LossScale.least) "no overflow, or the least scale"

                for larger in tried.Tail do
                    Expect.isGreaterThan larger limit "what was halved had overflowed"

                Expect.equal found.GoodSteps (if tried.Tail.IsEmpty then 5 else 0) "steps since the last change"

            testPropertyWithConfig
                config
                "over any run it stays a power of two within its bounds, and follows from the steps alone"
            <| fun (limits: int list) ->
                let limits = [ for limit in limits -> 2.0 ** float (abs limit % 40 - 5) ]

                let run () =
                    List.scan after (LossScale.start Precision.Fp16) limits

                let states = run ()
                Expect.equal (run ()) states "again"

                for state in states do
                    let exponent = System.Math.Log2 state.Scale
                    Expect.equal (round exponent) exponent "a power of two"
                    Expect.isTrue (state.Scale >= LossScale.least && state.Scale <= LossScale.most) "bounds"
                    Expect.isTrue (state.GoodSteps >= 0 && state.GoodSteps < LossScale.patience) "steps"

            testCase
                "it doubles after so many good steps in a row, one overflow makes them be counted anew, and it ends at the largest"
            <| fun () ->
                let good = LossScale.good Precision.Fp16

                let rec steps count scale =
                    if count = 0 then scale else steps (count - 1) (good scale)

                let first = LossScale.start Precision.Fp16
                let last = steps (LossScale.patience - 1) first
                Expect.equal last.Scale first.Scale "one short"

                Expect.equal
                    (good last)
                    {
                        Scale = 2.0 * first.Scale
                        GoodSteps = 0
                    }
                    "doubled"

                let overflowed = after last (first.Scale / 2.0)

                Expect.equal
                    overflowed
                    {
                        Scale = first.Scale / 2.0
                        GoodSteps = 1
                    }
                    "halved, and counted anew"

                let top =
                    {
                        Scale = LossScale.most
                        GoodSteps = LossScale.patience - 1
                    }

                Expect.equal (good top).Scale LossScale.most "no further"

            testCase "in other precisions there is none, and gradients that are not finite are a bad step at once"
            <| fun () ->
                for precision in [ Precision.Fp32; Precision.Bf16 ] do
                    let none = LossScale.start precision
                    Expect.equal none.Scale 1.0 "1"
                    Expect.equal (LossScale.good precision none) none "stays"
                    let mutable attempts = 0

                    LossScale.search (fun _ -> attempts <- attempts + 1) (fun () -> true) none
                    |> ignore

                    Expect.equal attempts 1 "one attempt"
        ]
