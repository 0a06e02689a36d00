namespace DeqDet.Detection

open System
open DeqDet.Coco
open DeqDet.Model
open DeqDet.Solver

/// A query in one state of the refinement.
[<Struct>]
type QueryMoment =
    {
        /// In px of the picture; not finite where an untrained head makes it so.
        Box: Box
        /// The surest class, its place among the model's classes.
        Label: int
        /// Its score, 0 to 1.
        Score: float32
        /// How far the last application took the query; NaN where none has.
        Residual: float
    }

/// A query through all states of the refinement.
type FollowedQuery =
    {
        /// Its number, from 0.
        Query: int
        /// Whether one of the detections that were kept is its.
        IsKept: bool
        /// What was measured of it; None for models without equilibrium.
        Report: Report option
        /// State by state.
        Moments: QueryMoment[]
        /// Where the next application reads, state by state: x, y of each point in px of the picture; none where no application follows.
        Points: float32[][]
        /// What each level of the pyramid counts at a point, state by state: for each point a number for each level, the finest first.
        LevelWeights: float32[][]
    }

    /// Whether the query came within the tolerance.
    member query.IsSettled: bool =
        query.Report |> Option.exists (fun report -> report.Outcome = Converged)

/// How the queries of one picture became detections, from the first head's output on.
type FollowedImage =
    {
        /// Whether the states are applications of one head; otherwise they are stages.
        HasEquilibrium: bool
        /// Strides of the pyramid's levels, the finest first, in px of the picture.
        Strides: float[]
        /// Those of detections that were kept, the surest first, then others, the surest first.
        Queries: FollowedQuery[]
    }

    /// States that there are.
    member image.States: int =
        if image.Queries.Length = 0 then
            0
        else
            image.Queries[0].Moments.Length

module FollowedImage =

    /// The queries that are worth following: all whose detections `keeps` wants, in their order, then the others by their scores in the last
    /// state, `most` in all (but never fewer than are kept). With each whether it is kept.
    let internal choose (most: int) (keeps: Predicate<Finding>) (findings: Finding seq) (scores: float32[]) =
        let kept =
            findings
            |> Seq.filter keeps.Invoke
            |> Seq.map _.Query
            |> Seq.distinct
            |> Array.ofSeq

        let others =
            [| 0 .. scores.Length - 1 |]
            |> Array.except kept
            |> Array.sortBy (fun query -> -scores[query])

        [|
            for query in kept -> query, true
            for query in Array.truncate (most - kept.Length |> max 0) others -> query, false
        |]

    /// The states of one picture's prediction in px of the picture, which the network saw `scaleX` and `scaleY` times as large.
    let internal ofStates
        (settings: DetectorSettings)
        (scaleX: float32, scaleY: float32)
        (reports: Report[])
        (chosen: (int * bool)[])
        (states: FollowedState[])
        : FollowedImage =
        let queries = states[0].Labels.Length

        let moment (state: FollowedState) query =
            let at corner = state.Boxes[4 * query + corner]

            {
                Box = Box(at 0 / scaleX, at 1 / scaleY, at 2 / scaleX, at 3 / scaleY)
                Label = state.Labels[query]
                Score = state.Scores[query]
                Residual = state.Residuals[query]
            }

        let points (state: FollowedState) query =
            let each = state.Points.Length / (3 * queries)

            [|
                for point in query * each .. (query + 1) * each - 1 do
                    state.Points[3 * point] / scaleX
                    state.Points[3 * point + 1] / scaleY
            |]

        let weights (state: FollowedState) query =
            let each = state.LevelWeights.Length / queries
            state.LevelWeights[query * each .. (query + 1) * each - 1]

        let reading = states |> Array.filter (fun state -> state.Points.Length > 0)

        {
            HasEquilibrium = Family.hasEquilibrium settings
            Strides = [| for stride in Detector.strides -> float stride / float scaleX |]
            Queries =
                [|
                    for query, isKept in chosen ->
                        {
                            Query = query
                            IsKept = isKept
                            Report = Array.tryItem query reports
                            Moments = [| for state in states -> moment state query |]
                            Points = [| for state in reading -> points state query |]
                            LevelWeights = [| for state in reading -> weights state query |]
                        }
                |]
        }
