using System.Runtime.CompilerServices;

namespace DeqDet.Kernels;

/// <summary>What the backward pass of sampling reads and writes beside the job's.</summary>
internal unsafe struct SamplingGradientJob
{
    public SamplingJob Forward;

    /// <summary>Gradient of what was sampled, [queries, groups, points, width].</summary>
    public float* Sampled;

    /// <summary>Gradient of the points, [queries, groups * points, 3]; written.</summary>
    public float* Points;

    /// <summary>Gradients of the maps, of the layout of the levels: the points' shares are added. Null where none is wanted.</summary>
    public MapArray Maps;

    [InlineArray(SamplingJob.MostLevels)]
    public struct MapArray
    {
        private nint first;
    }
}

/// <summary>
/// The backward pass of sampling: what was sampled at a point flows to the pixels it was read from, and moves the point by how they differ. A task is a group of
/// an image, whose channels no other task writes to: the sums come out the same however many threads there are.
/// </summary>
internal static unsafe class SamplingGradientKernel<TLanes, TVector>
    where TLanes : ILanes<TVector>
    where TVector : unmanaged
{
    private const int Corners = SamplingPoint.Corners;

    /// <summary>Runs the backward pass; every image has as many queries.</summary>
    public static void Run(SamplingGradientJob* job, int images) =>
        Team.Run(images * job->Forward.Groups, &RunGroup, job);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void RunGroup(void* arguments, int task)
    {
        var job = (SamplingGradientJob*)arguments;
        ref var forward = ref job->Forward;
        var (image, group) = (task / forward.Groups, task % forward.Groups);
        var zeros = stackalloc float[1];
        var first = (long)image * forward.QueriesPerImage;
        for (var query = first; query < first + forward.QueriesPerImage; query++)
        {
            var start = (query * forward.Groups + group) * forward.PointsPerGroup;
            for (var point = start; point < start + forward.PointsPerGroup; point++)
            {
                RunPoint(job, image, group, point, zeros);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void RunPoint(SamplingGradientJob* job, int image, int group, long number, float* zeros)
    {
        ref var forward = ref job->Forward;
        var point = forward.Points + number * 3;
        var gradient = job->Sampled + number * forward.Width;
        var levelWeights = stackalloc float[SamplingJob.MostLevels];
        var pixels = stackalloc float*[Corners];
        var shares = stackalloc float[Corners];
        // of each level: what was read there times the gradient
        var products = stackalloc float[SamplingJob.MostLevels];
        SamplingPoint.LevelWeights(ref forward, point[2], levelWeights);
        var dots = stackalloc float[Corners];
        var (dx, dy) = (0f, 0f);

        for (var l = 0; l < forward.LevelCount; l++)
        {
            ref var level = ref forward.Levels[l];
            var offset = image * level.Image + group * forward.Width;
            var map = level.Data + offset;
            SamplingPoint.Locate(in level, map, point[0], point[1], zeros, pixels, shares);
            var flow = (float*)job->Maps[l] + offset;
            var written = job->Maps[l] != 0;
            for (var corner = 0; corner < Corners; corner++)
            {
                dots[corner] =
                    pixels[corner] == zeros ? 0
                    : written
                        ? DotAndAdd(
                            pixels[corner],
                            gradient,
                            levelWeights[l] * shares[corner],
                            flow + (pixels[corner] - map),
                            forward.Width
                        )
                    : Dot(pixels[corner], gradient, forward.Width);
            }
            products[l] = shares[0] * dots[0] + shares[1] * dots[1] + shares[2] * dots[2] + shares[3] * dots[3];
            // shares are products of distances along both axes; a pixel of the level is `Stride` px
            var (right, bottom) = Distances(in level, point[0], point[1]);
            var scale = levelWeights[l] / level.Stride;
            dx += scale * ((dots[1] - dots[0]) * bottom + (dots[3] - dots[2]) * (1 - bottom));
            dy += scale * ((dots[2] - dots[0]) * right + (dots[3] - dots[1]) * (1 - right));
        }

        var target = job->Points + number * 3;
        (target[0], target[1], target[2]) = (dx, dy, DepthGradient(ref forward, levelWeights, products));
    }

    /// <summary>Distances of a point to the pixels at its right and below it.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (float Right, float Bottom) Distances(in Level level, float x, float y)
    {
        var (column, row) = SamplingPoint.Place(in level, x, y);
        return (MathF.Floor(column) + 1 - column, MathF.Floor(row) + 1 - row);
    }

    /// <summary>Derivative of the softmax over levels: with m the mean level, each weight grows by its own (level - m) times itself.</summary>
    private static float DepthGradient(ref SamplingJob job, float* weights, float* products)
    {
        var mean = 0f;
        for (var l = 0; l < job.LevelCount; l++)
        {
            mean += weights[l] * job.Levels[l].Depth;
        }
        var sum = 0f;
        for (var l = 0; l < job.LevelCount; l++)
        {
            sum += products[l] * weights[l] * (job.Levels[l].Depth - mean);
        }
        return sum;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static float Dot(float* a, float* b, int width)
    {
        var n = TLanes.Count;
        var sum = TLanes.Zero;
        var i = 0;
        for (; i + n <= width; i += n)
        {
            sum = TLanes.MultiplyAdd(TLanes.Load(a + i), TLanes.Load(b + i), sum);
        }
        var dot = TLanes.Sum(sum);
        for (; i < width; i++)
        {
            dot += a[i] * b[i];
        }
        return dot;
    }

    /// <summary>a . b, and target += share * b.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static float DotAndAdd(float* a, float* b, float share, float* target, int width)
    {
        var n = TLanes.Count;
        var sum = TLanes.Zero;
        var all = TLanes.All(share);
        var i = 0;
        for (; i + n <= width; i += n)
        {
            var gradient = TLanes.Load(b + i);
            sum = TLanes.MultiplyAdd(TLanes.Load(a + i), gradient, sum);
            TLanes.Store(TLanes.MultiplyAdd(all, gradient, TLanes.Load(target + i)), target + i);
        }
        var dot = TLanes.Sum(sum);
        for (; i < width; i++)
        {
            dot += a[i] * b[i];
            target[i] += share * b[i];
        }
        return dot;
    }
}
