namespace DeqDet.Settings

open DeqDet

/// A deviation from the base rate and decay for some parameters.
type OptimiserRule =
    {
        [<Setting "Part of an official parameter name; `*` stands for any run of characters.">]
        Match: string
        [<Setting "Factor on the learning rate."; AtLeast 0>]
        Lr: float
        [<Setting "Factor on the weight decay."; AtLeast 0>]
        Decay: float
    }

    /// It matches nothing yet.
    static member Default = { Match = ""; Lr = 1.0; Decay = 1.0 }

/// AdamW with gradient clipping.
type OptimiserSettings =
    {
        [<Setting "Base learning rate of AdamW."; Above 0; NoticedAtResume>]
        Lr: float
        [<Setting "Base weight decay."; AtLeast 0; NoticedAtResume>]
        WeightDecay: float
        [<Setting "How slowly AdamW's averages of the gradient and of its square follow.";
          Items("a list of two numbers from 0 to below 1", Count = 2);
          AtLeast 0;
          Below 1>]
        Betas: float list
        [<Setting "Added to the denominator of AdamW's step."; Above 0; NoticedAtResume>]
        Eps: float
        [<Setting "A gradient whose norm over all parameters is longer is scaled down to this norm.";
          Above 0;
          NoticedAtResume>]
        ClipNorm: float
        [<Setting "Other rates and decays for some parameters: of the rules that match a name the longest `match` counts, of equally long ones the alphabetically first.";
          NoticedAtResume>]
        Rules: OptimiserRule list
        [<Setting "Parameters that do not train, by parts of their official names such as \"backbone\"; `*` stands for any run of characters. They get no gradients, and batch normalisations among them keep their statistics.";
          Items "a list of texts">]
        Freeze: string list
    }

/// How the learning rate moves after warm-up.
[<RequireQualifiedAccess>]
type ScheduleKind =
    /// Multiplied by Factor at each milestone.
    | [<Word "step">] Step
    /// Half a cosine from 1 to FinalFactor at the end of training.
    | [<Word "cosine">] Cosine

type ScheduleSettings =
    {
        [<Setting "\"step\": the rate drops at milestones; \"cosine\": it falls along half a cosine until the end.";
          NoticedAtResume>]
        Kind: ScheduleKind
        [<Setting "Steps during which the rate grows linearly to its full value.";
          AtLeast 0;
          AtMost 1_000_000;
          NoticedAtResume>]
        WarmupSteps: int
        [<Setting "Factor on the rate at the first step of the warm-up."; AtLeast 0; AtMost 1; NoticedAtResume>]
        WarmupFactor: float
        [<Setting "Epochs, also fractions such as 7.5, after which the rate drops (step).";
          Items("an ascending list of numbers above 0", Ascending = true);
          Above 0;
          NoticedAtResume>]
        Milestones: float list
        [<Setting "Factor on the rate at each milestone (step)."; Above 0; NoticedAtResume>]
        Factor: float
        [<Setting "Factor on the rate that is left at the end of training (cosine).";
          AtLeast 0;
          AtMost 1;
          NoticedAtResume>]
        FinalFactor: float
    }

/// Numbers in which training computes its large layers.
[<RequireQualifiedAccess>]
type TrainingNumbers =
    | [<Word "fp32">] Float32
    /// float32's range, 8 bits of mantissa.
    | [<Word "bf16">] BFloat16
    /// 11 bits of mantissa, numbers from 6e-8 to 65504: the loss is scaled, so that gradients stay in that range. For GPUs.
    | [<Word "fp16">] Float16
    /// bfloat16 on a processor that has instructions for it, otherwise float32; a run's settings say which it was.
    | [<Word "auto">] Fastest

type TrainSettings =
    {
        [<Setting "Passes over the training images."; AtLeast 1; AtMost 100_000; NoticedAtResume>]
        Epochs: int
        [<Setting "Images a step. The learning rate belongs to it: change both in proportion."; AtLeast 1; AtMost 4096>]
        BatchSize: int
        [<Setting "Parts in which each step's images are computed, one after the other, so that they need less memory: to rounding the same as all at once, where batch normalisations do not use the batch's statistics.";
          AtLeast 1;
          AtMost 4096;
          NoticedAtResume>]
        Accumulate: int
        [<Setting "Decay of the average of all weights that is kept beside them, validated and saved in their place, such as 0.999 (smaller in the first steps). 0: no average.";
          AtLeast 0;
          Below 1;
          NoticedAtResume>]
        Ema: float
        [<Setting "Steps in a row whose loss or gradient is not finite after which training stops. Each of them changes nothing and names its images.";
          AtLeast 1;
          AtMost 1_000_000;
          FreeAtResume>]
        BadSteps: int
        [<Setting "Whether a batch of the largest size is tried before the first step, so that memory that does not suffice shows at once.";
          FreeAtResume>]
        TryLargest: bool
        [<Setting "Seed of everything random; `--seed N` sets it."; AtLeast 0>]
        Seed: int
        [<Setting "Steps between lines of metrics."; AtLeast 1; AtMost 1_000_000; FreeAtResume>]
        LogEvery: int
        [<Setting "Epochs between evaluations on the validation images; the last epoch is always evaluated.";
          AtLeast 1;
          AtMost 100_000;
          FreeAtResume>]
        EvaluateEvery: int
        [<Setting "Validations in a row without a better AP after which training ends early. 0: never.";
          AtLeast 0;
          AtMost 100_000;
          NoticedAtResume>]
        Patience: int
        [<Setting "Steps between saves of the latest checkpoint inside an epoch. 0: only when an epoch ends.";
          AtLeast 0;
          AtMost 100_000_000;
          FreeAtResume>]
        SaveSteps: int
        [<Setting "Minutes between saves of the latest checkpoint inside an epoch. 0: only when an epoch ends.";
          AtLeast 0;
          FreeAtResume>]
        SaveMinutes: float
        [<Setting "Latest states that are kept: the latest one, and those before it as step-NUMBER.safetensors. Each is three times as large as the weights.";
          AtLeast 1;
          AtMost 10_000;
          FreeAtResume>]
        Keep: int
        [<Setting "Whether the numbers of metrics.jsonl are also written as event files for TensorBoard, into events/ of the work folder.";
          FreeAtResume>]
        Tensorboard: bool
        [<Setting "Numbers in which the backbone, the neck and the decoder's large layers are computed: fp32, bf16, which is faster where the processor or GPU has instructions for it, fp16 (GPUs only), or auto: bf16 on a processor with instructions for it, otherwise fp32; the work folder's settings say which. Weights, their gradients, sums, norms, boxes and losses are float32 with each of them.";
          NoticedAtResume>]
        Precision: TrainingNumbers
    }

type EvaluationSettings =
    {
        [<Setting "Images at a time in validation, `test` and `detect`."; AtLeast 1; AtMost 4096; FreeAtResume>]
        BatchSize: int
        [<Setting "Validation images drawn with detections beside the truth."; AtLeast 0; AtMost 10_000; FreeAtResume>]
        Pictures: int
        [<Setting "Detections below this score are left out of pictures."; AtLeast 0; AtMost 1; FreeAtResume>]
        PictureScore: float
    }
