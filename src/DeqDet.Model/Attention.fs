namespace DeqDet.Model

open TorchSharp

/// Weights of the self-attention among queries; tau [heads] scales the overlap bias.
type AttentionWeights =
    {
        InProjection: Linear
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
                }
            OutProjection = source |> WeightSource.at "out_proj" |> Linear.create c c
            Tau = tau
        }

    /// Sine and cosine embedding of positions [B, Q, 4] -> [B, Q, C]: C/4 numbers per coordinate, interleaved.
    let positionEmbedding (channels: int64) (position: Tensor) =
        let perCoordinate = channels / 4L

        let like (values: float[]) =
            torch.tensor (values, dtype = position.dtype, device = position.device)

        // position.dtype matters: float64 runs must not be limited by float32 tables
        let frequency =
            like
                [|
                    for i in 0L .. perCoordinate / 2L - 1L -> temperature ** (float (2L * i) / float perCoordinate)
                |]

        let angle = (position / like unitOf).unsqueeze -1L / frequency
        torch.stack([| angle.sin (); angle.cos () |], -1L).flatten 2L

    /// log(IoF + 1e-7) of every box [B, Q, 4] with every other: [B, Q, Q], no gradient.
    let overlapBias (box: Tensor) =
        use _ = torch.no_grad ()
        let box = box.detach ()
        (Boxes.pairwise Boxes.iof box box + scalar 1e-7).log()

    /// Contents, positions and boxes [B, Q, .] -> contents with their residual, before the layer norm.
    let apply (weights: AttentionWeights) (content: Tensor) (position: Tensor) (box: Tensor) =
        let b, q, c = content.size 0, content.size 1, content.size 2
        let heads = weights.Tau.size 0
        let width = c / heads
        let x = content + positionEmbedding c (position.detach ())

        // [B, Q, 3C] -> three of [B*heads, Q, C/heads]
        let qkv =
            (Linear.apply weights.InProjection x)
                .view(b, q, 3L, heads, width)
                .permute(2L, 0L, 3L, 1L, 4L)
                .reshape(3L, b * heads, q, width)
                .unbind
                0

        let bias =
            ((overlapBias box).unsqueeze 1L * weights.Tau.view (1L, -1L, 1L, 1L)).reshape(b * heads, q, q)

        let scores =
            (qkv[0] * scalar (1.0 / sqrt (float width))).bmm(qkv[1].transpose(1L, 2L))
            + bias

        let mixed = (scores.softmax -1L).bmm qkv[2]

        let merged = mixed.view(b, heads, q, width).permute(0L, 2L, 1L, 3L).reshape(b, q, c)
        x + Linear.apply weights.OutProjection merged
