namespace DeqDet.Export

open DeqDet.Checkpoints
open DeqDet.Model

/// From initial queries to the state that is read out, as operations: DeqDet.Model.Decoding.
module internal DecoderGraph =

    /// The queries that every image starts from, for valid sizes (w, h) in px [B, 2].
    let initial (kind: DetectorKind) (weights: InitialWeights) (sizes: Value) (graph: Graph) : QueryValue =
        let (graph: Graph) = Graph.within "initial" graph
        let queries, channels = weights.Contents.size 0, weights.Contents.size 1
        let boxes = Graph.weight "" id weights.Boxes graph
        let twice = Op.unsqueeze 1 (Op.concat -1 [ sizes; sizes ] graph) graph
        let cxcywh = Op.multiply boxes twice graph

        let position, box =
            match kind with
            | AdaMixer ->
                let position = BoxGraph.ofSize cxcywh graph
                position, BoxGraph.decode position graph
            | DeqDet
            | FfnDet ->
                let box = BoxGraph.corners cxcywh graph
                BoxGraph.encode box graph, box

        let content = Graph.weight "normalised" (Norm.plain 1) weights.Contents graph

        let shape =
            Op.concat 0 [ Op.sizeOf 0 sizes graph; Graph.integers [ queries; channels ] graph ] graph

        {
            QueryValue.Position = position
            Content = Op.expand shape [ Op.Free; queries; channels ] content graph
            Box = box
        }

    let private stages heads pyramid (start: QueryValue) (graph: Graph) : QueryValue =
        heads
        |> List.indexed
        |> List.fold
            (fun (query: QueryValue) (number, head) ->
                RefinementGraph.apply head pyramid query query id (Graph.within $"stage{number + 1}" graph))
            start

    /// Initial queries -> the state that is read out, and what is known of the iteration where there is one.
    let solve
        (settings: DetectorSettings)
        (iteration: Iteration)
        (weights: DecoderWeights)
        (pyramid: PyramidValue)
        (start: QueryValue)
        (graph: Graph)
        : QueryValue * SettledValue option =
        match (Family.ofSettings settings).Refining with
        | ByStages -> stages weights.Heads pyramid start graph, None
        | ToEquilibrium ->
            let first =
                RefinementGraph.apply weights.Heads[0] pyramid start start id (Graph.within "init_head" graph)

            // only plain iteration follows the damping
            let damping =
                match settings.Solver.Scheme with
                | PicardScheme -> settings.Solver.Damping
                | AndersonScheme
                | BroydenScheme -> 1.0

            let map =
                {
                    Apply = RefinementGraph.apply weights.Heads[1] pyramid
                    Look = PathGraph.state weights.Heads[1]
                }

            let settled =
                EquilibriumGraph.iterate iteration damping map first (Graph.within "refine" graph)

            settled.Query, Some settled

    /// The best `count` pairs of query and class: scores [B, n], labels [B, n], boxes [B, n, 4], queries [B, n], best first.
    let readOut (count: int) (logits: Value) (boxes: Value) (graph: Graph) : Value * Value * Value * Value =
        let (graph: Graph) = Graph.within "read_out" graph
        let queries, classes = Op.size 1 logits, Op.size 2 logits
        let kept = min (int64 count) (queries * classes)
        let all = Op.reshape [ 0L; queries * classes ] (Op.sigmoid logits graph) graph
        let scores, places = Op.topK (Graph.integers [ kept ] graph) kept all graph
        let classes = Graph.integer classes graph
        let query = Op.divide places classes graph
        let label = Op.remainder places classes graph
        scores, label, Op.gatherEach boxes query graph, query
