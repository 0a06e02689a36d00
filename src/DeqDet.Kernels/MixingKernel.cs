using System.Runtime.CompilerServices;

namespace DeqDet.Kernels;

/// <summary>Adaptive mixing of all queries and groups, [queries * groups] pairs of them.</summary>
internal unsafe struct MixingJob
{
    /// <summary>Sampled features [pairs, points, width].</summary>
    public float* Sampled;

    /// <summary>What the content generated, [pairs, width * width + outputs * points]: the channels' matrix [width, width], then the points' [outputs, points].</summary>
    public float* Generated;

    /// <summary>The same in bfloat16, in the place of it; null where it is float32.</summary>
    public ushort* GeneratedReduced;

    /// <summary>[pairs, outputs, width].</summary>
    public float* Mixed;

    /// <summary>The same in bfloat16, in the place of it; null where float32 is wanted.</summary>
    public ushort* MixedReduced;

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
    /// <summary>Mixes all pairs of a job.</summary>
    public static void Run(MixingJob* job)
    {
        var (points, width, outputs) = ((long)job->Points, (long)job->Width, (long)job->Outputs);
        var generated = job->GeneratedReduced != null ? width * width + outputs * points : 0;
        var mixed = job->MixedReduced != null ? outputs * width : 0;
        Team.Run(job->Pairs, &MixPair, job, points * width + generated + mixed);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void MixPair(void* arguments, int pair, float* room)
    {
        var job = (MixingJob*)arguments;
        var (points, width, outputs) = (job->Points, job->Width, job->Outputs);
        var x = job->Sampled + (long)pair * points * width;
        var perPair = width * width + outputs * points;
        var between = room;
        room += points * width;
        float* channels;
        if (job->GeneratedReduced != null)
        {
            channels = room;
            room += perPair;
            Reduction<TLanes, TVector>.Widen(job->GeneratedReduced + (long)pair * perPair, channels, perPair);
        }
        else
        {
            channels = job->Generated + (long)pair * perPair;
        }
        var mixed = job->MixedReduced != null ? room : job->Mixed + (long)pair * outputs * width;

        SmallProduct<TLanes, TVector>.Run(x, width, 1, points, channels, width, width, between);
        JointNorm<TLanes, TVector>.NormaliseAndRectify(between, points * width);
        SmallProduct<TLanes, TVector>.Run(channels + width * width, points, 1, outputs, between, points, width, mixed);
        JointNorm<TLanes, TVector>.NormaliseAndRectify(mixed, outputs * width);
        if (job->MixedReduced != null)
        {
            Reduction<TLanes, TVector>.Narrow(mixed, job->MixedReduced + (long)pair * outputs * width, outputs * width);
        }
    }
}
