namespace DeqDet.Solver

open System

/// One evaluation of one sample (or part), as the measure sees it.
[<Struct>]
type internal Residual =
    {
        /// |f(z) - z|.
        Absolute: float
        Relative: float
        /// What one unit in the last place of z comes to, in the same measure; 0 where nobody asked.
        Resolution: float
    }

/// The bookkeeping of one sample, fed with one evaluation after the other.
type internal Ledger =
    {
        Evaluations: int
        Best: float
        BestRelative: float
        /// Absolute residuals, newest first, as many as the rate needs.
        Recent: float list
        LastRelative: float
        /// The largest absolute residual that was clearly no rounding error; 0 before the first one.
        Largest: float
        Broken: bool
    }

/// How far an evaluation can be relied on.
type internal Trust =
    /// It may be the best one so far.
    | Sound
    /// The numbers are right, but the sample is not as near to a fixed point as they look: it is never the best one.
    | Doubtful
    /// The numbers say nothing.
    | Meaningless

module internal Ledger =

    /// Steps over which the rate is averaged: enough to smooth a rotating error, few enough to follow a change.
    let private rateSteps = 5

    /// Units in the last place above which a residual is a step that the map made, and no rounding error of its own.
    let private resolved = 16.0

    let empty: Ledger =
        {
            Evaluations = 0
            Best = infinity
            BestRelative = infinity
            Recent = []
            LastRelative = nan
            Largest = 0.0
            Broken = false
        }

    /// Whether both residuals are numbers.
    let finite (residual: Residual) : bool =
        Double.IsFinite residual.Absolute && Double.IsFinite residual.Relative

    /// Adds an evaluation; after the first one that was not finite only the count goes on.
    let observe (trust: Trust) (residual: Residual) (ledger: Ledger) : Ledger =
        let counted =
            { ledger with
                Evaluations = ledger.Evaluations + 1
            }

        if ledger.Broken || not (finite residual) then
            { counted with Broken = true }
        elif trust = Meaningless then
            counted
        else
            let absolute = residual.Absolute
            let better = trust = Sound && absolute < ledger.Best

            { counted with
                Best = (if better then absolute else ledger.Best)
                BestRelative = (if better then residual.Relative else ledger.BestRelative)
                Recent = absolute :: List.truncate rateSteps ledger.Recent
                LastRelative = residual.Relative
                Largest =
                    if absolute > resolved * residual.Resolution then
                        max absolute ledger.Largest
                    else
                        ledger.Largest
            }

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
