namespace DeqDet.Solver

open System

/// What an evaluation leads to.
type internal Verdict =
    | GoOn of Trust
    | Finished of Outcome * Trust

/// Where the loop stands before an evaluation.
type internal Standing =
    {
        /// Evaluations made so far.
        Number: int
        /// Samples that are left, and their parts that still move.
        Active: int
        Moving: int
        /// Evaluations so far, summed over the parts.
        Spent: int64
        /// Since the start; asked only where there is a budget of time.
        Elapsed: unit -> TimeSpan
    }

/// When a part has finished, and when the whole solve has. Nothing here knows a tensor.
module internal Termination =

    /// Rounding in z and in f(z) that a residual may hide or invent, in units in the last place of z.
    let private hidden = 4.0

    /// The longest step seen is known to about a fifth (see `Ledger.resolved`): only what is shorter than this part of it is shorter.
    let private shorter = 0.8

    /// What an evaluation means after those before it.
    ///
    /// A residual within the tolerance is not enough for `Converged`: f(z) = z + 1 gives 1e-15 of |z| at 1e15, and 0 at 1e16, where z + 1
    /// is z. What such maps have in common: the state grows, and the steps that the map makes do not get shorter. With u the resolution,
    /// one unit in the last place of z, a = |f(z) - z| says that the step is no longer than a + 4u. Where that is not shorter than the
    /// longest step seen, nothing has been gained since:
    ///   * because of a: the relative residual is small only since the state has grown. Go on.
    ///   * because of u: the state has outgrown the steps of its map, and no later residual would mean more. Diverged.
    /// A true fixed point passes, however large: getting there takes steps far longer than the last one, and than u. So does a start that
    /// is one, exactly or within the tolerance: no step was seen. (Steps that may be rounding errors do not count as seen.)
    let judge (tolerance: Tolerance) (divergence: float) (before: Ledger) (residual: Residual) : Verdict =
        let absolute, unresolved = residual.Absolute, hidden * residual.Resolution

        if before.Broken || not (Ledger.finite residual) then
            Finished(NonFinite, Meaningless)
        elif Tolerance.reached tolerance absolute residual.Relative then
            let long = shorter * before.Largest

            if before.Largest = 0.0 || not (absolute + unresolved >= long) then
                Finished(Converged, Sound)
            elif unresolved >= long then
                Finished(Diverged, Meaningless)
            else
                GoOn Doubtful
        elif absolute > divergence * before.Best then
            Finished(Diverged, Sound)
        else
            GoOn Sound

    /// Whether and why the loop ends before its next evaluation; the first one is always made.
    let ending (options: SolveOptions) (at: Standing) : Ending option =
        if at.Active = 0 then
            Some AllFinished
        elif at.Number >= options.Steps then
            Some StepsUsed
        elif at.Number = 0 then
            None
        elif options.Cancellation.IsCancellationRequested then
            Some Cancelled
        else
            match options.Budget with
            | Evaluations limit when at.Spent + int64 at.Moving > limit -> Some BudgetUsed
            | Time(limit, _) when at.Elapsed() >= limit -> Some BudgetUsed
            | _ -> None
