namespace DeqDet.Model

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
        /// Whether a warm start was tried, and held.
        Warm: bool
    }

/// From initial queries to the state that is read out.
module Decoding =

    let private stages (weights: DecoderWeights) (pyramid: Pyramid) (start: Query) : Query =
        weights.Heads
        |> List.fold (fun query head -> Refinement.apply head pyramid query) start

    /// Whether the iteration from an earlier equilibrium can be trusted: at least half of the queries settled, and none of them
    /// ran away. (On trained models a few queries never settle, wherever they start from.)
    let private holds (reports: Report[]) =
        let count outcome =
            reports |> Array.filter (fun report -> report.Outcome = outcome) |> Array.length

        count Diverged = 0
        && count NonFinite = 0
        && 2 * count Converged >= reports.Length

    /// Initial queries and pyramid -> the state that is read out, its logits [B, Q, K], and what was measured of each query; no
    /// gradients, memory flat in steps. `warm`: the equilibrium of earlier images of the same size, at which DEQDet begins in the
    /// place of its init head; should that fail, it begins anew with the init head. It needs a tolerance, else nothing could be said of it.
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
            let from =
                Equilibrium.iterateFinite (Equilibrium.options settings.Solver effort) weights.Heads[1] pyramid

            let cold () =
                Refinement.apply weights.Heads[0] pyramid start |> from

            let query, reports, held =
                match (Family.ofSettings settings).Refining, warm with
                | ByStages, _ -> stages weights pyramid start, [||], false
                | ToEquilibrium, Some previous when
                    settings.Solver.Tolerance.IsSome && previous.Content.shape = start.Content.shape
                    ->
                    let query, tried = from previous

                    if holds tried then
                        query, tried, true
                    else
                        let query, reports = cold ()

                        let both (report: Report) (tried: Report) =
                            { report with
                                Evaluations = report.Evaluations + tried.Evaluations
                            }

                        query, Array.map2 both reports tried, false
                | ToEquilibrium, _ ->
                    let query, reports = cold ()
                    query, reports, false

            {
                Query = query
                Logits = Refinement.classify (List.last weights.Heads) query.Content
                Reports = Array.chunkBySize (int (start.Content.size 1)) reports
                Warm = held
            })
