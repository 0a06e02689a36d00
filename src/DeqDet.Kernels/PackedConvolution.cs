using System.Runtime.Intrinsics.X86;
using TorchSharp;
using static TorchSharp.torch;

namespace DeqDet.Kernels;

/// <summary>A batch normalisation by stored statistics, all [C].</summary>
public sealed record StoredNorm(Tensor Scale, Tensor Shift, Tensor Mean, Tensor Variance, double Epsilon);

/// <summary>
/// What one convolution keeps to be computed fast: kernel and bias with the normalisation that follows folded into them, in the order in which
/// they are read. Made when they are first used without gradients, and made again when what they are made from has changed. Kernels 3 x 3 of stride
/// 1 are Winograd's in float32; all else is oneDNN's.
/// </summary>
/// <param name="computation">How it is computed.</param>
/// <param name="stride">Of both sides.</param>
/// <param name="padding">Zeros on all four sides.</param>
/// <param name="groups">Parts of the channels that are convolved apart.</param>
public sealed class PackedConvolution(Computation computation, int stride, int padding, int groups = 1) : IDisposable
{
    private readonly ScalarType type =
        computation.Precision == Precision.Bf16 && HasBf16 ? ScalarType.BFloat16 : ScalarType.Float32;

    private readonly bool isFast = computation.IsFast && FusedConvolution.IsAvailable;
    private readonly Lock access = new();

    private Sources? sources;
    private long[] shape = [];
    private Tensor? kernel;
    private Tensor? bias;
    private bool isPacked;

    /// <summary>Whether oneDNN convolves bfloat16 on this processor; elsewhere float32 stands in for it.</summary>
    private static bool HasBf16 => Avx512BW.VL.IsSupported && Avx512DQ.VL.IsSupported;

    /// <summary>
    /// norm(conv(x)), then ReLU where asked for: [B, in, H, W] -> [B, out, H', W'], channels last, bfloat16 in that precision. Where no kernel can do
    /// it null, so that libtorch has to: while gradients are recorded, in other types, on other devices.
    /// </summary>
    /// <param name="x">The input, float32 or the precision's type.</param>
    /// <param name="weight">[out, in / groups, kh, kw].</param>
    /// <param name="offset">The bias [out].</param>
    /// <param name="norm">What follows the convolution.</param>
    /// <param name="rectify">Whether ReLU follows.</param>
    public Tensor? TryApply(Tensor x, Tensor weight, Tensor? offset, StoredNorm? norm, bool rectify)
    {
        if (!CanApply(x, weight, offset))
        {
            return null;
        }
        lock (access)
        {
            using var scope = NewDisposeScope();
            var input = ChannelsLast(x);
            var (packed, shift) = Weights(input.shape, weight, offset, norm);
            var y = IsWinograd(weight)
                ? WinogradKernels.Apply(computation.Instructions, input, packed, shift, null, rectify)
                : FusedConvolution.Apply(input, packed, shift, stride, padding, groups, rectify);
            // a map of a single channel or pixel has no order that libtorch could keep
            return y is null ? null : ChannelsLast(y).MoveToOuterDisposeScope();
        }
    }

    /// <summary>
    /// ReLU(norm(conv(x)) + sum) in the place of `sum`, a result of `TryApply` of the same precision; null where libtorch has to do it, and nothing
    /// was done.
    /// </summary>
    public Tensor? TryAdd(Tensor sum, Tensor x, Tensor weight, Tensor? offset, StoredNorm? norm)
    {
        if (!CanApply(x, weight, offset) || sum.dtype != type || !IsChannelsLast(sum))
        {
            return null;
        }
        lock (access)
        {
            using var scope = NewDisposeScope();
            var input = ChannelsLast(x);
            var (packed, shift) = Weights(input.shape, weight, offset, norm);
            var y = IsWinograd(weight)
                ? WinogradKernels.Apply(computation.Instructions, input, packed, shift, sum, true)
                : FusedConvolution.AddRectified(sum, input, packed, shift, stride, padding, groups);
            return y?.MoveToOuterDisposeScope();
        }
    }

