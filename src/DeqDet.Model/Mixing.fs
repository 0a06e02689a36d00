namespace DeqDet.Model

open TorchSharp
open DeqDet.Kernels

/// Weights of the adaptive mixing: the layer that makes the mixing matrices, and the layer back to the content.
type MixingWeights =
    {
        Generator: Linear
        Projection: Linear
    }

/// Adaptive mixing of sampled features, first over channels, then over points (AdaMixer, section 3.3).
module Mixing =

    let create (head: HeadSettings) (source: WeightSource) : MixingWeights =
        let width = head.Channels / head.Groups
        let perGroup = width * width + head.PointsIn * head.PointsOut
        let bound = 1.0 / sqrt (float head.Channels)

        {
            Generator =
                source
                |> WeightSource.at "parameter_generator.0"
                |> Linear.createWith head.Channels (head.Groups * perGroup) (Constant 0.0) (Uniform(-bound, bound))
            Projection =
                source
                |> WeightSource.at "out_proj"
                |> Linear.create (width * head.PointsOut * head.Groups) head.Channels
        }

    /// The mixing itself, operation by operation: sampled features [B, Q, G, P, C/G], generated matrices [B, Q, .] -> [B*Q*G, P', C/G].
    let mixPlain (sampled: Tensor) (generated: Tensor) =
        let b, q, g, points, width =
            sampled.size 0, sampled.size 1, sampled.size 2, sampled.size 3, sampled.size 4

        // no size is left to libtorch: without queries it could be any
        let generated = generated.view (b * q * g, generated.size -1 / g)
        let channelPart = width * width
        let pointPart = generated.size 1 - channelPart

        let m = generated.narrow(1, 0L, channelPart).reshape(b * q * g, width, width)

        let s =
            generated.narrow(1, channelPart, pointPart).reshape(b * q * g, pointPart / points, points)

        let normalised (x: Tensor) = (Norm.plain 2 x).relu()
        let x = sampled.reshape (b * q * g, points, width)
        let x = normalised (x.bmm m)
        normalised (s.bmm x)

    /// Sampled features [B, Q, G, P, C/G] and contents [B, Q, C] -> contents [B, Q, C].
    let apply (weights: MixingWeights) (sampled: Tensor) (content: Tensor) =
        let generated = Linear.applyReduced weights.Generator content

        let mixed =
            match MixingKernels.TryMix(weights.Generator.Packing.Computation, sampled, generated) with
            | null -> mixPlain sampled (generated.``to`` sampled.dtype)
            | mixed -> mixed

        let projected =
            Linear.applyReduced weights.Projection (mixed.view (content.size 0, content.size 1, -1L))

        content .+ projected

    /// Samples the pyramid at points [B, Q, G*P, 3] and mixes what was read into contents [B, Q, C], where gradients are recorded and to be
    /// computed by kernels: the contents, and the samples [B, Q, G, P, C/G] without gradient. None where that cannot be.
    let trySampled
        (weights: MixingWeights)
        (groups: int)
        (pyramid: Pyramid)
        (points: Tensor)
        (content: Tensor)
        : struct (Tensor * Tensor) option =
        let layers =
            MixingLayers(
                weights.Generator.Packing,
                weights.Generator.Weight,
                weights.Generator.Bias,
                weights.Projection.Packing,
                weights.Projection.Weight,
                weights.Projection.Bias
            )

        let applied =
            SampledMixingKernels.TryApply(
                weights.Generator.Packing.Computation,
                pyramid.Levels,
                pyramid.Strides,
                groups,
                points,
                content,
                layers
            )

        if applied.HasValue then
            let struct (mixed, sampled) = applied.Value
            Some(struct (content .+ mixed, sampled))
        else
            None
