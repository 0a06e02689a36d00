using System.Diagnostics;
using TorchSharp;
using static TorchSharp.torch;

namespace DeqDet.Host.Devices;

/// <summary>Whether a device computes what it should, and how fast.</summary>
/// <param name="Fault">What went wrong; null when all was right.</param>
/// <param name="ProductTime">Time of a 1024 x 1024 matrix product in float32, the best of some.</param>
public sealed record DeviceCheck(string? Fault, TimeSpan ProductTime)
{
    private const int Size = 48;
    private const int TimedSize = 1024;
    private const int Repetitions = 5;

    /// <summary>Speed of the product, 10^9 operations a second.</summary>
    public double GigaFlops => 2.0 * TimedSize * TimedSize * TimedSize / ProductTime.TotalSeconds / 1e9;

    /// <summary>
    /// Computes a matrix product, its gradient and a convolution of small whole numbers, which come out exact on every device and in every
    /// precision, and compares each with plain loops.
    /// </summary>
    public static DeviceCheck Run(Device device)
    {
        try
        {
            var fault = Compare(device);
            return new(fault, fault is null ? Time(device) : TimeSpan.Zero);
        }
        catch (Exception error) when (error is not OutOfMemoryException)
        {
            return new(error.Message.Split('\n')[0], TimeSpan.Zero);
        }
    }

    private static string? Compare(Device device)
    {
        using var scope = NewDisposeScope();
        var (a, b) = (Numbers(7), Numbers(5));
        var left = OnDevice(a, device).requires_grad_();
        var right = OnDevice(b, device);
        using var gradients = enable_grad();
        var product = left.mm(right);
        product.sum().backward();
        var picture = right.reshape(1, 1, Size, Size);
        var convolved = nn.functional.conv2d(picture, ones([1, 1, 3, 3], device: device));
        return !Holds(product, (i, j) => Sum(Size, k => a[i, k] * b[k, j])) ? "a matrix product is wrong"
            : !Holds(left.grad!, (_, j) => Sum(Size, k => b[j, k])) ? "the gradient of a matrix product is wrong"
            : !Holds(convolved, (i, j) => Sum(9, k => b[i + k / 3, j + k % 3])) ? "a convolution is wrong"
            : null;
    }

    private static bool Holds(Tensor result, Func<int, int, float> expected)
    {
        var side = (int)result.shape[^1];
        var values = result.detach().cpu().contiguous().data<float>().ToArray();
        return values.Length == side * side
            && Enumerable.Range(0, values.Length).All(i => values[i] == expected(i / side, i % side));
    }

    private static float Sum(int count, Func<int, float> term) => Enumerable.Range(0, count).Sum(term);

    private static float[,] Numbers(int step)
    {
        var numbers = new float[Size, Size];
        for (var i = 0; i < Size; i++)
        {
            for (var j = 0; j < Size; j++)
            {
                numbers[i, j] = (step * i + 3 * j + i * j) % 11 - 5;
            }
        }
        return numbers;
    }

    private static Tensor OnDevice(float[,] numbers, Device device) => tensor(numbers).to(device);

    private static TimeSpan Time(Device device)
    {
        using var scope = NewDisposeScope();
        var matrix = ones([TimedSize, TimedSize], device: device);
        var best = TimeSpan.MaxValue;
        for (var i = 0; i < Repetitions; i++)
        {
            Wait(device);
            var clock = Stopwatch.StartNew();
            matrix.mm(matrix).Dispose();
            Wait(device);
            best = clock.Elapsed < best ? clock.Elapsed : best;
        }
        return best;
    }

    /// <summary>Waits for what a GPU was asked to do.</summary>
    internal static void Wait(Device device)
    {
        if (device.type == DeviceType.CUDA)
        {
            cuda.synchronize(device);
        }
    }
}
