using System.Runtime.CompilerServices;

namespace DeqDet.Kernels;

/// <summary>Layer normalisation over all numbers of a matrix together, without scale and shift, eps 1e-5, followed by ReLU. Counts are whole vectors.</summary>
internal static unsafe class JointNorm<TLanes, TVector>
    where TLanes : ILanes<TVector>
    where TVector : unmanaged
{
    private const float Epsilon = 1e-5f;

    /// <summary>Normalises and rectifies in place.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void NormaliseAndRectify(float* x, int count)
    {
        var (minusMean, scale) = Statistics(x, count);
        var (shift, factor) = (TLanes.All(minusMean), TLanes.All(scale));
        for (var i = 0; i < count; i += TLanes.Count)
        {
            var y = TLanes.Multiply(TLanes.Add(TLanes.Load(x + i), shift), factor);
            TLanes.Store(TLanes.Rectify(y), x + i);
        }
    }

    /// <summary>Normalises in place, and writes what ReLU makes of it, unless that is null; gives 1 over the standard deviation.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static float Normalise(float* x, int count, float* rectified)
    {
        var (minusMean, scale) = Statistics(x, count);
        var (shift, factor) = (TLanes.All(minusMean), TLanes.All(scale));
        for (var i = 0; i < count; i += TLanes.Count)
        {
            var y = TLanes.Multiply(TLanes.Add(TLanes.Load(x + i), shift), factor);
            TLanes.Store(y, x + i);
            if (rectified != null)
            {
                TLanes.Store(TLanes.Rectify(y), rectified + i);
            }
        }
        return scale;
    }

    /// <summary>
    /// The backward pass: normalised numbers y, 1 over their deviation, and the gradient of what ReLU made of them -> the gradient of what was normalised,
    /// in the place of y. With g where y is positive: (g - mean g - y * mean(g y)) / deviation.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Backward(float* y, float scale, float* gradient, int count)
    {
        var n = TLanes.Count;
        var (sum0, sum1, product0, product1) = (TLanes.Zero, TLanes.Zero, TLanes.Zero, TLanes.Zero);
        var i = 0;
        for (; i + 2 * n <= count; i += 2 * n)
        {
            var (y0, y1) = (TLanes.Load(y + i), TLanes.Load(y + i + n));
            var g0 = TLanes.WherePositive(y0, TLanes.Load(gradient + i));
            var g1 = TLanes.WherePositive(y1, TLanes.Load(gradient + i + n));
            sum0 = TLanes.Add(sum0, g0);
            sum1 = TLanes.Add(sum1, g1);
            product0 = TLanes.MultiplyAdd(g0, y0, product0);
            product1 = TLanes.MultiplyAdd(g1, y1, product1);
        }
        for (; i < count; i += n)
        {
            var y0 = TLanes.Load(y + i);
            var g0 = TLanes.WherePositive(y0, TLanes.Load(gradient + i));
            sum0 = TLanes.Add(sum0, g0);
            product0 = TLanes.MultiplyAdd(g0, y0, product0);
        }
        var minusMean = TLanes.All(-TLanes.Sum(TLanes.Add(sum0, sum1)) / count);
        var minusProduct = TLanes.All(-TLanes.Sum(TLanes.Add(product0, product1)) / count);
        var factor = TLanes.All(scale);
        for (i = 0; i < count; i += n)
        {
            var y0 = TLanes.Load(y + i);
            var g0 = TLanes.WherePositive(y0, TLanes.Load(gradient + i));
            var moved = TLanes.MultiplyAdd(y0, minusProduct, TLanes.Add(g0, minusMean));
            TLanes.Store(TLanes.Multiply(moved, factor), y + i);
        }
    }

    /// <summary>The mean's negative, and 1 over the standard deviation.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (float MinusMean, float Scale) Statistics(float* x, int count)
    {
        var n = TLanes.Count;
        var (s0, s1, s2, s3) = (TLanes.Zero, TLanes.Zero, TLanes.Zero, TLanes.Zero);
        var i = 0;
        for (; i + 4 * n <= count; i += 4 * n)
        {
            s0 = TLanes.Add(s0, TLanes.Load(x + i));
            s1 = TLanes.Add(s1, TLanes.Load(x + i + n));
            s2 = TLanes.Add(s2, TLanes.Load(x + i + 2 * n));
            s3 = TLanes.Add(s3, TLanes.Load(x + i + 3 * n));
        }
        for (; i < count; i += n)
        {
            s0 = TLanes.Add(s0, TLanes.Load(x + i));
        }
        var minusMean = -TLanes.Sum(TLanes.Add(TLanes.Add(s0, s1), TLanes.Add(s2, s3))) / count;
        // a second pass instead of the mean of squares: those cancel where the mean is large
        var shift = TLanes.All(minusMean);
        (s0, s1, s2, s3) = (TLanes.Zero, TLanes.Zero, TLanes.Zero, TLanes.Zero);
        for (i = 0; i + 4 * n <= count; i += 4 * n)
        {
            var d0 = TLanes.Add(TLanes.Load(x + i), shift);
            var d1 = TLanes.Add(TLanes.Load(x + i + n), shift);
            var d2 = TLanes.Add(TLanes.Load(x + i + 2 * n), shift);
            var d3 = TLanes.Add(TLanes.Load(x + i + 3 * n), shift);
            s0 = TLanes.MultiplyAdd(d0, d0, s0);
            s1 = TLanes.MultiplyAdd(d1, d1, s1);
            s2 = TLanes.MultiplyAdd(d2, d2, s2);
            s3 = TLanes.MultiplyAdd(d3, d3, s3);
        }
        for (; i < count; i += n)
        {
            var d0 = TLanes.Add(TLanes.Load(x + i), shift);
            s0 = TLanes.MultiplyAdd(d0, d0, s0);
        }
        var variance = TLanes.Sum(TLanes.Add(TLanes.Add(s0, s1), TLanes.Add(s2, s3))) / count;
        return (minusMean, 1 / MathF.Sqrt(variance + Epsilon));
    }
}
