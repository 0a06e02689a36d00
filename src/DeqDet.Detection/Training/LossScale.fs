namespace DeqDet.Detection

open DeqDet.Kernels

/// The factor on the loss of a training in float16. Gradients are often below 6e-8, which float16 rounds to 0, and beyond 65504 they are
/// infinite: a factor on the loss moves all of them, and the optimiser gets them divided by it. The largest one that nothing overflows with is found
/// by trying.
type LossScale =
    {
        /// A power of two, so that it rounds nothing; 1 in other precisions.
        Scale: float
        /// Steps since it was last changed.
        GoodSteps: int
    }

module LossScale =

    /// Steps without an overflow after which a scale is doubled.
    let patience = 2000

    /// Below it nothing is gained: gradients that overflow unscaled are of a step that is bad.
    let least = 1.0

    /// Beyond it losses themselves would leave float32's range before gradients came near float16's.
    let most = 16777216.0

    /// What a training begins with.
    let start (precision: Precision) : LossScale =
        {
            Scale = (if precision = Precision.Fp16 then 65536.0 else 1.0)
            GoodSteps = 0
        }

    /// After a step whose gradients were finite.
    let good (precision: Precision) (scale: LossScale) : LossScale =
        if precision <> Precision.Fp16 then
            scale
        elif scale.GoodSteps + 1 < patience then
            { scale with
                GoodSteps = scale.GoodSteps + 1
            }
        else
            {
                Scale = min most (2.0 * scale.Scale)
                GoodSteps = 0
            }

    /// After gradients that were not finite although the losses were: the scale to compute the step anew with. None where that would be below the
    /// least, as in precisions that need none.
    let overflowed (scale: LossScale) : LossScale option =
        if scale.Scale / 2.0 < least then
            None
        else
            Some
                {
                    Scale = scale.Scale / 2.0
                    GoodSteps = 0
                }

    /// Computes a step with a scale, and where its gradients overflow anew with half of it, as long as there is one: what came of the last
    /// attempt, and its scale.
    let rec search
        (compute: LossScale -> 'result)
        (overflows: 'result -> bool)
        (scale: LossScale)
        : 'result * LossScale =
        let result = compute scale

        match (if overflows result then overflowed scale else None) with
        | Some lower -> search compute overflows lower
        | None -> result, scale
