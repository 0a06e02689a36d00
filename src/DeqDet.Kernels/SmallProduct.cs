using System.Runtime.CompilerServices;

namespace DeqDet.Kernels;

/// <summary>Products of matrices that fit into the cache of one core, by that core.</summary>
internal static unsafe class SmallProduct<TLanes, TVector>
    where TLanes : ILanes<TVector>
    where TVector : unmanaged
{
    /// <summary>
    /// a [rows, depth] (a row every `aRow` floats, its numbers every `aDepth`) times b [depth, width] -> c [rows, width], both contiguous; the width is
    /// whole panels.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Run(float* a, long aRow, long aDepth, int rows, float* b, int depth, int width, float* c)
    {
        for (var column = 0; column < width; column += MatrixTile<TLanes, TVector>.Width)
        {
            for (var row = 0; row < rows; row += MatrixTile<TLanes, TVector>.Rows)
            {
                MatrixTile<TLanes, TVector>.Run(
                    a + row * aRow,
                    aRow,
                    (nint)aDepth,
                    b + column,
                    width,
                    depth,
                    Start.Zero,
                    null,
                    c + (long)row * width + column,
                    width,
                    Math.Min(MatrixTile<TLanes, TVector>.Rows, rows - row) - 1
                );
            }
        }
    }

    /// <summary>a [rows, columns] -> its transpose [columns, `stride`], whose columns from `rows` on are zeros.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Transpose(float* a, int rows, int columns, float* target, int stride)
    {
        const int block = 8;
        for (var row0 = 0; row0 < rows; row0 += block)
        {
            var end = Math.Min(row0 + block, rows);
            for (var column = 0; column < columns; column++)
            {
                for (var row = row0; row < end; row++)
                {
                    target[(long)column * stride + row] = a[(long)row * columns + column];
                }
            }
        }
        for (var column = 0; column < columns && rows < stride; column++)
        {
            new Span<float>(target + (long)column * stride + rows, stride - rows).Clear();
        }
    }
}
