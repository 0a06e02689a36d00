using System.Runtime.CompilerServices;
using static TorchSharp.torch;

namespace DeqDet.Kernels;

/// <summary>A level of the pyramid, [images, channels, height, width], whose channels lie beside each other.</summary>
internal unsafe struct Level
{
    public float* Data;
    public int Height;
    public int Width;

    /// <summary>Distances in numbers.</summary>
    public long Image;
    public long Row;
    public long Pixel;

    /// <summary>px of the image that a pixel stands for.</summary>
    public float Stride;

    /// <summary>log2 of the stride.</summary>
    public float Depth;
}

/// <summary>What sampling reads: levels, and points in the order of the queries.</summary>
internal unsafe struct SamplingJob
{
    /// <summary>More levels than any pyramid has.</summary>
    public const int MostLevels = 8;

    public LevelArray Levels;
    public int LevelCount;

    /// <summary>Points [queries, groups * points, 3].</summary>
    public float* Points;

    /// <summary>The image of each query; null: each image has as many.</summary>
    public long* Images;

    /// <summary>[queries, groups, points, width].</summary>
    public float* Sampled;

    public int Queries;
    public int QueriesPerImage;
    public int Groups;
    public int PointsPerGroup;

    /// <summary>Channels of a group.</summary>
    public int Width;

    [InlineArray(MostLevels)]
    public struct LevelArray
    {
        private Level first;
    }
}
