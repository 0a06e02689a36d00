using System.Runtime.Intrinsics;
using TorchSharp;
using static TorchSharp.torch;

namespace DeqDet.Kernels;

/// <summary>Adaptive 3D sampling in one pass.</summary>
public static class SamplingKernels
{
    /// <summary>
    /// Reads levels [B, C, H, W] with their strides in px at points [B, Q, G * P, 3] (x, y in px, depth in log2 px) without gradients
    /// -> [B, Q, G, P, C / G]. With `images` (int64 [R]) the points are [R, G * P, 3], a row for each query, which reads the image of that number
    /// -> [R, G, P, C / G]. It is fastest where a level's channels lie beside each other (channels last).
    /// Null where the kernel cannot do it.
    /// </summary>
    /// <exception cref="ArgumentException">Points of another number of images than the levels have, or numbers of images that do not fit.</exception>
    public static Tensor? TrySample(
        Computation computation,
        IReadOnlyList<Tensor> levels,
        IReadOnlyList<int> strides,
        int groups,
        Tensor points,
        Tensor? images = null
    )
    {
        if (
            !CanSample(computation, levels, strides, groups, points)
            || points.dim() != (images is null ? 4 : 3)
            || is_grad_enabled() && (points.requires_grad || levels.Any(level => level.requires_grad))
        )
        {
            return null;
        }
        using var scope = NewDisposeScope();
        var read = levels.Select(ChannelsLast).ToArray();
        return new SamplingInputs(computation, read, strides, groups).Sample(points, images).MoveToOuterDisposeScope();
    }

    /// <summary>Whether the kernel can read such levels at such points.</summary>
    internal static bool CanSample(
        Computation computation,
        IReadOnlyList<Tensor> levels,
        IReadOnlyList<int> strides,
        int groups,
        Tensor points
    ) =>
        computation.IsFast
        && groups > 0
        && levels.Count is > 0 and <= SamplingJob.MostLevels
        && strides.Count == levels.Count
        && AotiTorch.IsPlainFloat(points)
        && levels.All(level => AotiTorch.IsPlainFloat(level) && Fits(level, levels[0], groups))
        && points.dim() is 3 or 4
        && points.size(-2) % groups == 0
        && points.size(-1) == 3;

    /// <inheritdoc cref="SamplingKernel{TLanes, TVector}.Run"/>
    internal static unsafe void Run(Instructions instructions, SamplingJob* job)
    {
        switch (instructions)
        {
            case Instructions.Avx512:
                SamplingKernel<Lanes512, Vector512<float>>.Run(job);
                break;
            case Instructions.Avx2:
                SamplingKernel<Lanes256, Vector256<float>>.Run(job);
                break;
            default:
                SamplingKernel<Lanes128, Vector128<float>>.Run(job);
                break;
        }
    }

    /// <inheritdoc cref="SamplingGradientKernel{TLanes, TVector}.Run"/>
    internal static unsafe void Run(Instructions instructions, SamplingGradientJob* job, int images)
    {
        switch (instructions)
        {
            case Instructions.Avx512:
                SamplingGradientKernel<Lanes512, Vector512<float>>.Run(job, images);
                break;
            case Instructions.Avx2:
                SamplingGradientKernel<Lanes256, Vector256<float>>.Run(job, images);
                break;
            default:
                SamplingGradientKernel<Lanes128, Vector128<float>>.Run(job, images);
                break;
        }
    }

    /// <summary>The same numbers [B, C, H, W], channels beside each other; the tensor itself where they are already.</summary>
    public static Tensor ChannelsLast(Tensor level) =>
        IsChannelsLast(level) ? level : level.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2);

    private static bool IsChannelsLast(Tensor level) => AotiTorch.Strides(level)[1] == 1 || level.size(1) == 1;

    /// <summary>Whether a level needs no gradient, or has one already that can be added to.</summary>
    internal static bool TakesGradient(Tensor level)
    {
        if (!IsChannelsLast(level))
        {
            return false;
        }
        if (!level.requires_grad)
        {
            return true;
        }
        using var gradient = level.is_leaf ? level.grad : null;
        return gradient is not null && AotiTorch.Strides(gradient).SequenceEqual(AotiTorch.Strides(level));
    }

    private static bool Fits(Tensor level, Tensor first, int groups) =>
        level.dim() == 4
        && level.size(0) == first.size(0)
        && level.size(1) == first.size(1)
        && level.size(1) % groups == 0
        && level.size(2) > 0
        && level.size(3) > 0;
}
