using TorchSharp;
using static TorchSharp.torch;

namespace DeqDet.Kernels;

/// <summary>Sampling and mixing with gradients, for training.</summary>
public static class SampledMixingKernels
{
    /// <summary>
    /// Levels [B, C, H, W] (channels last) with their strides in px, points [B, Q, G * P, 3] and contents [B, Q, C] -> what the mixed samples add to the contents,
    /// [B, Q, C], and the samples without gradient, [B, Q, G, P, C / G]. Gradients of points and contents go on through the graph; those of the
    /// layers' weights and of the levels are added to their `grad`, which levels must have already. For one backward pass.
    /// Null where no gradients are recorded or asked to be computed so, or the kernels cannot do it.
    /// </summary>
    public static (Tensor Mixed, Tensor Sampled)? TryApply(
        Computation computation,
        IReadOnlyList<Tensor> levels,
        IReadOnlyList<int> strides,
        int groups,
        Tensor points,
        Tensor content,
        MixingLayers layers
    )
    {
        if (
            !computation.Gradients
            || !is_grad_enabled()
            || !SamplingKernels.CanSample(computation, levels, groups, points)
            || !levels.All(SamplingKernels.TakesGradient)
            || !IsPlainFloat(content)
            || !Weights(layers).All(weight => IsPlainFloat(weight) && weight.is_leaf)
            || SampledMixing.TryCreate(
                computation,
                new SamplingInputs(computation, levels, strides, groups),
                layers,
                groups,
                levels[0].size(1)
            )
                is not { } node
        )
        {
            return null;
        }
        try
        {
            var mixed = SampledMixingFunction.apply([points, content, .. Weights(layers), node]);
            return (mixed, node.Sampled);
        }
        catch
        {
            node.Dispose();
            throw;
        }
    }

    private static Tensor[] Weights(MixingLayers layers) =>
        [layers.GeneratorWeight, layers.GeneratorBias, layers.ProjectionWeight, layers.ProjectionBias];

    private static bool IsPlainFloat(Tensor tensor) =>
        tensor.dtype == ScalarType.Float32 && tensor.device_type == DeviceType.CPU;
}
