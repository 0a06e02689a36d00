using System.Runtime.CompilerServices;

namespace DeqDet.Kernels;

/// <summary>What the backward pass of mixing reads and writes beside the job's.</summary>
internal unsafe struct MixingGradientJob
{
    /// <summary>The job of the forward pass; `Mixed` is not read.</summary>
    public MixingJob Forward;

    /// <summary>Gradient of what was mixed, [pairs, outputs, width].</summary>
    public float* Mixed;

    /// <summary>Gradient of the sampled features, [pairs, points, width]; written.</summary>
    public float* Sampled;

    /// <summary>Gradient of the generated matrices, [pairs, width * width + outputs * points]; written.</summary>
    public float* Generated;
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
            + outputs * Padded(forward->Points);
        Team.Run(forward->Pairs, &RunPair, job, room);
    }

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
        var generated = (long)pair * (width * width + outputs * points);
        var x = forward->Sampled + (long)pair * points * width;
        var channelMatrix = forward->Generated + generated;
        var pointMatrix = channelMatrix + width * width;
        var ofMixed = job->Mixed + (long)pair * outputs * width;
        var ofChannelMatrix = job->Generated + generated;
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
    }
}
