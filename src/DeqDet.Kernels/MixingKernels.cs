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
            || !Fits(computation.Instructions, width)
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
        switch (computation.Instructions)
        {
            case Instructions.Avx512:
                MixingKernel<Lanes512, Vector512<float>>.Run(&job);
                break;
            case Instructions.Avx2:
                MixingKernel<Lanes256, Vector256<float>>.Run(&job);
                break;
            default:
                MixingKernel<Lanes128, Vector128<float>>.Run(&job);
                break;
        }
        return mixed;
    }

    private static bool Fits(Instructions instructions, int width) =>
        instructions switch
        {
            Instructions.Avx512 => MixingKernel<Lanes512, Vector512<float>>.Fits(width),
            Instructions.Avx2 => MixingKernel<Lanes256, Vector256<float>>.Fits(width),
            _ => MixingKernel<Lanes128, Vector128<float>>.Fits(width),
        };
}
