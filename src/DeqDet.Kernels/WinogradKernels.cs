using System.Runtime.Intrinsics;
using static TorchSharp.torch;

namespace DeqDet.Kernels;

/// <summary>Winograd's convolution in the form for some instructions.</summary>
internal static unsafe class WinogradKernels
{
    /// <summary>Whether a kernel [out, in, kh, kw] that moves so can be computed.</summary>
    public static bool Fits(Instructions instructions, Tensor kernel, int stride, int padding)
    {
        if (stride != 1 || padding != 1 || kernel.size(2) != 3 || kernel.size(3) != 3)
        {
            return false;
        }
        var (outputs, inputs) = ((int)kernel.size(0), (int)kernel.size(1));
        return instructions switch
        {
            Instructions.Avx512 => WinogradConvolution<Lanes512, Vector512<float>>.Fits(inputs, outputs),
            Instructions.Avx2 => WinogradConvolution<Lanes256, Vector256<float>>.Fits(inputs, outputs),
            _ => false,
        };
    }

    /// <summary>Kernels [out, in, 3, 3] transformed for the convolution, with the memory order of WinogradWeights.Transform.</summary>
    public static Tensor Transform(Instructions instructions, Tensor kernel)
    {
        var (outputs, inputs, panel) = (
            (int)kernel.size(0),
            (int)kernel.size(1),
            MatrixKernels.PanelWidth(instructions)
        );
        using var cells = kernel.contiguous();
        var result = empty(outputs / panel, WinogradConvolution<Lanes128, Vector128<float>>.Places, inputs, panel);
        WinogradWeights.Transform(
            (float*)AotiTorch.Data(cells),
            outputs,
            inputs,
            panel,
            (float*)AotiTorch.Data(result)
        );
        return result;
    }

    /// <summary>
    /// The convolution of x [B, in, H, W] with a transformed kernel, plus bias [out], then ReLU where asked for: a new map, or added to `sum` in its
    /// place. All maps are channels last.
    /// </summary>
    public static Tensor Apply(
        Instructions instructions,
        Tensor x,
        Tensor kernel,
        Tensor bias,
        Tensor? sum,
        bool rectify
    )
    {
        var (images, inputs, height, width, outputs) = (x.size(0), x.size(1), x.size(2), x.size(3), bias.size(0));
        if (sum is not null && !sum.shape.AsSpan().SequenceEqual([images, outputs, height, width]))
        {
            throw new ArgumentException("the sum has another shape than the result", nameof(sum));
        }
        var result = sum?.alias() ?? empty(images, height, width, outputs).permute(0, 3, 1, 2);
        var job = new WinogradJob
        {
            Input = (float*)AotiTorch.Data(x),
            Kernel = (float*)AotiTorch.Data(kernel),
            Bias = (float*)AotiTorch.Data(bias),
            Output = (float*)AotiTorch.Data(result),
            Images = (int)images,
            Height = (int)height,
            Width = (int)width,
            Inputs = (int)inputs,
            Outputs = (int)outputs,
            Adds = sum is not null,
            Rectifies = rectify,
        };
        Run(instructions, &job);
        GC.KeepAlive(x);
        GC.KeepAlive(kernel);
        GC.KeepAlive(bias);
        return result;
    }

    private static void Run(Instructions instructions, WinogradJob* job)
    {
        switch (instructions)
        {
            case Instructions.Avx512:
                WinogradConvolution<Lanes512, Vector512<float>>.Run(job);
                break;
            default:
                WinogradConvolution<Lanes256, Vector256<float>>.Run(job);
                break;
        }
    }
}
