namespace DeqDet.Model

open System
open System.Threading
open TorchSharp
open DeqDet.Solver

/// Learned contents [Q, C] and fixed boxes [Q, 4] (cx, cy, w, h as fractions of the image) that every image starts from.
type InitialWeights = { Boxes: Tensor; Contents: Tensor }

/// The decoder's weights: how queries begin, and the heads that refine them (DEQDet: init head, refinement head).
type DecoderWeights =
    {
        Initial: InitialWeights
        Heads: HeadWeights list
    }

/// What a prediction may take from the world around it.
type Effort =
    {
        /// Time by any clock, for a budget of milliseconds; on an accelerator it has to wait for the work that is under way.
        Clock: unit -> TimeSpan
        /// Ends the refinement before its next step; what has been found is read out.
        Cancellation: CancellationToken
    }

    /// No hurry: fit for settings without a budget of time.
    static member Unhurried =
        {
            Clock = (fun () -> TimeSpan.Zero)
            Cancellation = CancellationToken.None
        }

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

/// The equilibrium decoder: initial queries, the path towards the fixed point, the read-out.
module Equilibrium =

    /// Weights of the decoder under the official names.
    let create (settings: DetectorSettings) (source: WeightSource) : DecoderWeights =
        let q, c = settings.Queries.Count, settings.Head.Channels
        let rpn = source |> WeightSource.at "rpn_head"
        // the whole image: cx = cy = .5, w = h = 1; AdaMixer's checkpoints call them trainable, but no gradient ever arrives
        let whole =
            Values
                [|
                    for _ in 1..q do
                        0.5f
                        0.5f
                        1.0f
                        1.0f
                |]

        let boxes =
            (if settings.Kind = AdaMixer then
                 rpn
             else
                 WeightSource.freeze rpn)
            |> WeightSource.parameter "init_proposal_bboxes.weight" [ q; 4 ] whole

        let contents =
            rpn
            |> WeightSource.parameter
                (if settings.Kind = AdaMixer then
                     "init_content_features.weight"
                 else
                     "init_proposal_features.weight")
                [ q; c ]
                (Normal 1.0)

        let heads =
            match settings.Kind with
            | DeqDet -> 2
            | FfnDet
            | AdaMixer -> settings.Head.Stages

        {
            Initial = { Boxes = boxes; Contents = contents }
            Heads =
                [
                    for h in 0 .. heads - 1 ->
                        source
                        |> WeightSource.at $"roi_head.bbox_head.{h}"
                        |> Refinement.create settings.Kind settings.Classes settings.Head
                ]
        }

    /// Queries at the start: for valid image sizes [B, 1, 4] (w, h, w, h in px) the same contents, layer-normalised without scale,
    /// and boxes over the whole valid image.
    let initial (kind: DetectorKind) (weights: InitialWeights) (sizes: Tensor) : Query =
        let b = sizes.size 0
        let q, c = weights.Contents.size 0, weights.Contents.size 1
        let content = (Norm.plain 1 weights.Contents).unsqueeze(0L).expand(b, q, c)
        let cxcywh = weights.Boxes.detach().unsqueeze 0L * sizes
        let centre = cxcywh.narrow (-1, 0L, 2L)
        let extent = cxcywh.narrow (-1, 2L, 2L)

        let box =
            torch.cat ([| centre - extent * scalar 0.5; centre + extent * scalar 0.5 |], -1L)

        match kind with
        | AdaMixer ->
            // directly from w and h, and the box of the first overlap bias decoded again
            let logW = extent.narrow(-1, 0L, 1L).log2()
            let logH = extent.narrow(-1, 1L, 1L).log2()

            let position =
                torch.cat ([| centre; (logW + logH) * scalar 0.5; logH - logW |], -1L)

            {
                Position = position
                Content = content
                Box = Boxes.decode position
            }
        | DeqDet
        | FfnDet ->
            {
                Position = Boxes.encode box
                Content = content
                Box = box
            }

    /// Heads in the order in which prediction applies them: DEQDet's init head once and its refinement head steps + 1 times; every
    /// stage once for the others.
    let schedule (settings: DetectorSettings) (weights: DecoderWeights) : HeadWeights list =
        match settings.Kind with
        | DeqDet -> weights.Heads[0] :: List.replicate (settings.Solver.Steps + 1) weights.Heads[1]
        | FfnDet
        | AdaMixer -> weights.Heads

    /// Every state of the prediction's path, the initial one first; no gradients. The caller disposes of them.
    let path (settings: DetectorSettings) (weights: DecoderWeights) (pyramid: Pyramid) (start: Query) : Query seq =
        seq {
            let mutable query = start
            yield query

            for head in schedule settings weights do
                let next =
                    use _ = torch.no_grad ()
                    Refinement.apply head pyramid query

                query <- next
                yield query
        }

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
            Observer = None
            Cancellation = effort.Cancellation
        }

    /// Iterates one head from queries [B, Q, .] on: every image is a sample whose parts, the queries, come to rest one by one.
    /// Gives the refined queries and what was measured, query by query (B * Q of them, image after image).
    let iterate (options: SolveOptions) (head: HeadWeights) (pyramid: Pyramid) (start: Query) : Query * Solution =
        use _ = torch.no_grad ()
        let state = QueryState.pack start
        use map = new RefinementMap(head, pyramid)
        let solution = Solve.runParts options (int (state.size 1)) map.Apply state
        QueryState.unpack solution.State, solution

    /// What there is to report of a query that was not finite to begin with.
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
    /// spoils its image through the attention) stay as they are.
    let private iterateFinite options head (pyramid: Pyramid) (start: Query) : Query * Report[] =
        let images, queries = start.Content.size 0, int (start.Content.size 1)

        let finite =
            (QueryState.pack start).isfinite().flatten(1L).all(1L).cpu().data<bool>().ToArray()

        let sound =
            [| for image in 0L .. images - 1L -> image |]
            |> Array.filter (fun image -> finite[int image])

        if sound.Length = finite.Length then
            let query, solution = iterate options head pyramid start
            query, solution.Reports
        elif sound.Length = 0 then
            start, Array.create (finite.Length * queries) broken
        else
            let index = torch.tensor (sound, device = start.Content.device)
            let select (tensor: Tensor) = tensor.index_select (0L, index)

            let part =
                { pyramid with
                    Levels = List.map select pyramid.Levels
                }

            let query, solution = iterate options head part (Query.map select start)
            let put (whole: Tensor) (solved: Tensor) = whole.index_copy (0L, index, solved)
            let reports = Array.create (finite.Length * queries) broken

            sound
            |> Array.iteri (fun at image ->
                Array.blit solution.Reports (at * queries) reports (int image * queries) queries)

            {
                Position = put start.Position query.Position
                Content = put start.Content query.Content
                Box = put start.Box query.Box
            },
            reports

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
            let from = iterateFinite (options settings.Solver effort) weights.Heads[1] pyramid

            let cold () =
                Refinement.apply weights.Heads[0] pyramid start |> from

            let query, reports, held =
                match settings.Kind, warm with
                | (FfnDet | AdaMixer), _ -> stages weights pyramid start, [||], false
                | DeqDet, Some previous when
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
                | DeqDet, _ ->
                    let query, reports = cold ()
                    query, reports, false

            {
                Query = query
                Logits = Refinement.classify (List.last weights.Heads) query.Content
                Reports = Array.chunkBySize (int (start.Content.size 1)) reports
                Warm = held
            })

    /// The best `count` of all query x class pairs of one batch: logits [B, Q, K], boxes [B, Q, 4] -> scores [B, n], labels [B, n]
    /// (int64), boxes [B, n, 4] in px of the padded input, queries [B, n], best first. No suppression of duplicates: there are none.
    let readOut (count: int) (logits: Tensor) (boxes: Tensor) =
        let b, q, k = logits.size 0, logits.size 1, logits.size 2
        let n = int (min (int64 count) (q * k))

        let struct (scores, index) =
            logits.sigmoid().reshape(b, q * k).topk(n, -1, true, true)

        let queries =
            index.div(scalar (float k), torch.RoundingMode.floor).``to`` torch.int64

        let labels = index.remainder (scalar (float k))
        let found = boxes.gather (1L, queries.unsqueeze(-1L).expand(b, int64 n, 4L))
        struct (scores, labels, found, queries)
