using System.Runtime.CompilerServices;

namespace DeqDet.Kernels;

/// <summary>Adaptive mixing of all queries and groups, [queries * groups] pairs of them.</summary>
internal unsafe struct MixingJob
{
    /// <summary>Sampled features [pairs, points, width].</summary>
    public float* Sampled;

    /// <summary>What the content generated, [pairs, width * width + outputs * points]: the channels' matrix [width, width], then the points' [outputs, points].</summary>
    public float* Generated;

    /// <summary>[pairs, outputs, width].</summary>
    public float* Mixed;

    public int Pairs;
    public int Points;
    public int Width;
    public int Outputs;
}

/// <summary>
/// Adaptive mixing: of each query and group the product with the channels' matrix, norm, ReLU, the product of the points' matrix with it,
/// norm, ReLU. All of one pair stays in the cache.
/// </summary>
internal static unsafe class MixingKernel<TLanes, TVector>
    where TLanes : ILanes<TVector>
    where TVector : unmanaged
{
    private const float Epsilon = 1e-5f;

    /// <summary>Whether the kernel can do a group of so many channels.</summary>
    public static bool Fits(int width) => width % (TLanes.Count * TLanes.TileVectors) == 0;

    /// <summary>Mixes all pairs of a job.</summary>
    public static void Run(MixingJob* job) => Team.Run(job->Pairs, &MixPair, job);

    private static void MixPair(void* arguments, int pair)
    {
        var job = (MixingJob*)arguments;
        var (points, width, outputs) = (job->Points, job->Width, job->Outputs);
        var x = job->Sampled + (long)pair * points * width;
        var channels = job->Generated + (long)pair * (width * width + outputs * points);
        var mixed = job->Mixed + (long)pair * outputs * width;
        var between = stackalloc float[points * width];

        Multiply(x, width, points, channels, width, between, width);
        NormaliseAndRectify(between, points * width);
        Multiply(channels + width * width, points, outputs, between, points, mixed, width);
        NormaliseAndRectify(mixed, outputs * width);
    }

    /// <summary>a [rows, depth] times b [depth, width] -> c [rows, width], all contiguous.</summary>
    private static void Multiply(float* a, int stride, int rows, float* b, int depth, float* c, int width)
    {
        for (var column = 0; column < width; column += TLanes.Count * TLanes.TileVectors)
        {
            for (var row = 0; row < rows; row += MatrixProduct<TLanes, TVector>.TileRows)
            {
                MatrixProduct<TLanes, TVector>.TileOf(
                    a + row * stride,
                    stride,
                    b + column,
                    width,
                    depth,
                    c + row * width + column,
                    width,
                    Math.Min(MatrixProduct<TLanes, TVector>.TileRows, rows - row) - 1
                );
            }
        }
    }

    /// <summary>Layer normalisation over all numbers together without scale and shift, then ReLU, in place.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void NormaliseAndRectify(float* x, int count)
    {
        var n = TLanes.Count;
        var (s0, s1, s2, s3) = (TLanes.Zero, TLanes.Zero, TLanes.Zero, TLanes.Zero);
        for (var i = 0; i < count; i += 4 * n)
        {
            s0 = TLanes.Add(s0, TLanes.Load(x + i));
            s1 = TLanes.Add(s1, TLanes.Load(x + i + n));
            s2 = TLanes.Add(s2, TLanes.Load(x + i + 2 * n));
            s3 = TLanes.Add(s3, TLanes.Load(x + i + 3 * n));
        }
        var mean = TLanes.Sum(TLanes.Add(TLanes.Add(s0, s1), TLanes.Add(s2, s3))) / count;
        // a second pass instead of the mean of squares: those cancel where the mean is large
        var minusMean = TLanes.All(-mean);
        (s0, s1, s2, s3) = (TLanes.Zero, TLanes.Zero, TLanes.Zero, TLanes.Zero);
        for (var i = 0; i < count; i += 4 * n)
        {
            var d0 = TLanes.Add(TLanes.Load(x + i), minusMean);
            var d1 = TLanes.Add(TLanes.Load(x + i + n), minusMean);
            var d2 = TLanes.Add(TLanes.Load(x + i + 2 * n), minusMean);
            var d3 = TLanes.Add(TLanes.Load(x + i + 3 * n), minusMean);
            s0 = TLanes.MultiplyAdd(d0, d0, s0);
            s1 = TLanes.MultiplyAdd(d1, d1, s1);
            s2 = TLanes.MultiplyAdd(d2, d2, s2);
            s3 = TLanes.MultiplyAdd(d3, d3, s3);
        }
        var variance = TLanes.Sum(TLanes.Add(TLanes.Add(s0, s1), TLanes.Add(s2, s3))) / count;
        var scale = TLanes.All(1 / MathF.Sqrt(variance + Epsilon));
        for (var i = 0; i < count; i += n)
        {
            var y = TLanes.Multiply(TLanes.Add(TLanes.Load(x + i), minusMean), scale);
            TLanes.Store(TLanes.Rectify(y), x + i);
        }
    }
}
