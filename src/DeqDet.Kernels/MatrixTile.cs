using System.Runtime.CompilerServices;

namespace DeqDet.Kernels;

/// <summary>What a tile adds its products to.</summary>
internal enum Start
{
    Zero,
    Bias,
    Sum,
}

/// <summary>A tile of a matrix product: six rows by a panel of columns, kept in registers while the depth runs.</summary>
internal static unsafe class MatrixTile<TLanes, TVector>
    where TLanes : ILanes<TVector>
    where TVector : unmanaged
{
    /// <summary>Rows of a tile.</summary>
    public const int Rows = 6;

    /// <summary>Columns of a tile.</summary>
    public static int Width => TLanes.Count * TLanes.TileVectors;

    /// <summary>
    /// Rows of A (`last` + 1 of them, at most six; a row every `aRow` floats, its numbers every `aDepth`) times `depth` rows of B (one every `bRow`
    /// floats) -> rows of C (one every `cRow` floats).
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Run(
        float* a,
        long aRow,
        nint aDepth,
        float* b,
        nint bRow,
        int depth,
        Start start,
        float* bias,
        float* c,
        long cRow,
        int last
    )
    {
        if (TLanes.TileVectors == 4)
        {
            Tile4(a, aRow, aDepth, b, bRow, depth, start, bias, c, cRow, last);
        }
        else
        {
            Tile2(a, aRow, aDepth, b, bRow, depth, start, bias, c, cRow, last);
        }
    }

    /// <summary>
    /// Six rows by four vectors. Where rows are missing (`last` below 5), the last one is computed again in their place: the same numbers go to the
    /// same places.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tile4(
        float* a,
        long aRow,
        nint aDepth,
        float* b,
        nint bRow,
        int depth,
        Start start,
        float* bias,
        float* c,
        long cRow,
        int last
    )
    {
        var n = TLanes.Count;
        var a0 = a;
        var a1 = a + Math.Min(1, last) * aRow;
        var a2 = a + Math.Min(2, last) * aRow;
        var a3 = a + Math.Min(3, last) * aRow;
        var a4 = a + Math.Min(4, last) * aRow;
        var a5 = a + Math.Min(5, last) * aRow;
        var c0 = c;
        var c1 = c + Math.Min(1, last) * cRow;
        var c2 = c + Math.Min(2, last) * cRow;
        var c3 = c + Math.Min(3, last) * cRow;
        var c4 = c + Math.Min(4, last) * cRow;
        var c5 = c + Math.Min(5, last) * cRow;
        TVector t00,
            t01,
            t02,
            t03,
            t10,
            t11,
            t12,
            t13,
            t20,
            t21,
            t22,
            t23;
        TVector t30,
            t31,
            t32,
            t33,
            t40,
            t41,
            t42,
            t43,
            t50,
            t51,
            t52,
            t53;
        t00 =
            t01 =
            t02 =
            t03 =
            t10 =
            t11 =
            t12 =
            t13 =
            t20 =
            t21 =
            t22 =
            t23 =
            t30 =
            t31 =
            t32 =
            t33 =
            t40 =
            t41 =
            t42 =
            t43 =
            t50 =
            t51 =
            t52 =
            t53 =
                TLanes.Zero;
        for (nint k = 0, end = depth * aDepth; k != end; k += aDepth)
        {
            var b0 = TLanes.Load(b);
            var b1 = TLanes.Load(b + n);
            var b2 = TLanes.Load(b + 2 * n);
            var b3 = TLanes.Load(b + 3 * n);
            b += bRow;
            var x = TLanes.All(a0[k]);
            t00 = TLanes.MultiplyAdd(x, b0, t00);
            t01 = TLanes.MultiplyAdd(x, b1, t01);
            t02 = TLanes.MultiplyAdd(x, b2, t02);
            t03 = TLanes.MultiplyAdd(x, b3, t03);
            x = TLanes.All(a1[k]);
            t10 = TLanes.MultiplyAdd(x, b0, t10);
            t11 = TLanes.MultiplyAdd(x, b1, t11);
            t12 = TLanes.MultiplyAdd(x, b2, t12);
            t13 = TLanes.MultiplyAdd(x, b3, t13);
            x = TLanes.All(a2[k]);
            t20 = TLanes.MultiplyAdd(x, b0, t20);
            t21 = TLanes.MultiplyAdd(x, b1, t21);
            t22 = TLanes.MultiplyAdd(x, b2, t22);
            t23 = TLanes.MultiplyAdd(x, b3, t23);
            x = TLanes.All(a3[k]);
            t30 = TLanes.MultiplyAdd(x, b0, t30);
            t31 = TLanes.MultiplyAdd(x, b1, t31);
            t32 = TLanes.MultiplyAdd(x, b2, t32);
            t33 = TLanes.MultiplyAdd(x, b3, t33);
            x = TLanes.All(a4[k]);
            t40 = TLanes.MultiplyAdd(x, b0, t40);
            t41 = TLanes.MultiplyAdd(x, b1, t41);
            t42 = TLanes.MultiplyAdd(x, b2, t42);
            t43 = TLanes.MultiplyAdd(x, b3, t43);
            x = TLanes.All(a5[k]);
            t50 = TLanes.MultiplyAdd(x, b0, t50);
            t51 = TLanes.MultiplyAdd(x, b1, t51);
            t52 = TLanes.MultiplyAdd(x, b2, t52);
            t53 = TLanes.MultiplyAdd(x, b3, t53);
        }
        if (start == Start.Bias)
        {
            var bias0 = TLanes.Load(bias);
            var bias1 = TLanes.Load(bias + n);
            var bias2 = TLanes.Load(bias + 2 * n);
            var bias3 = TLanes.Load(bias + 3 * n);
            TLanes.Store(TLanes.Add(t00, bias0), c0);
            TLanes.Store(TLanes.Add(t01, bias1), c0 + n);
            TLanes.Store(TLanes.Add(t02, bias2), c0 + 2 * n);
            TLanes.Store(TLanes.Add(t03, bias3), c0 + 3 * n);
            TLanes.Store(TLanes.Add(t10, bias0), c1);
            TLanes.Store(TLanes.Add(t11, bias1), c1 + n);
            TLanes.Store(TLanes.Add(t12, bias2), c1 + 2 * n);
            TLanes.Store(TLanes.Add(t13, bias3), c1 + 3 * n);
            TLanes.Store(TLanes.Add(t20, bias0), c2);
            TLanes.Store(TLanes.Add(t21, bias1), c2 + n);
            TLanes.Store(TLanes.Add(t22, bias2), c2 + 2 * n);
            TLanes.Store(TLanes.Add(t23, bias3), c2 + 3 * n);
            TLanes.Store(TLanes.Add(t30, bias0), c3);
            TLanes.Store(TLanes.Add(t31, bias1), c3 + n);
            TLanes.Store(TLanes.Add(t32, bias2), c3 + 2 * n);
            TLanes.Store(TLanes.Add(t33, bias3), c3 + 3 * n);
            TLanes.Store(TLanes.Add(t40, bias0), c4);
            TLanes.Store(TLanes.Add(t41, bias1), c4 + n);
            TLanes.Store(TLanes.Add(t42, bias2), c4 + 2 * n);
            TLanes.Store(TLanes.Add(t43, bias3), c4 + 3 * n);
            TLanes.Store(TLanes.Add(t50, bias0), c5);
            TLanes.Store(TLanes.Add(t51, bias1), c5 + n);
            TLanes.Store(TLanes.Add(t52, bias2), c5 + 2 * n);
            TLanes.Store(TLanes.Add(t53, bias3), c5 + 3 * n);
        }
        else
        {
            if (start == Start.Sum)
            {
                // all is read before any is stored: the last row may stand in for missing ones
                t00 = TLanes.Add(t00, TLanes.Load(c0));
                t01 = TLanes.Add(t01, TLanes.Load(c0 + n));
                t02 = TLanes.Add(t02, TLanes.Load(c0 + 2 * n));
                t03 = TLanes.Add(t03, TLanes.Load(c0 + 3 * n));
                t10 = TLanes.Add(t10, TLanes.Load(c1));
                t11 = TLanes.Add(t11, TLanes.Load(c1 + n));
                t12 = TLanes.Add(t12, TLanes.Load(c1 + 2 * n));
                t13 = TLanes.Add(t13, TLanes.Load(c1 + 3 * n));
                t20 = TLanes.Add(t20, TLanes.Load(c2));
                t21 = TLanes.Add(t21, TLanes.Load(c2 + n));
                t22 = TLanes.Add(t22, TLanes.Load(c2 + 2 * n));
                t23 = TLanes.Add(t23, TLanes.Load(c2 + 3 * n));
                t30 = TLanes.Add(t30, TLanes.Load(c3));
                t31 = TLanes.Add(t31, TLanes.Load(c3 + n));
                t32 = TLanes.Add(t32, TLanes.Load(c3 + 2 * n));
                t33 = TLanes.Add(t33, TLanes.Load(c3 + 3 * n));
                t40 = TLanes.Add(t40, TLanes.Load(c4));
                t41 = TLanes.Add(t41, TLanes.Load(c4 + n));
                t42 = TLanes.Add(t42, TLanes.Load(c4 + 2 * n));
                t43 = TLanes.Add(t43, TLanes.Load(c4 + 3 * n));
                t50 = TLanes.Add(t50, TLanes.Load(c5));
                t51 = TLanes.Add(t51, TLanes.Load(c5 + n));
                t52 = TLanes.Add(t52, TLanes.Load(c5 + 2 * n));
                t53 = TLanes.Add(t53, TLanes.Load(c5 + 3 * n));
            }
            TLanes.Store(t00, c0);
            TLanes.Store(t01, c0 + n);
            TLanes.Store(t02, c0 + 2 * n);
            TLanes.Store(t03, c0 + 3 * n);
            TLanes.Store(t10, c1);
            TLanes.Store(t11, c1 + n);
            TLanes.Store(t12, c1 + 2 * n);
            TLanes.Store(t13, c1 + 3 * n);
            TLanes.Store(t20, c2);
            TLanes.Store(t21, c2 + n);
            TLanes.Store(t22, c2 + 2 * n);
            TLanes.Store(t23, c2 + 3 * n);
            TLanes.Store(t30, c3);
            TLanes.Store(t31, c3 + n);
            TLanes.Store(t32, c3 + 2 * n);
            TLanes.Store(t33, c3 + 3 * n);
            TLanes.Store(t40, c4);
            TLanes.Store(t41, c4 + n);
            TLanes.Store(t42, c4 + 2 * n);
            TLanes.Store(t43, c4 + 3 * n);
            TLanes.Store(t50, c5);
            TLanes.Store(t51, c5 + n);
            TLanes.Store(t52, c5 + 2 * n);
            TLanes.Store(t53, c5 + 3 * n);
        }
    }

    /// <summary>Six rows by two vectors, for processors with sixteen registers.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tile2(
        float* a,
        long aRow,
        nint aDepth,
        float* b,
        nint bRow,
        int depth,
        Start start,
        float* bias,
        float* c,
        long cRow,
        int last
    )
    {
        var n = TLanes.Count;
        var a0 = a;
        var a1 = a + Math.Min(1, last) * aRow;
        var a2 = a + Math.Min(2, last) * aRow;
        var a3 = a + Math.Min(3, last) * aRow;
        var a4 = a + Math.Min(4, last) * aRow;
        var a5 = a + Math.Min(5, last) * aRow;
        var c0 = c;
        var c1 = c + Math.Min(1, last) * cRow;
        var c2 = c + Math.Min(2, last) * cRow;
        var c3 = c + Math.Min(3, last) * cRow;
        var c4 = c + Math.Min(4, last) * cRow;
        var c5 = c + Math.Min(5, last) * cRow;
        TVector t00,
            t01,
            t10,
            t11,
            t20,
            t21,
            t30,
            t31,
            t40,
            t41,
            t50,
            t51;
        t00 = t01 = t10 = t11 = t20 = t21 = t30 = t31 = t40 = t41 = t50 = t51 = TLanes.Zero;
        for (nint k = 0, end = depth * aDepth; k != end; k += aDepth)
        {
            var b0 = TLanes.Load(b);
            var b1 = TLanes.Load(b + n);
            b += bRow;
            var x = TLanes.All(a0[k]);
            t00 = TLanes.MultiplyAdd(x, b0, t00);
            t01 = TLanes.MultiplyAdd(x, b1, t01);
            x = TLanes.All(a1[k]);
            t10 = TLanes.MultiplyAdd(x, b0, t10);
            t11 = TLanes.MultiplyAdd(x, b1, t11);
            x = TLanes.All(a2[k]);
            t20 = TLanes.MultiplyAdd(x, b0, t20);
            t21 = TLanes.MultiplyAdd(x, b1, t21);
            x = TLanes.All(a3[k]);
            t30 = TLanes.MultiplyAdd(x, b0, t30);
            t31 = TLanes.MultiplyAdd(x, b1, t31);
            x = TLanes.All(a4[k]);
            t40 = TLanes.MultiplyAdd(x, b0, t40);
            t41 = TLanes.MultiplyAdd(x, b1, t41);
            x = TLanes.All(a5[k]);
            t50 = TLanes.MultiplyAdd(x, b0, t50);
            t51 = TLanes.MultiplyAdd(x, b1, t51);
        }
        if (start == Start.Bias)
        {
            var bias0 = TLanes.Load(bias);
            var bias1 = TLanes.Load(bias + n);
            TLanes.Store(TLanes.Add(t00, bias0), c0);
            TLanes.Store(TLanes.Add(t01, bias1), c0 + n);
            TLanes.Store(TLanes.Add(t10, bias0), c1);
            TLanes.Store(TLanes.Add(t11, bias1), c1 + n);
            TLanes.Store(TLanes.Add(t20, bias0), c2);
            TLanes.Store(TLanes.Add(t21, bias1), c2 + n);
            TLanes.Store(TLanes.Add(t30, bias0), c3);
            TLanes.Store(TLanes.Add(t31, bias1), c3 + n);
            TLanes.Store(TLanes.Add(t40, bias0), c4);
            TLanes.Store(TLanes.Add(t41, bias1), c4 + n);
            TLanes.Store(TLanes.Add(t50, bias0), c5);
            TLanes.Store(TLanes.Add(t51, bias1), c5 + n);
        }
        else
        {
            if (start == Start.Sum)
            {
                // all is read before any is stored: the last row may stand in for missing ones
                t00 = TLanes.Add(t00, TLanes.Load(c0));
                t01 = TLanes.Add(t01, TLanes.Load(c0 + n));
                t10 = TLanes.Add(t10, TLanes.Load(c1));
                t11 = TLanes.Add(t11, TLanes.Load(c1 + n));
                t20 = TLanes.Add(t20, TLanes.Load(c2));
                t21 = TLanes.Add(t21, TLanes.Load(c2 + n));
                t30 = TLanes.Add(t30, TLanes.Load(c3));
                t31 = TLanes.Add(t31, TLanes.Load(c3 + n));
                t40 = TLanes.Add(t40, TLanes.Load(c4));
                t41 = TLanes.Add(t41, TLanes.Load(c4 + n));
                t50 = TLanes.Add(t50, TLanes.Load(c5));
                t51 = TLanes.Add(t51, TLanes.Load(c5 + n));
            }
            TLanes.Store(t00, c0);
            TLanes.Store(t01, c0 + n);
            TLanes.Store(t10, c1);
            TLanes.Store(t11, c1 + n);
            TLanes.Store(t20, c2);
            TLanes.Store(t21, c2 + n);
            TLanes.Store(t30, c3);
            TLanes.Store(t31, c3 + n);
            TLanes.Store(t40, c4);
            TLanes.Store(t41, c4 + n);
            TLanes.Store(t50, c5);
            TLanes.Store(t51, c5 + n);
        }
    }
}
