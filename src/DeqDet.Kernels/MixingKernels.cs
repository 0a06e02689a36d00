using System.Runtime.Intrinsics;
using TorchSharp;
using static TorchSharp.torch;

namespace DeqDet.Kernels;

/// <summary>Adaptive mixing without gradients.</summary>
public static unsafe class MixingKernels
{
    /// <summary>
    /// Sampled features [..., points, width] (contiguous; N pairs of query and group) mixed by what their contents generated, [N, width * width + outputs * points]:
    /// -> [N, outputs, width]. Null where the kernel cannot do it.
    /// </summary>
    public static Tensor? TryMix(Computation computation, Tensor sampled, Tensor generated)
    {
        var shape = sampled.shape;
        var (points, width) = ((int)shape[^2], (int)shape[^1]);
        if (
            !computation.IsFast
            || is_grad_enabled() && (sampled.requires_grad || generated.requires_grad)
            || sampled.dtype != ScalarType.Float32
            || generated.dtype != ScalarType.Float32
            || sampled.device_type != DeviceType.CPU
            || MatrixKernels.Fitting(computation.Instructions, width) is not { } instructions
            || points == 0
        )
        {
            return null;
        }
        using var x = sampled.contiguous();
        using var parameters = generated.contiguous();
        var pairs = sampled.numel() / (points * width);
        var outputs = (int)((parameters.numel() / Math.Max(pairs, 1) - width * width) / points);
        var mixed = empty([pairs, outputs, width], dtype: ScalarType.Float32);
        var job = new MixingJob
        {
            Sampled = (float*)AotiTorch.Data(x),
            Generated = (float*)AotiTorch.Data(parameters),
            Mixed = (float*)AotiTorch.Data(mixed),
            Pairs = (int)pairs,
            Points = points,
            Width = width,
            Outputs = outputs,
        };
        Run(instructions, &job);
        return mixed;
    }

    /// <inheritdoc cref="MixingKernel{TLanes, TVector}.Run"/>
    internal static void Run(Instructions instructions, MixingJob* job)
    {
        switch (instructions)
        {
            case Instructions.Avx512:
                MixingKernel<Lanes512, Vector512<float>>.Run(job);
                break;
            case Instructions.Avx2:
                MixingKernel<Lanes256, Vector256<float>>.Run(job);
                break;
            default:
                MixingKernel<Lanes128, Vector128<float>>.Run(job);
                break;
        }
    }

    /// <inheritdoc cref="MixingGradientKernel{TLanes, TVector}.Run"/>
    internal static void Run(Instructions instructions, MixingGradientJob* job)
    {
        switch (instructions)
        {
            case Instructions.Avx512:
                MixingGradientKernel<Lanes512, Vector512<float>>.Run(job);
                break;
            case Instructions.Avx2:
                MixingGradientKernel<Lanes256, Vector256<float>>.Run(job);
                break;
            default:
                MixingGradientKernel<Lanes128, Vector128<float>>.Run(job);
                break;
        }
    }
}
