using System.Runtime.Intrinsics;
using TorchSharp;
using static TorchSharp.torch;

namespace DeqDet.Kernels;

/// <summary>Adaptive mixing without gradients.</summary>
public static unsafe class MixingKernels
{
    /// <summary>
    /// Sampled features [..., G, P, W] mixed by what their contents generated, [..., G * (W * W + O * P)]: -> [N, O, W] for N pairs of content and group.
    /// What was generated may be bfloat16; then the result is, too. Null where the kernel cannot do it, also where the sizes contradict each other: libtorch says how.
    /// </summary>
    public static Tensor? TryMix(Computation computation, Tensor sampled, Tensor generated)
    {
        if (
            !computation.IsFast
            || is_grad_enabled() && (sampled.requires_grad || generated.requires_grad)
            || !AotiTorch.IsPlainFloat(sampled)
            || generated.dtype is not (ScalarType.Float32 or ScalarType.BFloat16)
            || generated.device_type != DeviceType.CPU
            || Outputs(sampled, generated) is not { } outputs
            || MatrixKernels.Fitting(computation.Instructions, sampled.size(-1)) is not { } instructions
        )
        {
            return null;
        }
        using var x = sampled.contiguous();
        using var parameters = generated.contiguous();
        var (points, width) = (sampled.size(-2), sampled.size(-1));
        var pairs = sampled.numel() / (points * width);
        var mixed = empty([pairs, outputs, width], dtype: generated.dtype);
        var isReduced = generated.dtype == ScalarType.BFloat16;
        var (from, to) = ((nint)AotiTorch.Data(parameters), (nint)AotiTorch.Data(mixed));
        var job = new MixingJob
        {
            Sampled = (float*)AotiTorch.Data(x),
            Generated = isReduced ? null : (float*)from,
            GeneratedReduced = isReduced ? (ushort*)from : null,
            Mixed = isReduced ? null : (float*)to,
            MixedReduced = isReduced ? (ushort*)to : null,
            Pairs = (int)pairs,
            Points = (int)points,
            Width = (int)width,
            Outputs = (int)outputs,
        };
        Run(instructions, &job);
        return mixed;
    }

    /// <summary>Rows of the points' matrices; null where what was generated is not made for these features, or a count is too large for a kernel.</summary>
    private static long? Outputs(Tensor sampled, Tensor generated)
    {
        var (features, parameters) = (sampled.shape, generated.shape);
        if (
            features.Length != parameters.Length + 2
            || !features.AsSpan(0, parameters.Length - 1).SequenceEqual(parameters.AsSpan(0, parameters.Length - 1))
        )
        {
            return null;
        }
        var (groups, points, width) = (features[^3], features[^2], features[^1]);
        if (groups == 0 || points == 0 || width == 0 || parameters[^1] % groups != 0)
        {
            return null;
        }
        var ofPoints = parameters[^1] / groups - width * width;
        // a kernel counts what belongs to one pair in 32 bits
        return
            ofPoints < 0
            || ofPoints % points != 0
            || Math.Max(Math.Max(points, ofPoints / points) * width, parameters[^1]) > int.MaxValue
            ? null
            : ofPoints / points;
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
