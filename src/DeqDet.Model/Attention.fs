namespace DeqDet.Model

open TorchSharp
open DeqDet.Kernels

/// Weights of the self-attention among queries; tau [heads] scales the overlap bias.
type AttentionWeights =
    {
        InProjection: Linear
        /// Packings of its parts, for queries that attend to others: to the query; to key and value.
        QueryPacking: PackedLinear
        KeyValuePacking: PackedLinear
        OutProjection: Linear
        Tau: Tensor
    }

/// Self-attention of the queries, aware of where they look: positions are embedded, and the attention of a box to others grows
/// with the share of it that they cover (AdaMixer, section 3.4).
module Attention =

    let private temperature = 10000.0
    /// Coordinates are divided by this before their embedding: px by 1000, log2 px by 1.
    let private unitOf = [| 1000.0; 1000.0; 1.0; 1.0 |]

    let create (head: HeadSettings) (tau: Tensor) (source: WeightSource) : AttentionWeights =
        let c = head.Channels

        {
            InProjection =
                {
                    Weight = source |> WeightSource.parameter "in_proj_weight" [ 3 * c; c ] XavierUniform
                    Bias = source |> WeightSource.parameter "in_proj_bias" [ 3 * c ] (Constant 0.0)
                    Packing = WeightSource.packing source
                }
            QueryPacking = WeightSource.packing source
            KeyValuePacking = WeightSource.packing source
            OutProjection = source |> WeightSource.at "out_proj" |> Linear.create c c
            Tau = tau
        }

    /// Sine and cosine embedding of positions [B, Q, 4] -> [B, Q, C]: C/4 numbers per coordinate, interleaved.
    let positionEmbedding (channels: int64) (position: Tensor) =
        let perCoordinate = channels / 4L

        let like = constants position

        // position.dtype matters: float64 runs must not be limited by float32 tables
        let frequency =
            like
                [|
                    for i in 0L .. perCoordinate / 2L - 1L -> temperature ** (float (2L * i) / float perCoordinate)
                |]

        let angle = (position / like unitOf).unsqueeze -1L / frequency
        torch.stack([| angle.sin (); angle.cos () |], -1L).flatten 2L

    /// log(IoF + 1e-7) of boxes [B, A, 4] with boxes [B, Q, 4]: [B, A, Q].
    let overlapBias (rows: Tensor) (all: Tensor) =
        (Boxes.pairwise Boxes.iof rows all + scalar 1e-7).log()

    /// Content and embedded position.
    let private seen (query: Query) =
        query.Content .+ positionEmbedding (query.Content.size -1) query.Position

    /// Parts `first`, ..., `first + count - 1` of the projections to query, key and value: [B, n, C] -> each [B*heads, n, C/heads].
    let private project (weights: AttentionWeights) (first: int64) (count: int64) (x: Tensor) =
        let b, n, c = x.size 0, x.size 1, x.size 2
        let heads = weights.Tau.size 0

        let layer =
            if count = 3L then
                weights.InProjection
            else
                {
                    Weight = weights.InProjection.Weight.narrow (0, first * c, count * c)
                    Bias = weights.InProjection.Bias.narrow (0, first * c, count * c)
                    Packing =
                        (if first = 0L then
                             weights.QueryPacking
                         else
                             weights.KeyValuePacking)
                }

        (Linear.apply layer x)
            .view(b, n, count, heads, c / heads)
            .permute(2L, 0L, 3L, 1L, 4L)
            .reshape(count, b * heads, n, c / heads)
            .unbind
            0

    /// What queries [B*heads, A, C/heads] gather from keys and values [B*heads, Q, C/heads] under an overlap bias [B, A, Q]: [B, A, C].
    let private gather (weights: AttentionWeights) (bias: Tensor) (query: Tensor) (key: Tensor) (value: Tensor) =
        let b, a = bias.size 0, bias.size 1
        let heads = weights.Tau.size 0
        let width = query.size -1

        let bias =
            (bias.unsqueeze 1L * weights.Tau.view (1L, -1L, 1L, 1L)).reshape(b * heads, a, -1L)

        let scores =
            (query * scalar (1.0 / sqrt (float width))).bmm(key.transpose (1L, 2L)) .+ bias

        let mixed = (scores.softmax -1L).bmm value
        mixed.view(b, heads, a, width).permute(0L, 2L, 1L, 3L).reshape(b, a, heads * width)

    /// Queries [B, Q, .] -> contents with their residual [B, Q, C], before the layer norm.
    let apply (weights: AttentionWeights) (query: Query) : Tensor =
        let x = seen query
        let parts = project weights 0L 3L x
        let bias = overlapBias query.Box query.Box

        x
        .+ Linear.apply weights.OutProjection (gather weights bias parts[0] parts[1] parts[2])

    /// The same for some queries alone, which attend to all queries [A, Q, .] of their images: -> [1, W, C].
    let applySome (weights: AttentionWeights) (all: Query) (some: QueryRows) : Tensor =
        let layout = RowLayout.ofCounts all.Content.device some.Counts
        let x = seen some.Query
        let asked = project weights 1L 2L (seen all)
        let bias = overlapBias (RowLayout.spread layout some.Query.Box) all.Box
        let query = (project weights 0L 1L (RowLayout.spread layout x)).[0]

        let gathered =
            gather weights bias query asked[0] asked[1] |> RowLayout.collect layout

        x .+ Linear.apply weights.OutProjection gathered
