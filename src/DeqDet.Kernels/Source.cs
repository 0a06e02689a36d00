using static TorchSharp.torch;

namespace DeqDet.Kernels;

/// <summary>
/// A tensor as it was when something was made from it: as long as its numbers lie where they lay, in the same shape, and have not been written to,
/// what was made is up to date. It keeps the tensor's memory, which could else come back under the same address with other numbers in it.
/// </summary>
internal sealed unsafe class Source : IDisposable
{
    private readonly Tensor alias;
    private readonly long version;

    private Source(Tensor alias, long version) => (this.alias, this.version) = (alias, version);

    /// <summary>Of a tensor as it is now; null where it cannot be told whether it changes.</summary>
    public static Source? Of(Tensor tensor)
    {
        if (AotiTorch.Version(tensor) is not { } version)
        {
            return null;
        }
        // detached: whoever gives the tensor itself other memory leaves this one as it is
        var alias = tensor.detach();
        alias.DetachFromDisposeScope();
        return new(alias, version);
    }

    /// <summary>Whether a tensor has the numbers that this one had.</summary>
    public bool IsStill(Tensor tensor) =>
        AotiTorch.Version(tensor) == version
        && AotiTorch.Data(tensor) == AotiTorch.Data(alias)
        && tensor.dtype == alias.dtype
        && AotiTorch.Sizes(tensor).SequenceEqual(AotiTorch.Sizes(alias))
        && AotiTorch.Strides(tensor).SequenceEqual(AotiTorch.Strides(alias));

    /// <summary>Lets go of the memory.</summary>
    public void Dispose() => alias.Dispose();
}
