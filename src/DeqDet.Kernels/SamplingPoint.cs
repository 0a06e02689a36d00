using System.Runtime.CompilerServices;

namespace DeqDet.Kernels;

/// <summary>
/// Where a point reads: in each level four pixels and their shares. The arithmetic is libtorch's grid_sample with align_corners = false, operation by
/// operation, so that a point on the border between two pixels falls on the same side.
/// </summary>
internal static unsafe class SamplingPoint
{
    /// <summary>Pixels that a point reads in each level: upper left, upper right, lower left, lower right.</summary>
    public const int Corners = 4;

    /// <summary>Weight of each level for a point at depth z: softmax of -(level - z)^2 / 2.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void LevelWeights(ref SamplingJob job, float z, float* weights)
    {
        var largest = float.NegativeInfinity;
        for (var l = 0; l < job.LevelCount; l++)
        {
            var distance = z - job.Levels[l].Depth;
            weights[l] = -0.5f * distance * distance;
            largest = MathF.Max(largest, weights[l]);
        }
        var sum = 0f;
        for (var l = 0; l < job.LevelCount; l++)
        {
            weights[l] = MathF.Exp(weights[l] - largest);
            sum += weights[l];
        }
        var share = 1 / sum;
        for (var l = 0; l < job.LevelCount; l++)
        {
            weights[l] *= share;
        }
    }

    /// <summary>Column and row of a point in a level; pixels have their centres at whole numbers.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (float Column, float Row) Place(in Level level, float x, float y) =>
        (
            (x / (level.Width * level.Stride) * 2 - 1 + 1) * (level.Width * 0.5f) - 0.5f,
            (y / (level.Height * level.Stride) * 2 - 1 + 1) * (level.Height * 0.5f) - 0.5f
        );

    /// <summary>
    /// The pixels of a point in one level: where their first channel of the group lies (zeros outside of the map), and their bilinear shares.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Locate(in Level level, float* map, float x, float y, float* zeros, float** pixels, float* shares)
    {
        var (column, row) = Place(in level, x, y);
        var (left, top) = (MathF.Floor(column), MathF.Floor(row));
        var (right, bottom) = (left + 1, top + 1);
        // of what is not finite the shares are NaN, as libtorch's
        shares[0] = (right - column) * (bottom - row);
        shares[1] = (column - left) * (bottom - row);
        shares[2] = (right - column) * (row - top);
        shares[3] = (column - left) * (row - top);
        // compared as floats: NaN and what no integer can hold are outside
        var (hasLeft, hasRight) = (left >= 0 && left < level.Width, right >= 0 && right < level.Width);
        var (hasTop, hasBottom) = (top >= 0 && top < level.Height, bottom >= 0 && bottom < level.Height);
        var corner =
            map
            + (hasTop || hasBottom ? (long)top : 0) * level.Row
            + (hasLeft || hasRight ? (long)left : 0) * level.Pixel;
        pixels[0] = hasTop && hasLeft ? corner : zeros;
        pixels[1] = hasTop && hasRight ? corner + level.Pixel : zeros;
        pixels[2] = hasBottom && hasLeft ? corner + level.Row : zeros;
        pixels[3] = hasBottom && hasRight ? corner + level.Row + level.Pixel : zeros;
    }
}
