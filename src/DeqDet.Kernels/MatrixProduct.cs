using System.Runtime.CompilerServices;

namespace DeqDet.Kernels;

/// <summary>
/// C = A B + bias for a matrix B that was packed before: columns in panels as wide as a tile, each panel [K, width], so that the innermost loop reads
/// one number after the other. A tile of C, six rows by a panel, stays in registers while K runs.
/// </summary>
internal static unsafe class MatrixProduct<TLanes, TVector>
    where TLanes : ILanes<TVector>
    where TVector : unmanaged
{
    /// <summary>Rows of a tile.</summary>
    public const int TileRows = 6;

    /// <summary>Columns of a panel.</summary>
    public static int PanelWidth => TLanes.Count * TLanes.TileVectors;

    /// <summary>Rows of B that are worked through at a time: of a panel, what stays in the first-level cache.</summary>
    private const int Depth = 128;

    /// <summary>Floats of packed weights for `outputs` columns of `inputs` rows.</summary>
    public static long PackedSize(int outputs, int inputs) => (long)Panels(outputs) * PanelWidth * inputs;

    /// <summary>Packs weights [outputs, inputs], a row for each column of B. Columns that are missing in the last panel are zeros.</summary>
    public static void Pack(float* weight, int outputs, int inputs, float* packed)
    {
        var job = new PackJob
        {
            Weight = weight,
            Packed = packed,
            Outputs = outputs,
            Inputs = inputs,
        };
        Team.Run(Panels(outputs), &PackPanel, &job);
    }

    /// <summary>
    /// rows [rows, inputs] (a row every `stride` floats) times packed weights, plus bias [outputs] -> result [rows, outputs] (a row every `resultStride` floats).
    /// </summary>
    public static void Run(
        float* a,
        int rows,
        long stride,
        float* packed,
        int inputs,
        int outputs,
        float* bias,
        float* result,
        long resultStride
    )
    {
        if (rows == 0 || outputs == 0)
        {
            return;
        }
        var panels = Panels(outputs);
        var tiles = (rows + TileRows - 1) / TileRows;
        var (rowParts, panelParts) = Divide(rows, outputs, tiles, panels);
        var job = new Job
        {
            A = a,
            Packed = packed,
            Bias = bias,
            Result = result,
            Stride = stride,
            ResultStride = resultStride,
            Rows = rows,
            Inputs = inputs,
            Outputs = outputs,
            RowParts = rowParts,
            PanelParts = panelParts,
            Panels = panels,
            Tiles = tiles,
        };
        Team.Run(rowParts * panelParts, &RunPart, &job);
    }

    private struct PackJob
    {
        public float* Weight;
        public float* Packed;
        public int Outputs;
        public int Inputs;
    }

    private struct Job
    {
        public float* A;
        public float* Packed;
        public float* Bias;
        public float* Result;
        public long Stride;
        public long ResultStride;
        public int Rows;
        public int Inputs;
        public int Outputs;
        public int RowParts;
        public int PanelParts;
        public int Panels;
        public int Tiles;
    }

    /// <summary>What a tile adds its products to.</summary>
    private enum Start
    {
        Zero,
        Bias,
        Sum,
    }

    private static int Panels(int outputs) => (outputs + PanelWidth - 1) / PanelWidth;

    private static void PackPanel(void* arguments, int panel)
    {
        var job = (PackJob*)arguments;
        var width = PanelWidth;
        var target = job->Packed + (long)panel * width * job->Inputs;
        var first = panel * width;
        var present = Math.Min(width, job->Outputs - first);
        const int block = 16;
        for (var k0 = 0; k0 < job->Inputs; k0 += block)
        {
            var end = Math.Min(k0 + block, job->Inputs);
            for (var column = 0; column < present; column++)
            {
                var source = job->Weight + (long)(first + column) * job->Inputs;
                for (var k = k0; k < end; k++)
                {
                    target[(long)k * width + column] = source[k];
                }
            }
            for (var column = present; column < width; column++)
            {
                for (var k = k0; k < end; k++)
                {
                    target[(long)k * width + column] = 0;
                }
            }
        }
    }

    /// <summary>In how many parts to divide rows and panels: several for each thread, and as little read twice as can be.</summary>
    private static (int Rows, int Panels) Divide(int rows, int outputs, int tiles, int panels)
    {
        var threads = Team.Size;
        if (threads == 1)
        {
            return (1, 1);
        }
        // four parts a thread even out what the threads are held up by
        var wanted = 4 * threads;
        var (best, least) = ((Rows: 1, Panels: 1), double.PositiveInfinity);
        for (var panelParts = 1; panelParts <= Math.Min(wanted, panels); panelParts++)
        {
            var rowParts = Math.Clamp((wanted + panelParts - 1) / panelParts, 1, tiles);
            // every row part reads all of B, every panel part all of A; too few parts leave threads idle
            var traffic = (double)rowParts * outputs + (double)panelParts * rows;
            var idle = Math.Max(1.0, (double)threads / (rowParts * panelParts));
            if (traffic * idle < least)
            {
                (best, least) = ((rowParts, panelParts), traffic * idle);
            }
        }
        return best;
    }

    private static void RunPart(void* arguments, int part)
    {
        var job = (Job*)arguments;
        var (rowPart, panelPart) = (part % job->RowParts, part / job->RowParts);
        var firstTile = (int)((long)job->Tiles * rowPart / job->RowParts);
        var endTile = (int)((long)job->Tiles * (rowPart + 1) / job->RowParts);
        var firstPanel = (int)((long)job->Panels * panelPart / job->PanelParts);
        var endPanel = (int)((long)job->Panels * (panelPart + 1) / job->PanelParts);
        var width = PanelWidth;
        var scratch = stackalloc float[TileRows * width];

        for (var k = 0; k < job->Inputs; k += Depth)
        {
            var depth = Math.Min(Depth, job->Inputs - k);
            for (var panel = firstPanel; panel < endPanel; panel++)
            {
                var b = job->Packed + (long)panel * width * job->Inputs + (long)k * width;
                var column = panel * width;
                var whole = column + width <= job->Outputs;
                for (var tile = firstTile; tile < endTile; tile++)
                {
                    var row = tile * TileRows;
                    var a = job->A + row * job->Stride + k;
                    var last = Math.Min(TileRows, job->Rows - row) - 1;
                    var c = job->Result + row * job->ResultStride + column;
                    if (whole)
                    {
                        Tile(
                            a,
                            job->Stride,
                            b,
                            width,
                            depth,
                            k == 0 ? Start.Bias : Start.Sum,
                            job->Bias + column,
                            c,
                            job->ResultStride,
                            last
                        );
                    }
                    else
                    {
                        Edge(job, a, b, depth, k == 0 ? Start.Bias : Start.Sum, column, c, last, scratch);
                    }
                }
            }
        }
        // without inputs the result is the bias
        if (job->Inputs == 0)
        {
            for (long row = firstTile * TileRows; row < Math.Min((long)endTile * TileRows, job->Rows); row++)
            {
                for (var column = firstPanel * width; column < Math.Min(endPanel * width, job->Outputs); column++)
                {
                    job->Result[row * job->ResultStride + column] = job->Bias[column];
                }
            }
        }
    }

    /// <summary>A tile of the last panel, where columns are missing: through a buffer.</summary>
    private static void Edge(
        Job* job,
        float* a,
        float* b,
        int depth,
        Start start,
        int column,
        float* c,
        int last,
        float* scratch
    )
    {
        var width = PanelWidth;
        var present = job->Outputs - column;
        for (var row = 0; row <= last; row++)
        {
            for (var j = 0; j < width; j++)
            {
                scratch[row * width + j] =
                    j >= present ? 0
                    : start == Start.Bias ? job->Bias[column + j]
                    : c[row * job->ResultStride + j];
            }
        }
        Tile(a, job->Stride, b, width, depth, Start.Sum, null, scratch, width, last);
        for (var row = 0; row <= last; row++)
        {
            for (var j = 0; j < present; j++)
            {
                c[row * job->ResultStride + j] = scratch[row * width + j];
            }
        }
    }

    /// <summary>
    /// rows `a` (`last` + 1 of them, at most six) times `b` (`depth` rows of a panel's width, one every `bStride` floats) -> `c`.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static void TileOf(
        float* a,
        long stride,
        float* b,
        nint bStride,
        int depth,
        float* c,
        long cStride,
        int last
    ) => Tile(a, stride, b, bStride, depth, Start.Zero, null, c, cStride, last);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Tile(
        float* a,
        long stride,
        float* b,
        nint bStride,
        int depth,
        Start start,
        float* bias,
        float* c,
        long cStride,
        int last
    )
    {
        if (TLanes.TileVectors == 4)
        {
            Tile4(a, stride, b, bStride, depth, start, bias, c, cStride, last);
        }
        else
        {
            Tile2(a, stride, b, bStride, depth, start, bias, c, cStride, last);
        }
    }

    /// <summary>
    /// Six rows by four vectors. Where rows are missing (`last` below 5), the last one is computed again in their place: the same numbers go to the
    /// same places.
    /// </summary>
    private static void Tile4(
        float* a,
        long stride,
        float* b,
        nint bStride,
        int depth,
        Start start,
        float* bias,
        float* c,
        long cStride,
        int last
    )
    {
        var n = TLanes.Count;
        var a0 = a;
        var a1 = a + Math.Min(1, last) * stride;
        var a2 = a + Math.Min(2, last) * stride;
        var a3 = a + Math.Min(3, last) * stride;
        var a4 = a + Math.Min(4, last) * stride;
        var a5 = a + Math.Min(5, last) * stride;
        var c0 = c;
        var c1 = c + Math.Min(1, last) * cStride;
        var c2 = c + Math.Min(2, last) * cStride;
        var c3 = c + Math.Min(3, last) * cStride;
        var c4 = c + Math.Min(4, last) * cStride;
        var c5 = c + Math.Min(5, last) * cStride;
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
        for (nint k = 0; k < depth; k++)
        {
            var b0 = TLanes.Load(b);
            var b1 = TLanes.Load(b + n);
            var b2 = TLanes.Load(b + 2 * n);
            var b3 = TLanes.Load(b + 3 * n);
            b += bStride;
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
    private static void Tile2(
        float* a,
        long stride,
        float* b,
        nint bStride,
        int depth,
        Start start,
        float* bias,
        float* c,
        long cStride,
        int last
    )
    {
        var n = TLanes.Count;
        var a0 = a;
        var a1 = a + Math.Min(1, last) * stride;
        var a2 = a + Math.Min(2, last) * stride;
        var a3 = a + Math.Min(3, last) * stride;
        var a4 = a + Math.Min(4, last) * stride;
        var a5 = a + Math.Min(5, last) * stride;
        var c0 = c;
        var c1 = c + Math.Min(1, last) * cStride;
        var c2 = c + Math.Min(2, last) * cStride;
        var c3 = c + Math.Min(3, last) * cStride;
        var c4 = c + Math.Min(4, last) * cStride;
        var c5 = c + Math.Min(5, last) * cStride;
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
        for (nint k = 0; k < depth; k++)
        {
            var b0 = TLanes.Load(b);
            var b1 = TLanes.Load(b + n);
            b += bStride;
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
