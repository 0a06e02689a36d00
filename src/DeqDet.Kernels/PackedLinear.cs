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
    private readonly AlignedBuffer packed = new();
    private Source? source;

    /// <summary>How it is computed.</summary>
    public Computation Computation { get; } = computation;

    /// <summary>
    /// x W^T + b without gradients, [..., in] -> [..., out]; null where no kernel can do it or one would not pay, so that libtorch has to.
    /// </summary>
    public Tensor? TryApply(Tensor x, Tensor weight, Tensor bias)
    {
        if (!Computation.IsFast || Recorded(x, weight, bias) || !IsPlainFloat(x) || !IsPlainFloat(weight))
        {
            return null;
        }
        var (outputs, inputs) = ((int)weight.size(0), (int)weight.size(1));
        // the last panel may hold a few columns only; a whole layer of them is none to be computed in panels
        if (2 * outputs < MatrixKernels.PanelWidth(Computation.Instructions) || !Prepare(weight, outputs, inputs))
        {
            return null;
        }

        return Product(x, bias, outputs, inputs);
    }

    /// <summary>The same where gradients are recorded, without them, for whoever makes them himself.</summary>
    internal Tensor Multiply(Tensor x, Tensor weight, Tensor bias)
    {
        var (outputs, inputs) = ((int)weight.size(0), (int)weight.size(1));
        return Prepare(weight, outputs, inputs)
            ? Product(x, bias, outputs, inputs)
            : nn.functional.linear(x, weight.detach(), bias.detach());
    }

    /// <summary>Frees what is kept; it is made again where it is needed.</summary>
    public void Dispose()
    {
        packed.Dispose();
        source = null;
    }

    private Tensor Product(Tensor x, Tensor bias, int outputs, int inputs)
    {
        using var rows = x.contiguous();
        using var shift = bias.contiguous();
        var shape = x.shape;
        shape[^1] = outputs;
        var result = empty(shape, dtype: ScalarType.Float32);
        MatrixKernels.Run(
            Computation.Instructions,
            (float*)AotiTorch.Data(rows),
            (int)(x.numel() / Math.Max(inputs, 1)),
            packed.Start,
            inputs,
            outputs,
            (float*)AotiTorch.Data(shift),
            (float*)AotiTorch.Data(result)
        );
        return result;
    }

    private static bool Recorded(Tensor x, Tensor weight, Tensor bias) =>
        is_grad_enabled() && (x.requires_grad || weight.requires_grad || bias.requires_grad);

    private static bool IsPlainFloat(Tensor tensor) =>
        tensor.dtype == ScalarType.Float32 && tensor.device_type == DeviceType.CPU;

    /// <summary>Whether the packed weights are those of the tensor as it is now.</summary>
    private bool Prepare(Tensor weight, int outputs, int inputs)
    {
        lock (packed)
        {
            if (Source.Of(weight) is not { } now)
            {
                return false;
            }
            if (now != source)
            {
                using var rows = weight.detach().contiguous();
                packed.Reserve(MatrixKernels.PackedSize(Computation.Instructions, outputs, inputs));
                MatrixKernels.Pack(
                    Computation.Instructions,
                    (float*)AotiTorch.Data(rows),
                    outputs,
                    inputs,
                    packed.Start
                );
                source = now;
            }
            return true;
        }
    }
}
