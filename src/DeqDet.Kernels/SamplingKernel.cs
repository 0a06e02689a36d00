using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace DeqDet.Kernels;

/// <summary>
/// Adaptive 3D sampling in one pass: each point reads four pixels of each level, weighted by their bilinear shares and by the level's weight.
/// </summary>
internal static unsafe class SamplingKernel<TLanes, TVector>
    where TLanes : ILanes<TVector>
    where TVector : unmanaged
{
    /// <summary>Points that are located ahead of being read, so that their pixels are on their way meanwhile.</summary>
    private const int Ahead = 8;

    /// <summary>Samples all points of a job.</summary>
    public static void Run(SamplingJob* job) => Team.Run(job->Queries, &SampleQuery, job, job->Width);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void SampleQuery(void* arguments, int query, float* zeros)
    {
        var job = (SamplingJob*)arguments;
        var image = job->Images != null ? job->Images[query] : query / job->QueriesPerImage;
        var count = job->PointsPerGroup;
        var reads = job->LevelCount * SamplingPoint.Corners;
        var pixels = stackalloc float*[Ahead * SamplingJob.MostLevels * SamplingPoint.Corners];
        var weights = stackalloc float[Ahead * SamplingJob.MostLevels * SamplingPoint.Corners];
        new Span<float>(zeros, job->Width).Clear();

        for (var group = 0; group < job->Groups; group++)
        {
            var first = ((long)query * job->Groups + group) * count;
            for (var done = 0; done < count; done += Ahead)
            {
                var some = Math.Min(Ahead, count - done);
                for (var i = 0; i < some; i++)
                {
                    Locate(
                        job,
                        job->Points + (first + done + i) * 3,
                        image,
                        group,
                        zeros,
                        pixels + i * reads,
                        weights + i * reads
                    );
                }
                for (var i = 0; i < some; i++)
                {
                    Read(
                        pixels + i * reads,
                        weights + i * reads,
                        reads,
                        job->Width,
                        job->Sampled + (first + done + i) * job->Width
                    );
                }
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Locate(
        SamplingJob* job,
        float* point,
        long image,
        int group,
        float* zeros,
        float** pixels,
        float* weights
    )
    {
        var levelWeights = stackalloc float[SamplingJob.MostLevels];
        SamplingPoint.LevelWeights(ref *job, point[2], levelWeights);
        for (var l = 0; l < job->LevelCount; l++)
        {
            ref var level = ref job->Levels[l];
            var map = level.Data + image * level.Image + group * job->Width;
            SamplingPoint.Locate(in level, map, point[0], point[1], zeros, pixels, weights);
            for (var corner = 0; corner < SamplingPoint.Corners; corner++)
            {
                weights[corner] *= levelWeights[l];
                if (Sse.IsSupported)
                {
                    for (var at = 0; at < job->Width; at += 16)
                    {
                        Sse.Prefetch0(pixels[corner] + at);
                    }
                }
            }
            pixels += SamplingPoint.Corners;
            weights += SamplingPoint.Corners;
        }
    }

    /// <summary>sum of weights[i] * pixels[i][0 .. width).</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Read(float** pixels, float* weights, int count, int width, float* target)
    {
        var n = TLanes.Count;
        var channel = 0;
        for (; channel + 4 * n <= width; channel += 4 * n)
        {
            var (s0, s1, s2, s3) = (TLanes.Zero, TLanes.Zero, TLanes.Zero, TLanes.Zero);
            for (var i = 0; i < count; i++)
            {
                var w = TLanes.All(weights[i]);
                var pixel = pixels[i] + channel;
                s0 = TLanes.MultiplyAdd(w, TLanes.Load(pixel), s0);
                s1 = TLanes.MultiplyAdd(w, TLanes.Load(pixel + n), s1);
                s2 = TLanes.MultiplyAdd(w, TLanes.Load(pixel + 2 * n), s2);
                s3 = TLanes.MultiplyAdd(w, TLanes.Load(pixel + 3 * n), s3);
            }
            TLanes.Store(s0, target + channel);
            TLanes.Store(s1, target + channel + n);
            TLanes.Store(s2, target + channel + 2 * n);
            TLanes.Store(s3, target + channel + 3 * n);
        }
        for (; channel + n <= width; channel += n)
        {
            var sum = TLanes.Zero;
            for (var i = 0; i < count; i++)
            {
                sum = TLanes.MultiplyAdd(TLanes.All(weights[i]), TLanes.Load(pixels[i] + channel), sum);
            }
            TLanes.Store(sum, target + channel);
        }
        for (; channel < width; channel++)
        {
            var sum = 0f;
            for (var i = 0; i < count; i++)
            {
                sum += weights[i] * pixels[i][channel];
            }
            target[channel] = sum;
        }
    }
}
