using System.Runtime.InteropServices;
using TorchSharp;
using static TorchSharp.torch;

namespace DeqDet.Kernels;

/// <summary>
/// Weights of one linear layer in bfloat16, in the order in which oneDNN reads them: .NET has no instructions for bfloat16 of its own. Made when they are first
/// used, and made again when the layer's have changed.
/// </summary>
internal sealed unsafe partial class ReducedWeights : IDisposable
{
    private const string Library = "torch_cpu";

    private readonly Lock gate = new();
    private Source? ofWeight;
    private Source? ofBias;
    private Tensor? weight;
    private Tensor? bias;

    /// <summary>Whether this libtorch has the operators.</summary>
    public static bool IsAvailable { get; } =
        AotiTorch.IsAvailable && AotiTorch.Exists("aoti_torch_cpu__linear_pointwise");

    /// <summary>bfloat16 [..., in] -> bfloat16 [..., out]; null where it cannot be told whether the weights stay up to date.</summary>
    public Tensor? Apply(Tensor x, Tensor layerWeight, Tensor layerBias)
    {
        lock (gate)
        {
            if (!IsUpToDate(layerWeight, layerBias) && !Make(layerWeight, layerBias))
            {
                return null;
            }
            nint result;
            var biasHandle = bias!.Handle;
            fixed (byte* none = "none\0"u8)
            {
                var code = Multiply(x.Handle, weight!.Handle, &biasHandle, none, null, 0, null, &result);
                AotiTorch.Check(code, "_linear_pointwise");
            }
            return AotiTorch.Take(result);
        }
    }

    /// <summary>Frees the memory; it is taken again where it is needed.</summary>
    public void Dispose()
    {
        lock (gate)
        {
            Drop();
        }
    }

    private bool IsUpToDate(Tensor layerWeight, Tensor layerBias) =>
        ofWeight is not null && ofBias is not null && ofWeight.IsStill(layerWeight) && ofBias.IsStill(layerBias);

    private bool Make(Tensor layerWeight, Tensor layerBias)
    {
        Drop();
        ofWeight = Source.Of(layerWeight);
        ofBias = Source.Of(layerBias);
        if (ofWeight is null || ofBias is null)
        {
            Drop();
            return false;
        }
        using var reduced = layerWeight.detach().to(ScalarType.BFloat16);
        weight = AotiTorch.Call("mkldnn::_reorder_linear_weight", AotiTorch.Copy(reduced), 0).DetachFromDisposeScope();
        bias = layerBias.detach().to(ScalarType.BFloat16).DetachFromDisposeScope();
        return true;
    }

    private void Drop()
    {
        foreach (var kept in new IDisposable?[] { ofWeight, ofBias, weight, bias })
        {
            kept?.Dispose();
        }
        (ofWeight, ofBias, weight, bias) = (null, null, null, null);
    }

    [LibraryImport(Library, EntryPoint = "aoti_torch_cpu__linear_pointwise")]
    private static partial int Multiply(
        nint x,
        nint weight,
        nint* bias,
        byte* activation,
        double** numbers,
        long numberCount,
        byte** algorithm,
        nint* result
    );
}
