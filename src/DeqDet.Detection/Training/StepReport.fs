namespace DeqDet.Detection

open System
open System.Collections.Generic

/// What an optimiser step computed and what it cost.
type StepReport =
    {
        /// The epoch in progress, from 1.
        Epoch: int
        /// Epochs of the whole training.
        Epochs: int
        /// Steps taken since the start of the training, this one included.
        Step: int64
        /// The step at which this training ends.
        Steps: int64
        /// The base learning rate, before the factors of parameter groups.
        LearningRate: float
        /// Every part by its official name, such as `init.loss_cls`: the losses, whose names contain "loss", and other numbers such as
        /// `init.pos_acc` (%).
        Losses: IReadOnlyList<KeyValuePair<string, float>>
        /// Norm of the whole gradient before clipping.
        GradNorm: float
        /// Images of the step.
        Images: int
        /// Time the step took, waiting for data included.
        Time: TimeSpan
        /// The part of it spent waiting for data.
        DataTime: TimeSpan
        /// Memory of the process, bytes.
        MemoryBytes: int64
    }

    /// The total: the sum of all losses.
    member report.Loss: float = report.Sum "loss"

    /// Sum of the parts whose names contain a word, as in `loss_cls`.
    member report.Sum(word: string) : float =
        report.Losses
        |> Seq.filter (fun part -> part.Key.Contains(word, StringComparison.Ordinal))
        |> Seq.sumBy _.Value
