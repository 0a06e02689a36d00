using TorchSharp;
using static TorchSharp.torch;

namespace DeqDet.Kernels;

/// <summary>Gradients of a linear layer y = x W^T + b, from that of y, [rows, out].</summary>
internal static unsafe class LinearGradient
{
    /// <summary>Of the input: gradient times W, into `result` [rows, in].</summary>
    public static void OfInput(Instructions instructions, Tensor gradient, Tensor weight, Tensor result)
    {
        var (outputs, inputs) = ((int)weight.size(0), (int)weight.size(1));
        var job = new MatrixJob
        {
            A = (float*)AotiTorch.Data(gradient),
            ARow = outputs,
            ADepth = 1,
            B = (float*)AotiTorch.Data(weight),
            BPanel = MatrixKernels.PanelWidth(instructions),
            BRow = inputs,
            C = (float*)AotiTorch.Data(result),
            CRow = inputs,
            Rows = (int)(gradient.numel() / outputs),
            Depth = outputs,
            Columns = inputs,
        };
        MatrixKernels.Run(instructions, &job);
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
        var (outputs, inputs) = ((int)weight.size(0), (int)weight.size(1));
        if (weight.requires_grad)
        {
            var job = new MatrixJob
            {
                A = (float*)AotiTorch.Data(gradient),
                ARow = 1,
                ADepth = outputs,
                B = (float*)AotiTorch.Data(input),
                BPanel = MatrixKernels.PanelWidth(instructions),
                BRow = inputs,
                First = Start.Sum,
                C = (float*)AotiTorch.Data(Accumulator(weight)),
                CRow = inputs,
                Rows = outputs,
                Depth = (int)(gradient.numel() / outputs),
                Columns = inputs,
            };
            MatrixKernels.Run(instructions, &job);
        }
        if (bias.requires_grad)
        {
            Add(bias, gradient.view(-1, outputs).sum([0L]));
        }
    }

    /// <summary>Adds to the `grad` of a leaf. TorchSharp's own sum does not hold the 1 that it makes.</summary>
    internal static void Add(Tensor leaf, Tensor gradient)
    {
        using var one = 1.ToScalar();
        Accumulator(leaf).add_(gradient, one);
    }

    /// <summary>The `grad` of a leaf, made of zeros where there is none.</summary>
    internal static Tensor Accumulator(Tensor leaf)
    {
        if (leaf.grad is { } there)
        {
            return there;
        }
        leaf.grad = zeros_like(leaf);
        return leaf.grad!;
    }
}
