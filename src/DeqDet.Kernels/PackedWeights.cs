using static TorchSharp.torch;

namespace DeqDet.Kernels;

/// <summary>Weights of one linear layer in the order in which a kernel reads them.</summary>
/// <param name="instructions">The kernel's.</param>
internal sealed unsafe class PackedWeights(Instructions instructions) : IDisposable
{
    private readonly AlignedBuffer numbers = new();
    private Source? source;

    /// <summary>The first number.</summary>
    public float* Start => numbers.Start;

    /// <summary>Products that read them at the moment.</summary>
    public int Readers { get; set; }

    /// <summary>Whether they are those of the tensor as it is now.</summary>
    public bool AreOf(Tensor weight) => source is not null && source.IsStill(weight);

    /// <summary>Takes the numbers of a tensor [outputs, inputs], whose source this is.</summary>
    public void Pack(Tensor weight, Source now)
    {
        source?.Dispose();
        source = null;
        var (outputs, inputs) = ((int)weight.size(0), (int)weight.size(1));
        using var detached = weight.detach();
        using var rows = detached.contiguous();
        numbers.Reserve(MatrixKernels.PackedSize(instructions, outputs, inputs));
        MatrixKernels.Pack(instructions, (float*)AotiTorch.Data(rows), outputs, inputs, numbers.Start);
        source = now;
    }

    /// <summary>Frees the memory.</summary>
    public void Dispose()
    {
        numbers.Dispose();
        source?.Dispose();
        source = null;
    }
}
