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
    /// <summary>Mixes all pairs of a job.</summary>
    public static void Run(MixingJob* job) => Team.Run(job->Pairs, &MixPair, job, (long)job->Points * job->Width);

    private static void MixPair(void* arguments, int pair, float* between)
    {
        var job = (MixingJob*)arguments;
        var (points, width, outputs) = (job->Points, job->Width, job->Outputs);
        var x = job->Sampled + (long)pair * points * width;
        var channels = job->Generated + (long)pair * (width * width + outputs * points);
        var mixed = job->Mixed + (long)pair * outputs * width;

        SmallProduct<TLanes, TVector>.Run(x, width, 1, points, channels, width, width, between);
        JointNorm<TLanes, TVector>.NormaliseAndRectify(between, points * width);
        SmallProduct<TLanes, TVector>.Run(channels + width * width, points, 1, outputs, between, points, width, mixed);
        JointNorm<TLanes, TVector>.NormaliseAndRectify(mixed, outputs * width);
    }
}
