using static TorchSharp.torch;

namespace DeqDet.Kernels;

/// <summary>Where a tensor's numbers lie and how often they have been written to: as long as both stay, what was made from them is up to date.</summary>
internal readonly record struct Source(nint Data, long Version)
{
    /// <summary>The tensor's; null where this libtorch does not count.</summary>
    public static unsafe Source? Of(Tensor tensor) =>
        AotiTorch.Version(tensor) is { } version ? new((nint)AotiTorch.Data(tensor), version) : null;
}
