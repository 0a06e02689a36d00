namespace DeqDet.Model

open System
open System.Threading
open TorchSharp
open DeqDet.Solver

/// What a prediction has just finished. Tensors live only during the call that tells of it.
type Passed =
    /// Backbone and neck.
    | ThroughBackbone
    /// The head before the refinement head, or one of the stages of a model without equilibrium: the queries that it made, [B, Q, .].
    | ThroughHead of Query
    /// An application of the refinement head, of all images of the batch whose queries still move: rows of `QueryState`, by the queries'
    /// numbers in the batch.
    | ThroughApplication of Observation

/// What limits a prediction from outside, and who follows it.
type Effort =
    {
        /// Elapsed time from any origin, for a budget of milliseconds; on an accelerator it has to synchronise with the device first.
        Clock: unit -> TimeSpan
        /// Ends the refinement before its next step; what has been found is read out.
        Cancellation: CancellationToken
        /// Called after each part.
        Observer: Passed -> unit
    }

    /// A clock that stands still, no cancellation and nobody who follows: for settings without a budget of time.
    static member Unhurried =
        {
            Clock = (fun () -> TimeSpan.Zero)
            Cancellation = CancellationToken.None
            Observer = ignore
        }

/// The iteration of a refinement head as a fixed-point problem.
module Equilibrium =

    /// The scheme that settings name, in units in which positions and contents can be compared.
    let scheme (solver: SolverSettings) : Scheme =
        match solver.Scheme with
        | PicardScheme -> Picard.scheme { Damping = solver.Damping }
        | AndersonScheme ->
            Anderson.scheme
                { Anderson.defaults with
                    Window = defaultArg solver.Memory Anderson.defaults.Window
                    Damping = solver.Damping
                }
            |> Scheme.inUnits QueryState.units
        | BroydenScheme ->
            Broyden.scheme
                {
                    Memory = defaultArg solver.Memory Broyden.defaults.Memory
                    Damping = solver.Damping
                }
            |> Scheme.inUnits QueryState.units

    /// How the refinement head is iterated. Without a tolerance: `Steps` + 1 times, as the reference does, and the last state is the
    /// answer. With one: until each query has settled or has been applied to as often, and the answer is the image of its best state.
    let options (solver: SolverSettings) (effort: Effort) : SolveOptions =
        {
            Scheme = scheme solver
            Tolerance =
                {
                    Absolute = None
                    Relative = solver.Tolerance
                    Measure = QueryState.measure
                }
            Steps = solver.Steps + 1
            Answer = if solver.Tolerance.IsSome then Image else Last
            Divergence = Solve.defaults.Divergence
            Budget =
                match solver.BudgetMs with
                | None -> Unlimited
                | Some limit -> Time(TimeSpan.FromMilliseconds limit, effort.Clock)
            Trace = false
            Observer = Some(ThroughApplication >> effort.Observer)
            Cancellation = effort.Cancellation
        }

    /// Iterates one head from queries [B, Q, .] on: every image is a sample whose parts, the queries, settle one by one.
    /// Returns the refined queries and what was measured, query by query (B * Q of them, image after image).
    let iterate (options: SolveOptions) (head: HeadWeights) (pyramid: Pyramid) (start: Query) : Query * Solution =
        use _ = torch.no_grad ()
        let state = QueryState.pack start

        let solution =
            Solve.runParts options (int (state.size 1)) (RefinementMap.ofHead head pyramid) state

        QueryState.unpack solution.State, solution

    /// The report of a query that was not finite before the first application.
    let private broken: Report =
        {
            Outcome = NonFinite
            Steps = 0
            Evaluations = 0
            Residual = nan
            RelativeResidual = nan
            ContractionRate = nan
            EmpiricalError = nan
        }

    /// `iterate` for the images whose queries are all finite. The others (an untrained init head may overflow, and one such query
    /// spoils its image through the attention) stay as they are; zeros stand for them meanwhile, so that nothing needs to be read from the
    /// device before the iteration.
    let iterateFinite options head (pyramid: Pyramid) (start: Query) : Query * Report[] =
        let queries = int (start.Content.size 1)
        let finite = (QueryState.pack start).isfinite().flatten(1L).all(1L)
        let whole = finite.view (-1L, 1L, 1L)

        let query, solution =
            start
            |> Query.map (fun begun -> torch.where (whole, begun, torch.zeros_like begun))
            |> iterate options head pyramid

        let reports = solution.Reports
        let finite = finite.cpu().data<bool>().ToArray()

        {
            Position = torch.where (whole, query.Position, start.Position)
            Content = torch.where (whole, query.Content, start.Content)
            Box = torch.where (whole, query.Box, start.Box)
        },
        reports
        |> Array.mapi (fun at report -> if finite[at / queries] then report else broken)
