namespace DeqDet.Model

open System
open TorchSharp
open DeqDet.Solver

/// Queries at the end of the refinement.
type Settled =
    {
        Query: Query
        /// [B, Q, K].
        Logits: Tensor
        /// By image and query, what was measured of the refinement head's iteration; empty for the models that have none. The
        /// evaluations include those of a warm start that failed.
        Reports: Report[][]
        /// Whether the state was reached from an earlier image's: a warm start was tried, and did not fail.
        Warm: bool
    }

/// From initial queries to the state that is read out.
module Decoding =

    let private through (effort: Effort) (head: HeadWeights) (pyramid: Pyramid) (query: Query) : Query =
        let refined = Refinement.apply head pyramid query
        effort.Observer(ThroughHead refined)
        refined

    let private stages (effort: Effort) (weights: DecoderWeights) (pyramid: Pyramid) (start: Query) : Query =
        weights.Heads
        |> List.fold (fun query head -> through effort head pyramid query) start

    /// Whether a query diverged or met numbers that are not finite. (Queries that only ran out of steps or time say nothing against
    /// their start: on trained models a few never settle, wherever they come from.)
    let private failed (reports: Report[]) =
        reports
        |> Array.exists (fun report -> report.Outcome = Diverged || report.Outcome = NonFinite)

    /// The steps and the time that all attempts of one prediction share, from now on.
    type private Allowance(solver: SolverSettings, effort: Effort) =

        let options = Equilibrium.options solver effort

        let deadline =
            solver.BudgetMs
            |> Option.map (fun limit -> effort.Clock() + TimeSpan.FromMilliseconds limit)

        let timeLeft () =
            deadline |> Option.map (fun deadline -> deadline - effort.Clock())

        /// Whether a further attempt may be made after so many steps.
        member _.Allows(steps: int) : bool =
            steps < options.Steps
            && not effort.Cancellation.IsCancellationRequested
            && timeLeft () |> Option.forall (fun left -> left > TimeSpan.Zero)

        /// What an attempt after so many steps may spend; one application at least.
        member _.After(steps: int) : SolveOptions =
            { options with
                Steps = options.Steps - steps
                Budget =
                    match timeLeft () with
                    | None -> Unlimited
                    | Some left -> Time(max left (TimeSpan.FromTicks 1L), effort.Clock)
            }

    /// Iterates from the init head's output, or from an earlier equilibrium as long as that does not fail.
    let private equilibrium (solver: SolverSettings) effort weights pyramid (warm: Query option) start =
        let allowance = Allowance(solver, effort)

        let iterate steps query =
            Equilibrium.iterateFinite (allowance.After steps) weights.Heads[1] pyramid query

        let cold steps =
            through effort weights.Heads[0] pyramid start |> iterate steps

        match warm with
        | None ->
            let query, reports = cold 0
            query, reports, false
        | Some previous ->
            let query, tried = iterate 0 previous
            let steps = tried |> Array.map _.Evaluations |> Array.max

            if failed tried && allowance.Allows steps then
                let query, reports = cold steps

                let both (report: Report) (tried: Report) =
                    { report with
                        Evaluations = report.Evaluations + tried.Evaluations
                    }

                query, Array.map2 both reports tried, false
            else
                query, tried, true

    /// Initial queries and pyramid -> the state that is read out, its logits [B, Q, K], and what was measured of each query; no
    /// gradients, memory flat in steps. `warm`: the equilibrium of earlier images of the same size, at which DEQDet begins in the
    /// place of its init head; should a query run away from there, all begin anew with the init head, with the steps and the time that
    /// are left. It needs a tolerance: without one every query takes all steps wherever it begins.
    let solve
        (settings: DetectorSettings)
        (effort: Effort)
        (weights: DecoderWeights)
        (pyramid: Pyramid)
        (warm: Query option)
        (start: Query)
        : Settled =
        use _ = torch.no_grad ()

        scoped (fun settled -> Seq.append (Query.tensors settled.Query) [ settled.Logits ]) (fun () ->
            let query, reports, held =
                match (Family.ofSettings settings).Refining with
                | ByStages -> stages effort weights pyramid start, [||], false
                | ToEquilibrium ->
                    let usable (previous: Query) =
                        settings.Solver.Tolerance.IsSome && previous.Content.shape = start.Content.shape

                    equilibrium settings.Solver effort weights pyramid (Option.filter usable warm) start

            {
                Query = query
                Logits = Refinement.classify (List.last weights.Heads) query.Content
                Reports = Array.chunkBySize (int (start.Content.size 1)) reports
                Warm = held
            })
