namespace DeqDet.Detection

open System
open DeqDet.Data

/// The largest batch of a run, tried before the first step.
module LargestBatch =

    /// The number of parts in which it fits into memory in all processes: as many as asked for, or twice as many. Raises an exception that says
    /// what to do where it does not.
    let tryOut (work: StepWork) (state: TrainingState) (batch: Batch) : int =
        let parts =
            try
                TrainingStep.tryOut work state batch
            with error when OutOfMemory.isCause error ->
                raise (
                    Exception(
                        $"the largest batch ({batch.Images.Count} images of {batch.Width} x {batch.Height} px) does not fit into memory, not even in {2 * work.Parts} parts; lower train.batch_size or data.resize, or set train.accumulate to more parts ({error.Message})",
                        error
                    )
                )

        // all processes compute as many parts as the one that needs the most
        max
            work.Parts
            (if work.Processes.Any(parts > work.Parts) then
                 2 * work.Parts
             else
                 work.Parts)
