namespace DeqDet.Model

open TorchSharp

/// What processes that compute the shares of a batch side by side do together within a step.
type Exchange =
    {
        /// Sums a tensor over all of them, in place; waits for it.
        Sum: Tensor -> unit
        /// Gets what went wrong in a backward pass, out of which no exception may come: its gradients are worth nothing then.
        Failed: exn -> unit
    }

/// Which part of a batch is computed, where the batch is shared out: over parts one after the other, or over processes side by side. What the
/// shares leave adds up to what the whole batch would: gradients in `grad`, and the entries of the log.
type Share =
    {
        /// Images of the whole batch.
        Batch: int64
        /// Place in it of the share's first image.
        First: int64
        /// Images of the share.
        Count: int64
        /// Whether the share's losses count. Not so those of an image that a process computes because it has none of its own, so that it
        /// takes part in what the processes do together.
        Counts: bool
        /// Matched queries of the whole batch, by which losses are divided.
        Matched: int64
        /// Factor on the losses in backward passes, by which the gradients are to be divided afterwards; 1: none.
        LossScale: float
        /// The processes that compute the other shares at the same time, from which batch normalisations have their statistics. None: these
        /// are of the share alone.
        Exchange: Exchange option
        /// Called when the gradients of the decoder are complete, and those of neck and backbone not yet begun.
        DecoderDone: unit -> unit
    }

/// A whole batch, and parts of it.
module Share =

    /// Queries that are matched in images with so many boxes: each box takes one, as far as there are queries (see Matching.assign).
    let matched (queries: int) (boxes: int seq) : int64 =
        boxes |> Seq.sumBy (fun boxes -> int64 (min queries boxes))

    /// A batch of images with so many boxes in one go.
    let whole (queries: int) (boxes: int list) : Share =
        {
            Batch = int64 boxes.Length
            First = 0L
            Count = int64 boxes.Length
            Counts = true
            Matched = matched queries boxes
            LossScale = 1.0
            Exchange = None
            DecoderDone = ignore
        }

    /// Whether nothing of the batch is computed elsewhere.
    let isWhole (share: Share) : bool = share.Count = share.Batch

    /// Of values of all images along a dimension those of the share: a view.
    let narrow (share: Share) (dimension: int) (values: Tensor) : Tensor =
        if isWhole share then
            values
        else
            values.narrow (int64 dimension, share.First, share.Count)

    /// A mean over the share's images as its part of the mean over the whole batch.
    let ofMean (share: Share) (mean: float) : float =
        if not share.Counts then 0.0
        elif isWhole share then mean
        else mean * float share.Count / float share.Batch

/// What a forward pass in training needs beside its images.
type TrainingPass =
    {
        Share: Share
        /// What is dropped at random is drawn from it.
        Generator: torch.Generator
    }
