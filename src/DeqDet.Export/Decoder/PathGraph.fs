namespace DeqDet.Export

open DeqDet.Model

/// States on the way, for pages that show them: of each the boxes [.., B, Q, 4], and of each query the best class and its score [.., B, Q].
type PathValue =
    {
        Boxes: Value
        Scores: Value
        Labels: Value
    }

    /// Its values, in order.
    member path.Values: Value list = [ path.Boxes; path.Scores; path.Labels ]

    /// The same from values in that order.
    static member Of(values: Value list) : PathValue =
        match values with
        | [ boxes; scores; labels ] ->
            {
                Boxes = boxes
                Scores = scores
                Labels = labels
            }
        | _ -> invalidArg (nameof values) "a path has three values"

module internal PathGraph =

    /// What a state would be read out as.
    let state (head: HeadWeights) (query: QueryValue) (graph: Graph) : PathValue =
        let (graph: Graph) = Graph.within "path" graph
        let scores = Op.sigmoid (RefinementGraph.classify head query.Content graph) graph
        let best, labels = Op.topK (Graph.integers [ 1L ] graph) 1L scores graph

        {
            Boxes = query.Box
            Scores = Op.squeeze -1 best graph
            Labels = Op.squeeze -1 labels graph
        }

    /// A state, with an axis for the steps.
    let alone (path: PathValue) (graph: Graph) : PathValue =
        PathValue.Of [ for value in path.Values -> Op.unsqueeze 0 value graph ]

    /// Paths one after the other.
    let join (paths: PathValue list) (graph: Graph) : PathValue =
        PathValue.Of
            [
                for part in 0..2 -> Op.concat 0 [ for path in paths -> path.Values[part] ] graph
            ]
