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
