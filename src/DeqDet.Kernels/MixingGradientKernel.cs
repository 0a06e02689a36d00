using System.Runtime.CompilerServices;

namespace DeqDet.Kernels;

/// <summary>What the backward pass of mixing reads and writes beside the job's.</summary>
internal unsafe struct MixingGradientJob
{
    /// <summary>The job of the forward pass; `Mixed` and `MixedReduced` are not read.</summary>
    public MixingJob Forward;

    /// <summary>Gradient of what was mixed, [pairs, outputs, width].</summary>
    public float* Mixed;

    /// <summary>The same in bfloat16, in the place of it; null where it is float32.</summary>
    public ushort* MixedReduced;

    /// <summary>Gradient of the sampled features, [pairs, points, width]; written.</summary>
    public float* Sampled;

    /// <summary>Gradient of the generated matrices, [pairs, width * width + outputs * points]; written.</summary>
    public float* Generated;

    /// <summary>The same in bfloat16, in the place of it; null where float32 is wanted.</summary>
    public ushort* GeneratedReduced;
}

/// <summary>
/// The backward pass of mixing. What lies between input and output is computed again: it stays in the cache, where storing it would cost more than it takes.
/// </summary>
internal static unsafe class MixingGradientKernel<TLanes, TVector>
    where TLanes : ILanes<TVector>
    where TVector : unmanaged
{
    /// <summary>Runs the backward pass of all pairs.</summary>
    public static void Run(MixingGradientJob* job)
    {
        var forward = &job->Forward;
        var (points, width, outputs) = ((long)forward->Points, (long)forward->Width, (long)forward->Outputs);
        var room =
            3 * points * width
            + outputs * width
            + width * Math.Max(width, Padded(forward->Points))
            + outputs * Padded(forward->Points)
            + (forward->GeneratedReduced != null ? Generated(forward) : 0)
            + (job->MixedReduced != null ? outputs * width : 0)
            + (job->GeneratedReduced != null ? Generated(forward) : 0);
        Team.Run(forward->Pairs, &RunPair, job, room);
    }

    // What is generated for a pair.
    private static long Generated(MixingJob* job) => (long)job->Width * job->Width + (long)job->Outputs * job->Points;

    private static int Padded(int columns)
    {
        var panel = MatrixTile<TLanes, TVector>.Width;
        return (columns + panel - 1) / panel * panel;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void RunPair(void* arguments, int pair, float* room)
    {
        var job = (MixingGradientJob*)arguments;
        var forward = &job->Forward;
        var (points, width, outputs) = (forward->Points, forward->Width, forward->Outputs);
        var perPair = (int)Generated(forward);
        var x = forward->Sampled + (long)pair * points * width;
        var channelMatrix = Widened(forward->Generated, forward->GeneratedReduced, pair, perPair, ref room);
        var pointMatrix = channelMatrix + width * width;
        var ofMixed = Widened(job->Mixed, job->MixedReduced, pair, outputs * width, ref room);
        var ofChannelMatrix =
            job->GeneratedReduced != null ? Take(ref room, perPair) : job->Generated + (long)pair * perPair;
        var ofPointMatrix = ofChannelMatrix + width * width;

        var hidden = room;
        var rectified = hidden + points * width;
        var ofRectified = rectified + points * width;
        var mixed = ofRectified + points * width;
        var turned = mixed + outputs * width;
        var wide = turned + width * Math.Max(width, Padded(points));

        // forward once more
        SmallProduct<TLanes, TVector>.Run(x, width, 1, points, channelMatrix, width, width, hidden);
        var hiddenScale = JointNorm<TLanes, TVector>.Normalise(hidden, points * width, rectified);
        SmallProduct<TLanes, TVector>.Run(pointMatrix, points, 1, outputs, rectified, points, width, mixed);
        var mixedScale = JointNorm<TLanes, TVector>.Normalise(mixed, outputs * width, null);

        // mixed = pointMatrix rectified
        JointNorm<TLanes, TVector>.Backward(mixed, mixedScale, ofMixed, outputs * width);
        SmallProduct<TLanes, TVector>.Transpose(rectified, points, width, turned, Padded(points));
        SmallProduct<TLanes, TVector>.Run(mixed, width, 1, outputs, turned, width, Padded(points), wide);
        for (var row = 0; row < outputs; row++)
        {
            new Span<float>(wide + (long)row * Padded(points), points).CopyTo(
                new(ofPointMatrix + (long)row * points, points)
            );
        }
        SmallProduct<TLanes, TVector>.Run(pointMatrix, 1, points, points, mixed, outputs, width, ofRectified);

        // hidden = x channelMatrix
        JointNorm<TLanes, TVector>.Backward(hidden, hiddenScale, ofRectified, points * width);
        SmallProduct<TLanes, TVector>.Run(x, 1, width, width, hidden, points, width, ofChannelMatrix);
        SmallProduct<TLanes, TVector>.Transpose(channelMatrix, width, width, turned, width);
        SmallProduct<TLanes, TVector>.Run(
            hidden,
            width,
            1,
            points,
            turned,
            width,
            width,
            job->Sampled + (long)pair * points * width
        );
        if (job->GeneratedReduced != null)
        {
            Reduction<TLanes, TVector>.Narrow(ofChannelMatrix, job->GeneratedReduced + (long)pair * perPair, perPair);
        }
    }

    private static float* Take(ref float* room, int count)
    {
        var taken = room;
        room += count;
        return taken;
    }

    // The numbers of a pair in float32: where they are bfloat16, in room of their own.
    private static float* Widened(float* numbers, ushort* reduced, int pair, int count, ref float* room)
    {
        if (reduced == null)
        {
            return numbers + (long)pair * count;
        }
        var wide = Take(ref room, count);
        Reduction<TLanes, TVector>.Widen(reduced + (long)pair * count, wide, count);
        return wide;
    }
}
