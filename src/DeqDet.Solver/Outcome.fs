namespace DeqDet.Solver

/// How the solve of one sample ended.
type Outcome =
    /// The residual of the returned state is within the tolerance, and not just because the state has grown.
    | Converged
    /// Steps, budget or the caller's patience (cancellation) ran out first.
    | StepLimit
    /// The residual grew far beyond the smallest one seen, or the state grew until steps as long as those the map made before vanish
    /// in its last place.
    | Diverged
    /// The map gave NaN or infinity.
    | NonFinite

    /// The outcome as a sentence.
    member this.Sentence =
        match this with
        | Converged -> "The residual is within the tolerance."
        | StepLimit -> "Steps or budget ran out before the residual was within the tolerance."
        | Diverged ->
            "The residual grew far beyond the smallest one, or the state beyond the digits that the map's steps need."
        | NonFinite -> "The map gave NaN or infinity."

/// What was measured on one sample.
type Report =
    {
        Outcome: Outcome
        /// Steps taken: the last state that was evaluated is this many steps from the start.
        Steps: int
        /// Evaluations of the map on this sample.
        Evaluations: int
        /// |f(z) - z| of the returned state (with Answer.Last and Answer.Image: of the state before it, the last one that was
        /// measured).
        Residual: float
        /// The same, relative.
        RelativeResidual: float
        /// q, by which the residual shrank a step, geometric mean of the last (at most five) steps;
        /// NaN before the second evaluation.
        ContractionRate: float
        /// q / (1 - q) * Residual, infinity for q >= 1: were the map a contraction by q in the norm of the residual, its image
        /// f(z) of the measured state z would be no farther than this from the fixed point (Banach's a-posteriori bound), and
        /// z no farther than this + Residual. Empirical: q is an observation, not a proven constant.
        EmpiricalError: float
    }

/// Residuals of all samples at one evaluation (1 is the start's), NaN for the samples that had finished before.
type TraceRow =
    {
        Evaluation: int
        Absolute: float[]
        Relative: float[]
    }
