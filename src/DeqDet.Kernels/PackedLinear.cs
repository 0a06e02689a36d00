using static TorchSharp.torch;

namespace DeqDet.Kernels;

/// <summary>
/// What one linear layer keeps to be computed fast: its weights in the order in which a kernel reads them, made when they are used for the
/// second time as they are, and made again when they have changed.
/// </summary>
/// <param name="computation">How it is computed.</param>
public sealed class PackedLinear(Computation computation) : IDisposable
{
    /// <summary>How it is computed.</summary>
    public Computation Computation { get; } = computation;

    /// <summary>x W^T + b, [..., in] -> [..., out]; null where no kernel can do it or one would not pay, so that libtorch has to.</summary>
    public Tensor? TryApply(Tensor x, Tensor weight, Tensor bias) => null;

    /// <summary>Frees what is kept.</summary>
    public void Dispose() { }
}
