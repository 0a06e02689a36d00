namespace DeqDet.Export

open DeqDet.Checkpoints

/// How far applications move queries, as operations: DeqDet.Model.QueryState, in float32.
module internal ResidualGraph =

    /// Above this a number counts as infinite; NaN is not below it either.
    let private infinite = 3e38

    let isFinite (x: Value) (graph: Graph) =
        Op.less x (Graph.real infinite graph) graph

    /// From positions [..., 4] and contents [..., C] to later ones: the larger one of the shift of the box, in sizes, and of the change of the content, in
    /// lengths, [...]; and whether both are numbers.
    let measure (before: Value * Value) (after: Value * Value) (graph: Graph) =
        let moved = Op.subtract (fst after) (fst before) graph
        let scale = Op.exp2 (Op.narrow -1 2L 1L (fst after) graph) graph
        let centre = Op.divide (Op.narrow -1 0L 2L moved graph) scale graph

        let shift =
            Op.length (Op.concat -1 [ centre; Op.narrow -1 2L 2L moved graph ] graph) graph

        let length = Op.atLeast 1e-12 (Op.length (snd after) graph) graph

        let change =
            Op.divide (Op.length (Op.subtract (snd after) (snd before) graph) graph) length graph

        let finite = Op.both (isFinite shift graph) (isFinite change graph) graph
        Op.maximum shift change graph, finite

    /// Which images [B, 1] have only finite numbers in all their queries.
    let wholeImages (query: QueryValue) (graph: Graph) =
        let rows = Op.concat -1 [ query.Position; query.Content ] graph
        let broken = Op.negation (isFinite (Op.absolute rows graph) graph) graph

        let count =
            Op.sumLast (Op.reshape [ 0L; -1L ] (Op.cast ElementType.Float32 broken graph) graph) graph

        Op.less count (Graph.real 0.5 graph) graph
