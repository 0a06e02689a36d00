using System.Numerics;
using TorchSharp;
using static TorchSharp.torch;

namespace DeqDet.Kernels;

/// <summary>How far the rows of two tensors are apart, in one pass: the residuals of queries between a state and its image.</summary>
public static unsafe class RowResiduals
{
    /// <summary>Numbers of a position: cx, cy, z, r.</summary>
    private const int Position = 4;

    /// <summary>The smallest length of a content that it is divided by.</summary>
    private const double Smallest = 1e-12;

    /// <summary>
    /// Rows (position, content) before and after, both [..., 4 + C] -> float64 [...]: of each the larger one of the shift of its position, with
    /// the centre in sizes 2^z of the later box, and the change of its content relative to the later one's length. Sums are float64. NaN
    /// where a number of the later row is not finite. Null where libtorch has to do it: other types, devices or layouts than float32 on the
    /// CPU, row after row; or gradients are recorded.
    /// </summary>
    public static Tensor? TryMeasure(Tensor before, Tensor after)
    {
        if (!IsRows(before) || !IsRows(after) || (is_grad_enabled() && (before.requires_grad || after.requires_grad)))
        {
            return null;
        }

        var sizes = after.shape;
        var width = (int)sizes[^1];
        if (width < Position || !sizes.AsSpan().SequenceEqual(before.shape))
        {
            return null;
        }

        var result = empty(sizes[..^1], float64, CPU);
        var rows = (int)result.numel();
        if (rows > 0)
        {
            var from = (float*)AotiTorch.Data(before);
            var to = (float*)AotiTorch.Data(after);
            var into = (double*)AotiTorch.Data(result);
            for (var row = 0; row < rows; row++)
            {
                into[row] = Of(new(from + (long)row * width, width), new(to + (long)row * width, width));
            }
        }

        GC.KeepAlive(before);
        GC.KeepAlive(after);
        return result;
    }

    private static bool IsRows(Tensor tensor) =>
        tensor.dtype == ScalarType.Float32
        && tensor.device_type == DeviceType.CPU
        && tensor.dim() > 0
        && tensor.is_contiguous();

    private static double Of(ReadOnlySpan<float> before, ReadOnlySpan<float> after)
    {
        var scale = double.Exp2(after[2]);
        var (x, y) = (((double)after[0] - before[0]) / scale, ((double)after[1] - before[1]) / scale);
        var (z, r) = ((double)after[2] - before[2], (double)after[3] - before[3]);
        var shift = Math.Sqrt(x * x + y * y + z * z + r * r);
        var (moved, length) = Squares(before[Position..], after[Position..]);
        var change = Math.Sqrt(moved) / Math.Max(Math.Sqrt(length), Smallest);
        // n - n is 0 for a finite number, else NaN; lengths need no look of their own, since a square of one that is not finite is not either
        var unfinished = double.IsFinite(length) ? 0.0 : double.NaN;
        for (var i = 0; i < Position; i++)
        {
            unfinished += after[i] - after[i];
        }

        return Math.Max(shift, change) + unfinished;
    }

    /// <summary>The squared lengths of the difference and of the later row.</summary>
    private static (double Moved, double Length) Squares(ReadOnlySpan<float> before, ReadOnlySpan<float> after)
    {
        var (moved, length) = (Vector<double>.Zero, Vector<double>.Zero);
        var lanes = Vector<float>.Count;
        var i = 0;
        for (; i <= after.Length - lanes; i += lanes)
        {
            Vector.Widen(new Vector<float>(before[i..]), out var before1, out var before2);
            Vector.Widen(new Vector<float>(after[i..]), out var after1, out var after2);
            var (moved1, moved2) = (after1 - before1, after2 - before2);
            moved += moved1 * moved1 + moved2 * moved2;
            length += after1 * after1 + after2 * after2;
        }

        var (movedRest, lengthRest) = (0.0, 0.0);
        for (; i < after.Length; i++)
        {
            var difference = (double)after[i] - before[i];
            movedRest += difference * difference;
            lengthRest += (double)after[i] * after[i];
        }

        return (Vector.Sum(moved) + movedRest, Vector.Sum(length) + lengthRest);
    }
}
