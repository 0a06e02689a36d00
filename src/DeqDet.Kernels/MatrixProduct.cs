using System.Runtime.CompilerServices;

namespace DeqDet.Kernels;

/// <summary>
/// C = A B + bias. B is best packed before: columns in panels as wide as a tile, each panel [depth, width], so that the innermost loop reads
/// one number after the other. How the work is divided among threads changes no bit of the result.
/// </summary>
internal static unsafe class MatrixProduct<TLanes, TVector>
    where TLanes : ILanes<TVector>
    where TVector : unmanaged
{
    /// <summary>Columns of a panel.</summary>
    public static int PanelWidth => MatrixTile<TLanes, TVector>.Width;

    /// <summary>Rows of B that are worked through at a time: of a panel, what stays in the first-level cache.</summary>
    private const int Depth = 128;

    /// <summary>Tiles above each other that are worked through at a time: of A, what stays in the second-level cache.</summary>
    private const int TileBlock = 128;

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
        var job = new MatrixJob
        {
            A = a,
            ARow = stride,
            ADepth = 1,
            B = packed,
            BPanel = (long)PanelWidth * inputs,
            BRow = PanelWidth,
            Bias = bias,
            First = Start.Bias,
            C = result,
            CRow = resultStride,
            Rows = rows,
            Depth = inputs,
            Columns = outputs,
        };
        Run(&job);
    }

    /// <summary>Any product. Where B is not packed, its columns must be whole panels.</summary>
    public static void Run(MatrixJob* job)
    {
        if (job->Rows == 0 || job->Columns == 0)
        {
            return;
        }
        job->Panels = Panels(job->Columns);
        job->Tiles = (job->Rows + TileRows - 1) / TileRows;
        (job->RowParts, job->PanelParts) = Divide(job->Rows, job->Columns, job->Tiles, job->Panels);
        Team.Run(job->RowParts * job->PanelParts, &RunPart, job);
    }

    private const int TileRows = MatrixTile<TLanes, TVector>.Rows;

    private struct PackJob
    {
        public float* Weight;
        public float* Packed;
        public int Outputs;
        public int Inputs;
    }

    private static int Panels(int outputs) => (outputs + PanelWidth - 1) / PanelWidth;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
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

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void RunPart(void* arguments, int part)
    {
        var job = (MatrixJob*)arguments;
        var (rowPart, panelPart) = (part % job->RowParts, part / job->RowParts);
        var firstTile = (int)((long)job->Tiles * rowPart / job->RowParts);
        var endTile = (int)((long)job->Tiles * (rowPart + 1) / job->RowParts);
        var firstPanel = (int)((long)job->Panels * panelPart / job->PanelParts);
        var endPanel = (int)((long)job->Panels * (panelPart + 1) / job->PanelParts);
        var edge = stackalloc float[TileRows * PanelWidth];
        // rows of B that lie far apart are brought together where they are read often
        var buffer = stackalloc float[Depth * PanelWidth];
        var together = job->BRow != PanelWidth && endTile - firstTile > 2;

        // without depth the result is what the sums begin with
        var k = 0;
        do
        {
            var depth = Math.Min(Depth, job->Depth - k);
            var start = k == 0 ? job->First : Start.Sum;
            for (var block = firstTile; block < endTile; block += TileBlock)
            {
                for (var panel = firstPanel; panel < endPanel; panel++)
                {
                    var b = job->B + panel * job->BPanel + k * job->BRow;
                    var stride = job->BRow;
                    if (together)
                    {
                        Gather(b, stride, depth, buffer);
                        b = buffer;
                        stride = PanelWidth;
                    }
                    for (var tile = block; tile < Math.Min(block + TileBlock, endTile); tile++)
                    {
                        RunTile(job, tile, panel, k, depth, b, stride, start, edge);
                    }
                }
            }
            k += Depth;
        } while (k < job->Depth);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Gather(float* b, long stride, int depth, float* target)
    {
        for (var k = 0; k < depth; k++)
        {
            for (var j = 0; j < PanelWidth; j += TLanes.Count)
            {
                TLanes.Store(TLanes.Load(b + k * stride + j), target + k * PanelWidth + j);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void RunTile(
        MatrixJob* job,
        int tile,
        int panel,
        int k,
        int depth,
        float* b,
        long stride,
        Start start,
        float* edge
    )
    {
        var (row, column) = (tile * TileRows, panel * PanelWidth);
        var a = job->A + row * job->ARow + k * job->ADepth;
        var last = Math.Min(TileRows, job->Rows - row) - 1;
        var c = job->C + row * job->CRow + column;
        if (column + PanelWidth <= job->Columns)
        {
            MatrixTile<TLanes, TVector>.Run(
                a,
                job->ARow,
                (nint)job->ADepth,
                b,
                (nint)stride,
                depth,
                start,
                job->Bias + column,
                c,
                job->CRow,
                last
            );
        }
        else
        {
            Edge(job, a, b, stride, depth, start, column, c, last, edge);
        }
    }

    /// <summary>A tile of the last panel, where columns are missing: through a buffer.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Edge(
        MatrixJob* job,
        float* a,
        float* b,
        long stride,
        int depth,
        Start start,
        int column,
        float* c,
        int last,
        float* scratch
    )
    {
        var present = job->Columns - column;
        for (var row = 0; row <= last; row++)
        {
            for (var j = 0; j < PanelWidth; j++)
            {
                scratch[row * PanelWidth + j] =
                    j >= present || start == Start.Zero ? 0
                    : start == Start.Bias ? job->Bias[column + j]
                    : c[row * job->CRow + j];
            }
        }
        MatrixTile<TLanes, TVector>.Run(
            a,
            job->ARow,
            (nint)job->ADepth,
            b,
            (nint)stride,
            depth,
            Start.Sum,
            null,
            scratch,
            PanelWidth,
            last
        );
        for (var row = 0; row <= last; row++)
        {
            for (var j = 0; j < present; j++)
            {
                c[row * job->CRow + j] = scratch[row * PanelWidth + j];
            }
        }
    }
}
