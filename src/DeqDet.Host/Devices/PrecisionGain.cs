using System.Diagnostics;
using TorchSharp;
using static TorchSharp.torch;

namespace DeqDet.Host.Devices;

/// <summary>How much faster a device computes forward and backward passes in other numbers than float32.</summary>
/// <param name="Name">Of the numbers.</param>
/// <param name="Product">How many times as fast: a layer from 256 to 8192 numbers, of 300 rows.</param>
/// <param name="Convolution">The same of 3 x 3 from 128 to 128 channels, of 64 x 64 pixels.</param>
public sealed record PrecisionGain(string Name, double Product, double Convolution)
{
    private const int Repetitions = 8;

    /// <summary>Measures one type of numbers, in some tenths of a second.</summary>
    public static PrecisionGain Of(string name, ScalarType type, Device device)
    {
        using var scope = NewDisposeScope();
        var (product, convolution) = (ProductIn(type, device), ConvolutionIn(type, device));
        var (exactProduct, exactConvolution) = (
            ProductIn(ScalarType.Float32, device),
            ConvolutionIn(ScalarType.Float32, device)
        );
        return new(name, Ratio(device, exactProduct, product), Ratio(device, exactConvolution, convolution));
    }

    /// <summary>Measures float32 in TF32, which is off before and afterwards.</summary>
    public static PrecisionGain OfTf32(Device device)
    {
        using var scope = NewDisposeScope();
        var product = ProductIn(ScalarType.Float32, device);
        var convolution = ConvolutionIn(ScalarType.Float32, device);
        return new(
            "TF32",
            Ratio(device, product, () => InTf32(product)),
            Ratio(device, convolution, () => InTf32(convolution))
        );
    }

    private static Tensor InTf32(Func<Tensor> forward)
    {
        // the backward pass is another call: it, too, is to find TF32 allowed
        ComputeDevice.UseTf32(true);
        return forward();
    }

    private static Func<Tensor> ProductIn(ScalarType type, Device device)
    {
        var x = rand([300, 256], device: device).to(type).requires_grad_();
        var weight = rand([8192, 256], device: device).requires_grad_();
        return () => nn.functional.linear(x, weight.to(type));
    }

    private static Func<Tensor> ConvolutionIn(ScalarType type, Device device)
    {
        // as training lays them out: reduced ones with the channels last
        var last = rand([1, 64, 64, 128], device: device).to(type).permute(0, 3, 1, 2);
        var x = (type == ScalarType.Float32 ? last.contiguous() : last).detach().requires_grad_();
        var kernel = rand([128, 128, 3, 3], device: device).requires_grad_();
        return () => nn.functional.conv2d(x, kernel.to(type), padding: [1, 1]);
    }

    // How many times as fast the second is, forward and backward: the best of some by turns, as others may be at work on the machine.
    private static double Ratio(Device device, Func<Tensor> exact, Func<Tensor> other)
    {
        using var gradients = enable_grad();
        var (before, after) = (double.PositiveInfinity, double.PositiveInfinity);
        for (var i = 0; i <= Repetitions; i++)
        {
            var (one, two) = (Seconds(device, exact), Seconds(device, other));
            // the first time code is compiled
            if (i > 0)
            {
                (before, after) = (Math.Min(before, one), Math.Min(after, two));
            }
        }
        return before / after;
    }

    private static double Seconds(Device device, Func<Tensor> forward)
    {
        using var scope = NewDisposeScope();
        DeviceCheck.Wait(device);
        var clock = Stopwatch.StartNew();
        try
        {
            var y = forward();
            autograd.backward([y], [ones_like(y)]);
            DeviceCheck.Wait(device);
            return clock.Elapsed.TotalSeconds;
        }
        finally
        {
            if (device.type == DeviceType.CUDA)
            {
                ComputeDevice.UseTf32(false);
            }
        }
    }
}
