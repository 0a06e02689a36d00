using TorchSharp;
using static TorchSharp.torch;

namespace DeqDet.Kernels;

/// <summary>
/// What one linear layer keeps to be computed fast: its weights in the order in which a kernel reads them, made when they are first used without
/// gradients, and made again when they have changed. (Whether they were used before must not matter: a resumed training would round otherwise.)
/// </summary>
/// <param name="computation">How it is computed.</param>
public sealed unsafe class PackedLinear(Computation computation) : IDisposable
{
    private readonly Lock gate = new();
    private readonly ReducedWeights reduced = new();
    private PackedWeights? packed;

    /// <summary>How it is computed.</summary>
    public Computation Computation { get; } = computation;

    /// <summary>
    /// x W^T + b without gradients, [..., in] -> [..., out]; null where no kernel can do it or one would not pay, so that libtorch has to. Several
    /// threads may ask at the same time, also with other weights than each other's.
    /// </summary>
    public Tensor? TryApply(Tensor x, Tensor weight, Tensor bias)
    {
        if (!Computation.IsFast || Recorded(x, weight, bias) || !Fits(x, weight, bias))
        {
            return null;
        }
        var (outputs, inputs) = ((int)weight.size(0), (int)weight.size(1));
        // the last panel may hold a few columns only; a whole layer of them is none to be computed in panels
        if (2 * outputs < MatrixKernels.PanelWidth(Computation.Instructions) || Take(weight) is not { } weights)
        {
            return null;
        }

        return Product(x, weights, bias, outputs, inputs);
    }

    /// <summary>
    /// x W^T + b in bfloat16: x [..., in] in float32 or bfloat16 -> bfloat16 [..., out]. Null where the computation is not of this precision, gradients are
    /// recorded, or libtorch has not what it takes.
    /// </summary>
    public Tensor? TryApplyReduced(Tensor x, Tensor weight, Tensor bias)
    {
        if (
            Computation.Precision != Precision.Bf16
            || !Computation.IsFast
            || !ReducedWeights.IsAvailable
            || Recorded(x, weight, bias)
            || x.device_type != DeviceType.CPU
            || x.dtype is not (ScalarType.Float32 or ScalarType.BFloat16)
            || !HasShapes(x, weight, bias)
            || !AotiTorch.IsPlainFloat(weight)
            || !AotiTorch.IsPlainFloat(bias)
            || x.numel() == 0
        )
        {
            return null;
        }
        using var rows = x.to(ScalarType.BFloat16);
        using var contiguous = rows.contiguous();
        return reduced.Apply(contiguous, weight, bias);
    }

    /// <summary>The same where gradients are recorded, without them, for whoever makes them himself.</summary>
    internal Tensor Multiply(Tensor x, Tensor weight, Tensor bias) =>
        Fits(x, weight, bias) && Take(weight) is { } weights
            ? Product(x, weights, bias, (int)weight.size(0), (int)weight.size(1))
            : nn.functional.linear(x, weight.detach(), bias.detach());

    /// <summary>Frees what is kept; it is made again where it is needed.</summary>
    public void Dispose()
    {
        reduced.Dispose();
        lock (gate)
        {
            Drop();
        }
    }

    /// <summary>The product with weights that were taken, which it gives back.</summary>
    private Tensor Product(Tensor x, PackedWeights weights, Tensor bias, int outputs, int inputs)
    {
        try
        {
            using var rows = x.contiguous();
            using var shift = bias.contiguous();
            var shape = x.shape;
            shape[^1] = outputs;
            var result = empty(shape, dtype: ScalarType.Float32);
            MatrixKernels.Run(
                Computation.Instructions,
                (float*)AotiTorch.Data(rows),
                checked((int)(result.numel() / outputs)),
                weights.Start,
                inputs,
                outputs,
                (float*)AotiTorch.Data(shift),
                (float*)AotiTorch.Data(result)
            );
            return result;
        }
        finally
        {
            Return(weights);
        }
    }

    private static bool Recorded(Tensor x, Tensor weight, Tensor bias) =>
        is_grad_enabled() && (x.requires_grad || weight.requires_grad || bias.requires_grad);

    private static bool Fits(Tensor x, Tensor weight, Tensor bias) =>
        AotiTorch.IsPlainFloat(x)
        && AotiTorch.IsPlainFloat(weight)
        && AotiTorch.IsPlainFloat(bias)
        && HasShapes(x, weight, bias);

    private static bool HasShapes(Tensor x, Tensor weight, Tensor bias) =>
        weight.dim() == 2
        && x.dim() > 0
        && x.size(-1) == weight.size(1)
        && bias.dim() == 1
        && bias.size(0) == weight.size(0);

    /// <summary>The packed weights of the tensor as it is now, to be given back; null where it cannot be told whether they stay up to date.</summary>
    private PackedWeights? Take(Tensor weight)
    {
        lock (gate)
        {
            if (packed is null || !packed.AreOf(weight))
            {
                if (Source.Of(weight) is not { } now)
                {
                    return null;
                }
                if (packed is { Readers: > 0 })
                {
                    Drop();
                }
                packed ??= new(Computation.Instructions);
                packed.Pack(weight, now);
            }
            packed.Readers++;
            return packed;
        }
    }

    private void Return(PackedWeights weights)
    {
        lock (gate)
        {
            weights.Readers--;
            if (weights.Readers == 0 && weights != packed)
            {
                weights.Dispose();
            }
        }
    }

    /// <summary>Keeps the weights no longer. While products read them they stay: the last one frees them.</summary>
    private void Drop()
    {
        if (packed is { Readers: 0 })
        {
            packed.Dispose();
        }
        packed = null;
    }
}
