using System.Runtime.Intrinsics;
using TorchSharp;
using static TorchSharp.torch;

namespace DeqDet.Kernels;

/// <summary>
/// A linear layer y = x W^T + b in bfloat16 and its gradients from that of y, [rows, out], where the weights are float32. Its products are libtorch's, which have the
/// processor's instructions for bfloat16; their sums are float32, rounded once.
/// </summary>
internal static unsafe class ReducedGradient
{
    // Numbers that a thread adds at a time.
    private const int Chunk = 1 << 16;

    /// <summary>The layer itself, without gradients: bfloat16 [..., in] -> bfloat16 [..., out].</summary>
    public static Tensor Apply(Tensor x, Tensor weight, Tensor bias)
    {
        using var scope = NewDisposeScope();
        return nn.functional.linear(x, Reduce(weight), Reduce(bias)).MoveToOuterDisposeScope();
    }

    /// <summary>Of the input: gradient times W, bfloat16 [rows, in].</summary>
    public static Tensor OfInput(Tensor gradient, Tensor weight)
    {
        using var reduced = Reduce(weight);
        return gradient.mm(reduced);
    }

    /// <summary>Of the weights and bias, where they require it: added to their `grad`, which is made of zeros where there is none.</summary>
    public static void AddOfWeights(
        Instructions instructions,
        Tensor gradient,
        Tensor input,
        Tensor weight,
        Tensor bias
    )
    {
        using var scope = NewDisposeScope();
        if (weight.requires_grad)
        {
            Add(instructions, gradient.t().mm(input), LinearGradient.Accumulator(weight));
        }
        if (bias.requires_grad)
        {
            LinearGradient.Add(bias, gradient.sum([0L]));
        }
    }

    /// <summary>Adds bfloat16 to float32 in place; both contiguous.</summary>
    internal static void Add(Instructions instructions, Tensor reduced, Tensor sum)
    {
        using var contiguous = reduced.contiguous();
        var job = new Sum
        {
            Source = (ushort*)AotiTorch.Data(contiguous),
            Target = (float*)AotiTorch.Data(sum),
            Count = sum.numel(),
        };
        delegate* <void*, int, void> add = instructions switch
        {
            Instructions.Avx512 => &AddChunk<Lanes512, Vector512<float>>,
            Instructions.Avx2 => &AddChunk<Lanes256, Vector256<float>>,
            _ => &AddChunk<Lanes128, Vector128<float>>,
        };
        Team.Run((int)((job.Count + Chunk - 1) / Chunk), add, &job);
    }

    private static Tensor Reduce(Tensor weight)
    {
        using var detached = weight.detach();
        return detached.to(ScalarType.BFloat16);
    }

    private struct Sum
    {
        public ushort* Source;
        public float* Target;
        public long Count;
    }

    private static void AddChunk<TLanes, TVector>(void* arguments, int chunk)
        where TLanes : ILanes<TVector>
        where TVector : unmanaged
    {
        var job = (Sum*)arguments;
        var first = (long)chunk * Chunk;
        var count = (int)Math.Min(Chunk, job->Count - first);
        Reduction<TLanes, TVector>.Add(job->Source + first, job->Target + first, count);
    }
}
