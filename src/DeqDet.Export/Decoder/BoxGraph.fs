namespace DeqDet.Export

/// Queries on their way through the graph.
type QueryValue =
    {
        /// (cx, cy, z, r): [B, Q, 4].
        Position: Value
        /// [B, Q, C].
        Content: Value
        /// xyxy in px, [B, Q, 4].
        Box: Value
    }

/// Boxes and positions as operations: DeqDet.Model.Boxes.
module internal BoxGraph =

    /// Width and height [..., 2] of a position.
    let size (position: Value) (graph: Graph) =
        let z = Op.narrow -1 2L 1L position graph
        let r = Op.narrow -1 3L 1L position graph
        let ratio = Op.concat -1 [ Op.times -0.5 r graph; Op.times 0.5 r graph ] graph
        Op.multiply (Op.exp2 z graph) (Op.exp2 ratio graph) graph

    let private around (centre: Value) (extent: Value) (graph: Graph) =
        let half = Op.times 0.5 extent graph
        Op.concat -1 [ Op.subtract centre half graph; Op.add centre half graph ] graph

    /// Position [..., 4] -> box [..., 4].
    let decode (position: Value) (graph: Graph) =
        around (Op.narrow -1 0L 2L position graph) (size position graph) graph

    /// (cx, cy, w, h) [..., 4] -> box [..., 4].
    let corners (cxcywh: Value) (graph: Graph) =
        around (Op.narrow -1 0L 2L cxcywh graph) (Op.narrow -1 2L 2L cxcywh graph) graph

    let private ofLogarithms (centre: Value) (sizes: Value) (graph: Graph) =
        let logW, logH = Op.narrow -1 0L 1L sizes graph, Op.narrow -1 1L 1L sizes graph
        let z = Op.times 0.5 (Op.add logW logH graph) graph
        Op.concat -1 [ centre; z; Op.subtract logH logW graph ] graph

    /// Box [..., 4] -> position [..., 4].
    let encode (box: Value) (graph: Graph) =
        let low, high = Op.narrow -1 0L 2L box graph, Op.narrow -1 2L 2L box graph
        let size = Op.plus 1e-7 (Op.absolute (Op.subtract high low graph) graph) graph
        ofLogarithms (Op.times 0.5 (Op.add low high graph) graph) (Op.log2 size graph) graph

    /// (cx, cy, w, h) [..., 4] -> position [..., 4].
    let ofSize (cxcywh: Value) (graph: Graph) =
        ofLogarithms (Op.narrow -1 0L 2L cxcywh graph) (Op.log2 (Op.narrow -1 2L 2L cxcywh graph) graph) graph

    /// Position moved by a head's output [..., 4].
    let move (position: Value) (delta: Value) (graph: Graph) =
        let scale = Op.exp2 (Op.narrow -1 2L 1L position graph) graph
        let step = Op.multiply (Op.narrow -1 0L 2L delta graph) scale graph
        let centre = Op.add (Op.narrow -1 0L 2L position graph) step graph

        let shape =
            Op.add (Op.narrow -1 2L 2L position graph) (Op.narrow -1 2L 2L delta graph) graph

        Op.concat -1 [ centre; shape ] graph

    /// Width times height of [..., 2], [...].
    let private area (extent: Value) (graph: Graph) =
        Op.multiply (Op.select -1 0L extent graph) (Op.select -1 1L extent graph) graph

    /// Of boxes [B, A, 4] and [B, Q, 4] the intersections over the first boxes' own areas, [B, A, Q].
    let iof (rows: Value) (all: Value) (graph: Graph) =
        let rows, all = Op.unsqueeze 2 rows graph, Op.unsqueeze 1 all graph
        let low, high = Op.narrow -1 0L 2L, Op.narrow -1 2L 2L
        let from = Op.maximum (low rows graph) (low all graph) graph
        let until = Op.minimum (high rows graph) (high all graph) graph
        let common = area (Op.atLeast 0.0 (Op.subtract until from graph) graph) graph
        let own = area (Op.subtract (high rows graph) (low rows graph) graph) graph
        Op.divide common (Op.atLeast 1e-6 own graph) graph