    /// <summary>Frees what is kept.</summary>
    public void Dispose()
    {
        lock (access)
        {
            kernel?.Dispose();
            bias?.Dispose();
            sources?.Dispose();
            (kernel, bias, sources, shape, isPacked) = (null, null, null, [], false);
        }
    }

    private bool CanApply(Tensor x, Tensor weight, Tensor? offset) =>
        isFast
        && !is_grad_enabled()
        && weight.dtype == ScalarType.Float32
        && (x.dtype == ScalarType.Float32 || x.dtype == type)
        && weight.device_type == DeviceType.CPU
        && x.device_type == DeviceType.CPU
        && x.dim() == 4
        && weight.dim() == 4
        && (offset is null || (offset.dim() == 1 && offset.size(0) == weight.size(0)))
        && x.size(1) == weight.size(1) * groups
        && x.numel() > 0;

    private bool IsWinograd(Tensor weight) =>
        type == ScalarType.Float32
        && groups == 1
        && WinogradKernels.Fits(computation.Instructions, weight, stride, padding);

    /// <summary>A map in the precision's type with its channels side by side in memory.</summary>
    private Tensor ChannelsLast(Tensor x) => x.to(type).permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2);

    private static bool IsChannelsLast(Tensor x)
    {
        using var pixels = x.permute(0, 2, 3, 1);
        return pixels.is_contiguous();
    }

    /// <summary>
    /// Kernel and bias for inputs of a shape. The order that oneDNN wants depends on the shape, so the kernel is packed when a shape comes twice in
    /// a row; other shapes take the unpacked one, which oneDNN brings into order by itself, to the same result. One of the two is kept.
    /// </summary>
    private (Tensor Kernel, Tensor Bias) Weights(long[] input, Tensor weight, Tensor? offset, StoredNorm? norm)
    {
        var isSame = sources?.AreStill(weight, offset, norm?.Scale, norm?.Shift, norm?.Mean, norm?.Variance) == true;
        var isRepeated = shape.AsSpan().SequenceEqual(input);
        if (kernel is null || bias is null || !isSame || (isPacked && !isRepeated))
        {
            Dispose();
            (kernel, bias) = Fold(weight, offset, norm);
            sources = Sources.Of(weight, offset, norm?.Scale, norm?.Shift, norm?.Mean, norm?.Variance);
        }
        else if (isRepeated && !isPacked && !IsWinograd(weight))
        {
            var packed = FusedConvolution.Pack(kernel, stride, padding, groups, input);
            kernel.Dispose();
            (kernel, isPacked) = (packed.DetachFromDisposeScope(), true);
        }
        shape = input;
        return (kernel, bias);
    }

    /// <summary>
    /// norm(conv(x, w) + b) = conv(x, w f) + (b - mean) f + shift with f = scale / sqrt(variance + epsilon); f and the bias are computed in
    /// float64.
    /// </summary>
    private (Tensor Kernel, Tensor Bias) Fold(Tensor weight, Tensor? offset, StoredNorm? norm)
    {
        using var scope = NewDisposeScope();
        var added = offset?.to(ScalarType.Float64) ?? zeros(weight.size(0), dtype: ScalarType.Float64);
        var folded = weight;
        if (norm is not null)
        {
            // TorchSharp's own sums do not hold the 1 that they make
            using var epsilon = norm.Epsilon.ToScalar();
            using var one = 1.ToScalar();
            var variance = norm.Variance.to(ScalarType.Float64).add(epsilon, one);
            var factor = norm.Scale.to(ScalarType.Float64) / variance.sqrt();
            folded = weight * factor.to(ScalarType.Float32).view(-1, 1, 1, 1);
            added = ((added - norm.Mean) * factor).add(norm.Shift, one);
        }
        var made = IsWinograd(weight) ? WinogradKernels.Transform(computation.Instructions, folded) : folded.to(type);
        return (Keep(made), Keep(added.to(type)));

        // a further handle: without a norm and in float32 the kernel shares the weight's numbers
        static Tensor Keep(Tensor made) => made.detach().DetachFromDisposeScope();
    }
}
