using TorchSharp;
using static TorchSharp.torch;

namespace DeqDet.Kernels;

/// <summary>What is sampled: a pyramid's levels, channels last, and how it is computed.</summary>
internal sealed unsafe class SamplingInputs(
    Computation computation,
    IReadOnlyList<Tensor> levels,
    IReadOnlyList<int> strides,
    int groups
)
{
    /// <summary>Points [B, Q, G * P, 3], or with `images` [R, G * P, 3] -> [..., G, P, C / G].</summary>
    public Tensor Sample(Tensor points, Tensor? images)
    {
        using var scope = NewDisposeScope();
        var shape = points.shape;
        var job = Describe(points, images);
        var result = empty(
            [.. shape.AsSpan(0, shape.Length - 2), groups, job.PointsPerGroup, job.Width],
            dtype: ScalarType.Float32
        );
        job.Sampled = (float*)AotiTorch.Data(result);
        SamplingKernels.Run(computation.Instructions, &job);
        GC.KeepAlive(levels);
        return result.MoveToOuterDisposeScope();
    }

    /// <summary>
    /// The gradient of the points [B, Q, G * P, 3], from that of what was sampled (contiguous). Those of the maps are added to the levels' `grad`, where they
    /// require one.
    /// </summary>
    public Tensor Backward(Tensor points, Tensor gradient)
    {
        using var scope = NewDisposeScope();
        var result = empty(points.shape, dtype: ScalarType.Float32);
        var job = new SamplingGradientJob
        {
            Forward = Describe(points, null),
            Sampled = (float*)AotiTorch.Data(gradient),
            Points = (float*)AotiTorch.Data(result),
        };
        for (var i = 0; i < levels.Count; i++)
        {
            job.Maps[i] = levels[i].requires_grad ? (nint)AotiTorch.Data(levels[i].grad!) : 0;
        }

        var images = (int)levels[0].size(0);
        SamplingKernels.Run(computation.Instructions, &job, images);
        GC.KeepAlive(levels);
        return result.MoveToOuterDisposeScope();
    }

    /// <summary>The job of some points; pointers are good while the tensors are, and the surrounding dispose scope.</summary>
    private SamplingJob Describe(Tensor points, Tensor? images)
    {
        var shape = points.shape;
        if (
            images is not null
            && (
                images.dtype != ScalarType.Int64
                || images.device_type != DeviceType.CPU
                || images.dim() != 1
                || images.size(0) != shape[0]
            )
        )
        {
            throw new ArgumentException(
                "the image of each query has to be an int64, one for each row of points",
                nameof(images)
            );
        }
        var job = new SamplingJob
        {
            LevelCount = levels.Count,
            Points = (float*)AotiTorch.Data(points.contiguous()),
            Groups = groups,
            PointsPerGroup = (int)(shape[^2] / groups),
            Width = (int)(levels[0].size(1) / groups),
            Queries = (int)(images is null ? shape[0] * shape[1] : shape[0]),
            QueriesPerImage = images is null ? (int)shape[1] : 0,
            Images = images is null ? null : (long*)AotiTorch.Data(images.contiguous()),
        };
        CheckImages(job, levels[0].size(0));
        for (var i = 0; i < levels.Count; i++)
        {
            job.Levels[i] = Describe(levels[i], strides[i]);
        }
        return job;
    }

    private static void CheckImages(in SamplingJob job, long images)
    {
        if (job.Images == null && job.Queries != images * job.QueriesPerImage)
        {
            throw new ArgumentException(
                $"points of {job.Queries / Math.Max(job.QueriesPerImage, 1)} images for a pyramid of {images}"
            );
        }
        for (var query = 0; job.Images != null && query < job.Queries; query++)
        {
            if (job.Images[query] < 0 || job.Images[query] >= images)
            {
                throw new ArgumentOutOfRangeException(
                    nameof(images),
                    $"a query of image {job.Images[query]}, where there are {images}"
                );
            }
        }
    }

    private static Level Describe(Tensor level, int stride)
    {
        var strides = AotiTorch.Strides(level);
        return new()
        {
            Data = (float*)AotiTorch.Data(level),
            Height = (int)level.size(2),
            Width = (int)level.size(3),
            Image = strides[0],
            Row = strides[2],
            Pixel = strides[3],
            Stride = stride,
            Depth = MathF.Log2(stride),
        };
    }
}
