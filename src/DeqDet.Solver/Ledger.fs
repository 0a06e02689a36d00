namespace DeqDet.Solver

open System

/// The bookkeeping of one sample, fed with one evaluation after the other.
type internal Ledger =
    {
        Evaluations: int
        Best: float
        BestRelative: float
        /// Absolute residuals, newest first, as many as the rate needs.
        Recent: float list
        LastRelative: float
        Broken: bool
    }

module internal Ledger =

    /// Steps over which the rate is averaged: enough to smooth a rotating error, few enough to follow a change.
    let private rateSteps = 5

    let empty: Ledger =
        {
            Evaluations = 0
            Best = infinity
            BestRelative = infinity
            Recent = []
            LastRelative = nan
            Broken = false
        }

    /// Adds an evaluation; after the first one that was not finite only the count goes on.
    let observe (absolute: float) (relative: float) (ledger: Ledger) : Ledger =
        let counted =
            { ledger with
                Evaluations = ledger.Evaluations + 1
            }

        if ledger.Broken || not (Double.IsFinite absolute && Double.IsFinite relative) then
            { counted with Broken = true }
        else
            let better = absolute < ledger.Best

            { counted with
                Best = (if better then absolute else ledger.Best)
                BestRelative = (if better then relative else ledger.BestRelative)
                Recent = absolute :: List.truncate rateSteps ledger.Recent
                LastRelative = relative
            }

    /// What can be said after the last evaluation; None: go on.
    let verdict (tolerance: Tolerance) (divergence: float) (ledger: Ledger) : Outcome option =
        match ledger.Recent with
        | _ when ledger.Broken -> Some NonFinite
        | last :: _ when Tolerance.reached tolerance last ledger.LastRelative -> Some Converged
        | last :: _ when last > divergence * ledger.Best -> Some Diverged
        | _ -> None

    let private rate (recent: float list) : float =
        match recent with
        | []
        | [ _ ] -> nan
        | last :: _ when last = 0.0 -> 0.0
        | last :: _ -> (last / List.last recent) ** (1.0 / float (recent.Length - 1))

    /// The report of a sample that ended so. `lastCounts`: the last state was returned, not the best.
    let report (lastCounts: bool) (outcome: Outcome) (ledger: Ledger) : Report =
        let residual, relative =
            match ledger.Recent with
            | last :: _ when outcome = Converged || lastCounts && outcome = StepLimit -> last, ledger.LastRelative
            | [] -> nan, nan
            | _ -> ledger.Best, ledger.BestRelative

        let q = rate ledger.Recent

        {
            Outcome = outcome
            Steps = max 0 (ledger.Evaluations - 1)
            Evaluations = ledger.Evaluations
            Residual = residual
            RelativeResidual = relative
            ContractionRate = q
            EmpiricalError =
                if Double.IsNaN q then nan
                elif q < 1.0 then q / (1.0 - q) * residual
                else infinity
        }
