namespace DeqDet.Settings.Schema

open System
open DeqDet.Settings
open Codec

/// Keys, ranges and explanations of optimiser, schedule, training and evaluation.
module TrainingSchema =

    let private rule: Section<OptimiserRule> =
        {
            Fields =
                [
                    Field.value
                        "match"
                        text
                        _.Match
                        (fun v r -> { r with Match = v })
                        "Part of an official parameter name; `*` stands for any run of characters."
                    Field.value
                        "lr"
                        nonNegative
                        _.Lr
                        (fun v (r: OptimiserRule) -> { r with Lr = v })
                        "Factor on the learning rate."
                    Field.value
                        "decay"
                        nonNegative
                        _.Decay
                        (fun v r -> { r with Decay = v })
                        "Factor on the weight decay."
                ]
            Checks =
                [
                    fun rule ->
                        [
                            if rule.Match = "" then
                                {
                                    Keys = [ "match" ]
                                    Text = "is missing: say which parameters the rule is for, for example \"bbox_head\""
                                }
                        ]
                ]
        }

    let private ruleStart = { Match = ""; Lr = 1.0; Decay = 1.0 }

    let optimiser: Section<OptimiserSettings> =
        {
            Fields =
                [
                    Field.value
                        "lr"
                        positive
                        _.Lr
                        (fun v (r: OptimiserSettings) -> { r with Lr = v })
                        "Base learning rate of AdamW."
                    Field.value
                        "weight_decay"
                        nonNegative
                        _.WeightDecay
                        (fun v r -> { r with WeightDecay = v })
                        "Base weight decay."
                    Field.value
                        "betas"
                        (list "" belowOne
                         |> where (fun betas -> betas.Length = 2) "a list of two numbers from 0 to below 1")
                        _.Betas
                        (fun v r -> { r with Betas = v })
                        "How slowly AdamW's averages of the gradient and of its square follow."
                    Field.value
                        "eps"
                        positive
                        _.Eps
                        (fun v r -> { r with Eps = v })
                        "Added to the denominator of AdamW's step."
                    Field.value
                        "clip_norm"
                        positive
                        _.ClipNorm
                        (fun v r -> { r with ClipNorm = v })
                        "A gradient whose norm over all parameters is longer is scaled down to this norm."
                    Field.sections
                        "rules"
                        rule
                        ruleStart
                        _.Rules
                        (fun v r -> { r with Rules = v })
                        "Other rates and decays for some parameters: of the rules that match a name the longest `match` counts, of equally long ones the alphabetically first."
                ]
            Checks = []
        }

    let schedule: Section<ScheduleSettings> =
        {
            Fields =
                [
                    Field.value
                        "kind"
                        (oneOf [ "step", ScheduleKind.Step; "cosine", ScheduleKind.Cosine ])
                        _.Kind
                        (fun v r -> { r with Kind = v })
                        "\"step\": the rate drops at milestones; \"cosine\": it falls along half a cosine until the end."
                    Field.value
                        "warmup_steps"
                        (integer 0 1_000_000)
                        _.WarmupSteps
                        (fun v r -> { r with WarmupSteps = v })
                        "Steps during which the rate grows linearly to its full value."
                    Field.value
                        "warmup_factor"
                        fraction
                        _.WarmupFactor
                        (fun v r -> { r with WarmupFactor = v })
                        "Factor on the rate at the first step of the warm-up."
                    Field.value
                        "milestones"
                        (list "" positive
                         |> where
                             (fun points -> points |> List.pairwise |> List.forall (fun (a, b) -> a < b))
                             "an ascending list of numbers above 0")
                        _.Milestones
                        (fun v r -> { r with Milestones = v })
                        "Epochs, also fractions such as 7.5, after which the rate drops (step)."
                    Field.value
                        "factor"
                        positive
                        _.Factor
                        (fun v (r: ScheduleSettings) -> { r with Factor = v })
                        "Factor on the rate at each milestone (step)."
                    Field.value
                        "final_factor"
                        fraction
                        _.FinalFactor
                        (fun v r -> { r with FinalFactor = v })
                        "Factor on the rate that is left at the end of training (cosine)."
                ]
            Checks = []
        }

    let train: Section<TrainSettings> =
        {
            Fields =
                [
                    Field.value
                        "epochs"
                        (integer 1 100_000)
                        _.Epochs
                        (fun v r -> { r with Epochs = v })
                        "Passes over the training images."
                    Field.value
                        "batch_size"
                        (integer 1 4096)
                        _.BatchSize
                        (fun v (r: TrainSettings) -> { r with BatchSize = v })
                        "Images a step. The learning rate belongs to it: change both in proportion."
                    Field.value
                        "seed"
                        (integer 0 Int32.MaxValue)
                        _.Seed
                        (fun v (r: TrainSettings) -> { r with Seed = v })
                        "Seed of everything random; `--seed N` sets it."
                    Field.value
                        "log_every"
                        (integer 1 1_000_000)
                        _.LogEvery
                        (fun v r -> { r with LogEvery = v })
                        "Steps between lines of metrics."
                    Field.value
                        "evaluate_every"
                        (integer 1 100_000)
                        _.EvaluateEvery
                        (fun v r -> { r with EvaluateEvery = v })
                        "Epochs between evaluations on the validation images; the last epoch is always evaluated."
                    Field.value
                        "save_steps"
                        (integer 0 100_000_000)
                        _.SaveSteps
                        (fun v r -> { r with SaveSteps = v })
                        "Steps between saves of the latest checkpoint inside an epoch. 0: only when an epoch ends."
                    Field.value
                        "save_minutes"
                        nonNegative
                        _.SaveMinutes
                        (fun v r -> { r with SaveMinutes = v })
                        "Minutes between saves of the latest checkpoint inside an epoch. 0: only when an epoch ends."
                ]
            Checks = []
        }

    let evaluation: Section<EvaluationSettings> =
        {
            Fields =
                [
                    Field.value
                        "batch_size"
                        (integer 1 4096)
                        _.BatchSize
                        (fun v (r: EvaluationSettings) -> { r with BatchSize = v })
                        "Validation images at a time."
                    Field.value
                        "pictures"
                        (integer 0 10_000)
                        _.Pictures
                        (fun v r -> { r with Pictures = v })
                        "Validation images drawn with detections beside the truth."
                    Field.value
                        "picture_score"
                        fraction
                        _.PictureScore
                        (fun v r -> { r with PictureScore = v })
                        "Detections below this score are left out of pictures."
                ]
            Checks = []
        }
