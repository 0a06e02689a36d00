using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using static TorchSharp.torch;

namespace DeqDet.Kernels;

/// <summary>Which instructions the kernels use.</summary>
public enum Instructions
{
    /// <summary>None: every function is computed by libtorch, operation by operation.</summary>
    Plain,

    /// <summary>128 bits: Arm's NEON, x86's SSE with FMA.</summary>
    Vector128,

    /// <summary>256 bits: x86's AVX2 with FMA.</summary>
    Avx2,

    /// <summary>512 bits: x86's AVX-512 (F, BW, DQ, VL).</summary>
    Avx512,
}

/// <summary>Numbers in which linear layers and convolutions are computed.</summary>
public enum Precision
{
    /// <summary>float32 throughout.</summary>
    Fp32,

    /// <summary>bfloat16 for inputs and weights of linear layers and convolutions, float32 sums; norms, boxes and sampling positions stay float32.</summary>
    Bf16,

    /// <summary>float16 in the place of bfloat16, for training on GPUs: more digits, but gradients leave its range unless the loss is scaled.</summary>
    Fp16,
}

/// <summary>How a detector computes: with which kernels, in which precision. A value; it decides nothing about results beyond rounding.</summary>
/// <param name="Instructions">The kernels' instructions.</param>
/// <param name="Precision">
/// The precision of linear layers and convolutions. Where gradients are recorded it counts only with <paramref name="Gradients"/>: elsewhere exact ones are wanted.
/// </param>
/// <param name="Gradients">
/// Whether kernels compute backward passes, too. They add to the `grad` of weights and maps, as a training wants it, whichever gradients are asked for: not
/// for torch.autograd.grad, and one backward pass a graph.
/// </param>
public sealed record Computation(Instructions Instructions, Precision Precision, bool Gradients = false)
{
    /// <summary>Operation by operation in libtorch, float32: the reference of all tests.</summary>
    public static Computation Plain { get; } = new(Instructions.Plain, Precision.Fp32);

    /// <summary>The widest instructions of this processor, float32.</summary>
    public static Computation Best { get; } = new(Widest(), Precision.Fp32);

    /// <summary>The same for training: backward passes by kernels, too.</summary>
    public static Computation Training { get; } = Best with { Gradients = true };

    /// <summary>Training in a precision.</summary>
    public static Computation ForTraining(Precision precision) => Training with { Precision = precision };

    /// <summary>Whether the kernels are used at all.</summary>
    public bool IsFast => Instructions != Instructions.Plain;

    /// <summary>The type of a precision's numbers.</summary>
    public static ScalarType TypeOf(Precision precision) =>
        precision switch
        {
            Precision.Bf16 => ScalarType.BFloat16,
            Precision.Fp16 => ScalarType.Float16,
            _ => ScalarType.Float32,
        };

    /// <summary>Whether this processor has what a precision pays with.</summary>
    public static bool Supports(Precision precision) => Lacking(precision) is null;

    /// <summary>
    /// What this processor lacks for a precision, to follow "lacks"; null where it has everything. Libtorch could compute bfloat16 all the
    /// same, many times slower than float32.
    /// </summary>
    public static string? Lacking(Precision precision) =>
        precision == Precision.Fp32 ? null
        : precision == Precision.Fp16 ? "fast instructions for float16"
        : HasBf16 ? null
        : X86Base.IsSupported ? "the instructions AVX512-BF16 and AMX-BF16"
        : "instructions for bfloat16 that DeqDet knows (x86's AVX512-BF16 or AMX-BF16)";

    private static bool HasBf16
    {
        get
        {
            // leaf 7 lists extensions: of its first page bit 22 in EDX is AMX-BF16, of its second bit 5 in EAX is AVX512-BF16
            if (!X86Base.IsSupported || X86Base.CpuId(0, 0).Eax < 7 || !Avx512F.IsSupported)
            {
                return false;
            }
            var first = X86Base.CpuId(7, 0);
            return ((first.Edx >> 22) & 1) == 1 || (first.Eax >= 1 && ((X86Base.CpuId(7, 1).Eax >> 5) & 1) == 1);
        }
    }

    private static Instructions Widest() =>
        Vector512.IsHardwareAccelerated && Avx512DQ.IsSupported && Avx512BW.IsSupported ? Instructions.Avx512
        : Vector256.IsHardwareAccelerated && Avx2.IsSupported && Fma.IsSupported ? Instructions.Avx2
        : Vector128.IsHardwareAccelerated ? Instructions.Vector128
        : Instructions.Plain;
}
