namespace DeqDet.Export

open DeqDet.Model

/// Adaptive mixing as operations: DeqDet.Model.Mixing.
module internal MixingGraph =

    /// Sampled features [B, Q, G, P, C/G] and contents [B, Q, C] -> contents [B, Q, C].
    let apply (weights: MixingWeights) (sampled: Value) (content: Value) (graph: Graph) =
        let groups, points, width = Op.size 2 sampled, Op.size 3 sampled, Op.size 4 sampled
        let generated = Layers.large weights.Generator content graph
        let perGroup = Op.size -1 generated / groups
        let channelPart = width * width
        let pointPart = perGroup - channelPart
        let byGroup = Op.reshape [ 0L; 0L; groups; perGroup ] generated graph

        match Op.split -1 [ channelPart; pointPart ] byGroup graph with
        | [ channels; spatial ] ->
            let m = Op.reshape [ 0L; 0L; 0L; width; width ] channels graph
            let s = Op.reshape [ 0L; 0L; 0L; pointPart / points; points ] spatial graph

            let normalised x =
                Op.relu (Layers.plainNorm x graph) graph

            let overChannels = normalised (Op.matmul sampled m graph)
            let overPoints = normalised (Op.matmul s overChannels graph)
            let flat = groups * (pointPart / points) * width
            let mixed = Op.reshape [ 0L; 0L; flat ] overPoints graph
            Op.add content (Layers.large weights.Projection mixed graph) graph
        | _ -> invalidOp "a split into two has two parts"
