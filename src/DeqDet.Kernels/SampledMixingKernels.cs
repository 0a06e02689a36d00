using TorchSharp;
using static TorchSharp.torch;

namespace DeqDet.Kernels;

/// <summary>Sampling and mixing with gradients, for training.</summary>
public static class SampledMixingKernels
{
    /// <summary>
    /// Levels [B, C, H, W] (channels last) with their strides in px, points [B, Q, G * P, 3] and contents [B, Q, C] -> what the mixed samples add to the contents,
    /// [B, Q, C], and the samples without gradient, [B, Q, G, P, C / G]. Gradients of points and contents go on through the graph; those of the
    /// layers' weights and of the levels are added to their `grad`, which levels must have already. For one backward pass. In bfloat16 are the inputs,
    /// weights and results of both layers.
    /// Null where no gradients are recorded or asked to be computed so, those of the levels alone are wanted, or the kernels cannot do it.
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
            || computation.Precision == Precision.Fp16
            || !is_grad_enabled()
            || !SamplingKernels.CanSample(computation, levels, strides, groups, points)
            || !Fits(levels[0], groups, points, content, layers)
            || !levels.All(SamplingKernels.TakesGradient)
            || !AotiTorch.IsPlainFloat(content)
            || !IsInGraph(levels, points, content, layers)
            || !Weights(layers).All(weight => AotiTorch.IsPlainFloat(weight) && weight.is_leaf)
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

    /// <summary>Whether points, contents and layers are made for each other: kernels take their sizes from some of them, and read all.</summary>
    private static bool Fits(Tensor level, int groups, Tensor points, Tensor content, MixingLayers layers)
    {
        if (
            points.dim() != 4
            || points.size(0) != level.size(0)
            || content.dim() != 3
            || content.size(0) != points.size(0)
            || content.size(1) != points.size(1)
            || layers.GeneratorWeight.dim() != 2
            || layers.ProjectionWeight.dim() != 2
        )
        {
            return false;
        }
        var (perGroup, width) = (points.size(2) / groups, level.size(1) / groups);
        var generated = layers.GeneratorWeight.size(0);
        var ofPoints = generated / groups - width * width;
        return perGroup > 0
            && generated % groups == 0
            && ofPoints >= 0
            && ofPoints % perGroup == 0
            && content.size(2) == layers.GeneratorWeight.size(1)
            && layers.ProjectionWeight.size(1) == groups * width * (ofPoints / perGroup);
    }

    /// <summary>
    /// Whether a backward pass comes by at the node: the graph knows of points, contents and weights alone, so that with all of these frozen it would
    /// never reach the levels.
    /// </summary>
    private static bool IsInGraph(IReadOnlyList<Tensor> levels, Tensor points, Tensor content, MixingLayers layers) =>
        points.requires_grad
        || content.requires_grad
        || Weights(layers).Any(weight => weight.requires_grad)
        || !levels.Any(level => level.requires_grad);

    private static Tensor[] Weights(MixingLayers layers) =>
        [layers.GeneratorWeight, layers.GeneratorBias, layers.ProjectionWeight, layers.ProjectionBias];
}
