namespace DeqDet.Export

open DeqDet.Model

/// The attention between queries as operations: DeqDet.Model.Attention.
module internal AttentionGraph =

    let private temperature = 10000.0

    /// Sine and cosine embedding of positions [B, Q, 4] -> [B, Q, C].
    let positionEmbedding (channels: int64) (position: Value) (graph: Graph) =
        let perCoordinate = channels / 4L

        let frequency =
            [|
                for i in 0L .. perCoordinate / 2L - 1L ->
                    float32 (temperature ** (float (2L * i) / float perCoordinate))
            |]

        let unit = Graph.reals [| 1000.0f; 1000.0f; 1.0f; 1.0f |] [ 4L ] graph
        let scaled = Op.unsqueeze -1 (Op.divide position unit graph) graph

        let angle =
            Op.divide scaled (Graph.filled $"frequencies{perCoordinate}" frequency [ perCoordinate / 2L ] graph) graph

        let sine = Op.unsqueeze -1 (Op.sine angle graph) graph
        let cosine = Op.unsqueeze -1 (Op.cosine angle graph) graph
        Op.reshape [ 0L; 0L; channels ] (Op.concat -1 [ sine; cosine ] graph) graph

    let private seen (query: QueryValue) (graph: Graph) =
        let channels = Op.size -1 query.Content
        Op.add query.Content (positionEmbedding channels query.Position graph) graph

    /// Some queries, which attend to all of their images -> their contents with what they gathered, before the layer norm.
    let apply (weights: AttentionWeights) (all: QueryValue) (some: QueryValue) (graph: Graph) =
        let channels = Op.size -1 all.Content
        let heads = weights.Tau.size 0
        let width = channels / heads
        let x = seen some graph
        let others = if obj.ReferenceEquals(all, some) then x else seen all graph

        // [B, n, C] -> [B, heads, n, C / heads]
        let byHead part first (x: Value) =
            let projected =
                Layers.linearPart part (first * channels) channels weights.InProjection x graph

            Op.transpose [ 0; 2; 1; 3 ] (Op.reshape [ 0L; 0L; heads; width ] projected graph) graph

        let query = Op.times (1.0 / sqrt (float width)) (byHead "query" 0L x) graph
        let key, value = byHead "key" 1L others, byHead "value" 2L others

        let overlap =
            Op.logarithm (Op.plus 1e-7 (BoxGraph.iof some.Box all.Box graph) graph) graph

        let tau =
            Graph.weight "heads" (fun tau -> tau.view (heads, 1L, 1L)) weights.Tau graph

        let bias = Op.multiply (Op.unsqueeze 1 overlap graph) tau graph

        let scores =
            Op.add (Op.matmul query (Op.transpose [ 0; 1; 3; 2 ] key graph) graph) bias graph

        let gathered = Op.matmul (Op.softmax scores graph) value graph

        let joined =
            Op.reshape [ 0L; 0L; channels ] (Op.transpose [ 0; 2; 1; 3 ] gathered graph) graph

        Op.add x (Layers.linear weights.OutProjection joined graph) graph
