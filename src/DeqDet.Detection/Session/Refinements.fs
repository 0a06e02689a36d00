namespace DeqDet.Detection

open System.Collections.Generic
open DeqDet
open DeqDet.Model
open DeqDet.Solver

/// What refinement cost and how it ended, image by image: each a list of its queries' reports.
type Refinements() =
    let images = List<Report[]>()

    /// Adds an image; one without reports (a model without equilibrium) is ignored.
    member _.Add(queries: Report[]) : unit =
        if queries.Length > 0 then
            images.Add queries

    /// The reports of the queries of each image that was added.
    member _.Images: IReadOnlyList<Report[]> = images

    /// Applications that an image took: those of its slowest query.
    static member Steps(queries: Report[]) : int =
        queries |> Array.map _.Evaluations |> Array.max

    /// Queries within the tolerance.
    static member Settled(queries: Report[]) : int =
        queries |> Array.filter (fun query -> query.Outcome = Converged) |> Array.length

    /// One or two lines for people; None where no image had an equilibrium.
    member _.Summary(solver: SolverSettings) : string option =
        if images.Count = 0 then
            None
        else
            let most = solver.Steps + 1

            let residual =
                Quantile.median (images |> Seq.collect (Array.map _.RelativeResidual))

            let residual = $"median residual {residual:``0.####``}"

            if solver.Tolerance.IsNone && solver.BudgetMs.IsNone then
                Some $"refinement: {most} applications to each query, {residual}"
            else
                let updates =
                    images |> Seq.averageBy (Array.averageBy (fun query -> float query.Evaluations))

                let steps = images |> Seq.map (Refinements.Steps >> float) |> Array.ofSeq
                // a warm start that fails costs more than it saves
                let saved =
                    if updates <= float most then
                        $"{1.0 - updates / float most:P0} fewer"
                    else
                        $"{updates / float most - 1.0:P0} more, warm starts failed"

                let settled =
                    if solver.Tolerance.IsNone then
                        ""
                    else
                        let settled = images |> Seq.sumBy (Refinements.Settled >> float)
                        let all = images |> Seq.sumBy (fun queries -> float queries.Length)
                        $"{settled / all:P1} of the queries settled; "

                Some(
                    $"refinement: {updates:``0.0``} applications to a query of {most} at most ({saved}), {residual}\n"
                    + $"            {settled}images took {Array.min steps:``0``} to {Array.max steps:``0``} steps, half of them {Quantile.median steps:``0.#``} or fewer"
                )
