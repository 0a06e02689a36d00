namespace DeqDet.Settings

/// A deviation from the base rate and decay for some parameters.
type OptimiserRule =
    {
        /// Part of an official parameter name; `*` stands for any run of characters.
        Match: string
        /// Factor on the learning rate.
        Lr: float
        /// Factor on the weight decay.
        Decay: float
    }

/// AdamW with gradient clipping.
type OptimiserSettings =
    {
        Lr: float
        WeightDecay: float
        Betas: float list
        Eps: float
        /// Largest norm of the whole gradient; longer ones are scaled down to it.
        ClipNorm: float
        Rules: OptimiserRule list
    }

/// How the learning rate moves after warm-up.
[<RequireQualifiedAccess>]
type ScheduleKind =
    /// Multiplied by Factor at each milestone.
    | Step
    /// Half a cosine from 1 to FinalFactor at the end of training.
    | Cosine

type ScheduleSettings =
    {
        Kind: ScheduleKind
        /// Optimiser steps of linear warm-up.
        WarmupSteps: int
        /// Factor on the rate at the first step.
        WarmupFactor: float
        /// Epochs, also fractions, after which Step multiplies the rate.
        Milestones: float list
        Factor: float
        FinalFactor: float
    }

type TrainSettings =
    {
        Epochs: int
        /// Images a step.
        BatchSize: int
        Seed: int
        /// Steps between lines of metrics.
        LogEvery: int
        /// Epochs between evaluations; the last epoch is always evaluated.
        EvaluateEvery: int
        /// Optimiser steps between saves inside an epoch; 0: only at the ends of epochs.
        SaveSteps: int
        /// Minutes between saves inside an epoch; 0: only at the ends of epochs.
        SaveMinutes: float
    }

type EvaluationSettings =
    {
        /// Images evaluated at a time.
        BatchSize: int
        /// Validation images drawn with their detections.
        Pictures: int
        /// Detections below this score are left out of pictures.
        PictureScore: float
    }
