using static TorchSharp.torch;

namespace DeqDet.Kernels;

/// <summary>A tensor as it was when something was made from it: where its numbers lay, and how often they had been written to.</summary>
internal readonly record struct Origin(nint Data, long Version)
{
    /// <summary>Of tensors as they are now; null where it cannot be told whether they change.</summary>
    public static unsafe Origin[]? Of(params ReadOnlySpan<Tensor?> tensors)
    {
        var origins = new Origin[tensors.Length];
        for (var i = 0; i < tensors.Length; i++)
        {
            if (tensors[i] is { } tensor)
            {
                if (AotiTorch.Version(tensor) is not { } version)
                {
                    return null;
                }
                origins[i] = new((nint)AotiTorch.Data(tensor), version);
            }
        }
        return origins;
    }
}
