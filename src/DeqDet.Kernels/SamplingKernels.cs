using System.Runtime.Intrinsics;
using TorchSharp;
using static TorchSharp.torch;

namespace DeqDet.Kernels;

/// <summary>Adaptive 3D sampling in one pass.</summary>
public static unsafe class SamplingKernels
{
    /// <summary>
    /// Reads levels [B, C, H, W] with their strides in px at points [B, Q, G * P, 3] (x, y in px, depth in log2 px) without gradients
    /// -> [B, Q, G, P, C / G]. With `images` (int64 [R]) the points are [R, G * P, 3], a row for each query, which reads the image of that number
    /// -> [R, G, P, C / G]. Null where the kernel cannot do it. It is fastest where a level's channels lie beside each other (channels last).
    /// </summary>
    public static Tensor? TrySample(
        Computation computation,
        IReadOnlyList<Tensor> levels,
        IReadOnlyList<int> strides,
        int groups,
        Tensor points,
        Tensor? images = null
    )
    {
        if (
            !computation.IsFast
            || levels.Count is 0 or > SamplingJob.MostLevels
            || is_grad_enabled() && (points.requires_grad || levels.Any(level => level.requires_grad))
            || !IsPlainFloat(points)
            || !levels.All(level => IsPlainFloat(level) && Fits(level, levels[0], groups))
            || points.size(-2) % groups != 0
            || points.size(-1) != 3
        )
        {
            return null;
        }
        using var scope = NewDisposeScope();
        var shape = points.shape;
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
            job.Levels[i] = Describe(ChannelsLast(levels[i]), strides[i]);
        }

        var result = empty(
            [.. shape.AsSpan(0, shape.Length - 2), groups, job.PointsPerGroup, job.Width],
            dtype: ScalarType.Float32
        );
        job.Sampled = (float*)AotiTorch.Data(result);
        switch (computation.Instructions)
        {
            case Instructions.Avx512:
                SamplingKernel<Lanes512, Vector512<float>>.Run(&job);
                break;
            case Instructions.Avx2:
                SamplingKernel<Lanes256, Vector256<float>>.Run(&job);
                break;
            default:
                SamplingKernel<Lanes128, Vector128<float>>.Run(&job);
                break;
        }
        return result.MoveToOuterDisposeScope();
    }

    /// <summary>The same numbers [B, C, H, W], channels beside each other; the tensor itself where they are already.</summary>
    public static Tensor ChannelsLast(Tensor level) =>
        AotiTorch.Strides(level)[1] == 1 || level.size(1) == 1
            ? level
            : level.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2);

    private static bool Fits(Tensor level, Tensor first, int groups) =>
        level.dim() == 4
        && level.size(0) == first.size(0)
        && level.size(1) == first.size(1)
        && level.size(1) % groups == 0;

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

    private static bool IsPlainFloat(Tensor tensor) =>
        tensor.dtype == ScalarType.Float32 && tensor.device_type == DeviceType.CPU;

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
