using System.Runtime.CompilerServices;

namespace DeqDet.Kernels;

/// <summary>
/// Winograd's minimal filtering F(2 x 2, 3 x 3) (Lavin and Gray 2016): 2 x 2 results from 4 x 4 inputs by 16 products of channels instead of 36.
/// The inputs of a block of tiles are transformed (sums and differences of pixels), each of the 16 places is a matrix product over the channels, and
/// the products are transformed back while they are in the cache. Its sums are shorter than those of the direct way: so are its errors.
/// </summary>
internal static unsafe class WinogradConvolution<TLanes, TVector>
    where TLanes : ILanes<TVector>
    where TVector : unmanaged
{
    /// <summary>Pixels of a transformed tile.</summary>
    public const int Places = 16;

    /// <summary>Output channels that are computed together.</summary>
    public static int Panel => MatrixTile<TLanes, TVector>.Width;

    /// <summary>Tiles that are worked through at a time: with the inputs of 256 channels, what stays in the second-level cache.</summary>
    private const int LargestBlock = 48;

    private const int TileRows = MatrixTile<TLanes, TVector>.Rows;

    /// <summary>Whether there is a form for so many channels.</summary>
    public static bool Fits(int inputs, int outputs) => inputs % TLanes.Count == 0 && outputs % Panel == 0;

    /// <summary>Computes it on all threads. How the work is divided among them changes no bit of the result.</summary>
    public static void Run(WinogradJob* job)
    {
        var threads = Team.Size;
        (job->TilesHigh, job->TilesWide) = ((job->Height + 1) / 2, (job->Width + 1) / 2);
        var tiles = job->Images * job->TilesHigh * job->TilesWide;
        // as many blocks for one thread as for the other, of whole tiles of the product
        var blocks = (tiles + LargestBlock - 1) / LargestBlock;
        blocks = Math.Min((blocks + threads - 1) / threads * threads, tiles);
        job->Block = ((tiles + blocks - 1) / blocks + TileRows - 1) / TileRows * TileRows;
        blocks = (tiles + job->Block - 1) / job->Block;
        job->PanelParts = Math.Min((threads + blocks - 1) / blocks, job->Outputs / Panel);
        var room = Places * (long)job->Block * (job->Inputs + Panel) + job->Inputs;
        Team.Run(blocks * job->PanelParts, &Work, job, room);
    }

    /// <summary>Some panels of a block of tiles.</summary>
    private static void Work(void* arguments, int task, float* transformed)
    {
        var job = (WinogradJob*)arguments;
        var tiles = job->Images * job->TilesHigh * job->TilesWide;
        var (place, sumPlace) = ((long)job->Block * job->Inputs, (long)job->Block * Panel);
        var sums = transformed + Places * place;
        var zeros = sums + Places * sumPlace;
        new Span<float>(zeros, job->Inputs).Clear();
        var (block, part) = (task / job->PanelParts, task % job->PanelParts);
        var first = block * job->Block;
        var count = Math.Min(job->Block, tiles - first);
        for (var tile = 0; tile < count; tile++)
        {
            TransformInput(job, first + tile, transformed + (long)tile * job->Inputs, place, zeros);
        }
        var panels = job->Outputs / Panel;
        for (var panel = panels * part / job->PanelParts; panel < panels * (part + 1) / job->PanelParts; panel++)
        {
            for (var p = 0; p < Places; p++)
            {
                var kernel = job->Kernel + ((long)panel * Places + p) * job->Inputs * Panel;
                Multiply(transformed + p * place, kernel, sums + p * sumPlace, count, job->Inputs);
            }
            for (var tile = 0; tile < count; tile++)
            {
                TransformOutput(job, first + tile, sums + (long)tile * Panel, sumPlace, panel * Panel);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Multiply(float* transformed, float* kernel, float* sums, int count, int inputs)
    {
        for (var row = 0; row < count; row += TileRows)
        {
            MatrixTile<TLanes, TVector>.Run(
                transformed + (long)row * inputs,
                inputs,
                1,
                kernel,
                Panel,
                inputs,
                Start.Zero,
                null,
                sums + (long)row * Panel,
                Panel,
                Math.Min(TileRows, count - row) - 1
            );
        }
    }

    /// <summary>The tile's column, row and image.</summary>
    private static (int X, int Y, int Image) Place(WinogradJob* job, int tile)
    {
        var (rest, x) = Math.DivRem(tile, job->TilesWide);
        var (image, y) = Math.DivRem(rest, job->TilesHigh);
        return (x, y, image);
    }

    /// <summary>
    /// B^T d B of one tile, channel by channel, to 16 places `place` floats apart. Outside the image lie zeros.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void TransformInput(WinogradJob* job, int tile, float* target, long place, float* zeros)
    {
        var (x, y, image) = Place(job, tile);
        var pixels = stackalloc float*[Places];
        for (var p = 0; p < Places; p++)
        {
            var (row, column) = (2 * y - 1 + p / 4, 2 * x - 1 + p % 4);
            var isInside = (uint)row < (uint)job->Height && (uint)column < (uint)job->Width;
            pixels[p] = isInside
                ? job->Input + (((long)image * job->Height + row) * job->Width + column) * job->Inputs
                : zeros;
        }
        for (var i = 0; i < job->Inputs; i += TLanes.Count)
        {
            TransformRow(pixels, i, out var a0, out var a1, out var a2, out var a3);
            TransformRow(pixels + 4, i, out var b0, out var b1, out var b2, out var b3);
            TransformRow(pixels + 8, i, out var c0, out var c1, out var c2, out var c3);
            TransformRow(pixels + 12, i, out var d0, out var d1, out var d2, out var d3);
            var row = target + i;
            StoreRow(row, place, Subtract(a0, c0), Subtract(a1, c1), Subtract(a2, c2), Subtract(a3, c3));
            row += 4 * place;
            StoreRow(row, place, TLanes.Add(b0, c0), TLanes.Add(b1, c1), TLanes.Add(b2, c2), TLanes.Add(b3, c3));
            row += 4 * place;
            StoreRow(row, place, Subtract(c0, b0), Subtract(c1, b1), Subtract(c2, b2), Subtract(c3, b3));
            row += 4 * place;
            StoreRow(row, place, Subtract(b0, d0), Subtract(b1, d1), Subtract(b2, d2), Subtract(b3, d3));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void TransformRow(
        float** pixels,
        int channel,
        out TVector a,
        out TVector b,
        out TVector c,
        out TVector d
    )
    {
        var x0 = TLanes.Load(pixels[0] + channel);
        var x1 = TLanes.Load(pixels[1] + channel);
        var x2 = TLanes.Load(pixels[2] + channel);
        var x3 = TLanes.Load(pixels[3] + channel);
        a = Subtract(x0, x2);
        b = TLanes.Add(x1, x2);
        c = Subtract(x2, x1);
        d = Subtract(x1, x3);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StoreRow(float* target, long place, TVector a, TVector b, TVector c, TVector d)
    {
        TLanes.Store(a, target);
        TLanes.Store(b, target + place);
        TLanes.Store(c, target + 2 * place);
        TLanes.Store(d, target + 3 * place);
    }

    /// <summary>A^T m A of one tile for a panel of channels, with the bias; of pixels outside the image nothing is written.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void TransformOutput(WinogradJob* job, int tile, float* sums, long place, int channel)
    {
        var (x, y, image) = Place(job, tile);
        var down = (long)job->Width * job->Outputs;
        var target = job->Output + ((long)image * job->Height + 2 * y) * down + 2L * x * job->Outputs + channel;
        var (hasRight, hasBelow) = (2 * x + 1 < job->Width, 2 * y + 1 < job->Height);
        for (var i = 0; i < Panel; i += TLanes.Count)
        {
            SumRow(sums + i, place, out var a0, out var a1);
            SumRow(sums + i + 4 * place, place, out var b0, out var b1);
            SumRow(sums + i + 8 * place, place, out var c0, out var c1);
            SumRow(sums + i + 12 * place, place, out var d0, out var d1);
            var bias = TLanes.Load(job->Bias + channel + i);
            var pixel = target + i;
            Finish(job, TLanes.Add(TLanes.Add(a0, b0), TLanes.Add(c0, bias)), pixel);
            if (hasRight)
            {
                Finish(job, TLanes.Add(TLanes.Add(a1, b1), TLanes.Add(c1, bias)), pixel + job->Outputs);
            }
            if (hasBelow)
            {
                Finish(job, TLanes.Add(Subtract(Subtract(b0, c0), d0), bias), pixel + down);
            }
            if (hasBelow && hasRight)
            {
                Finish(job, TLanes.Add(Subtract(Subtract(b1, c1), d1), bias), pixel + down + job->Outputs);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void SumRow(float* sums, long place, out TVector left, out TVector right)
    {
        var x0 = TLanes.Load(sums);
        var x1 = TLanes.Load(sums + place);
        var x2 = TLanes.Load(sums + 2 * place);
        var x3 = TLanes.Load(sums + 3 * place);
        left = TLanes.Add(TLanes.Add(x0, x1), x2);
        right = Subtract(Subtract(x1, x2), x3);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Finish(WinogradJob* job, TVector value, float* target)
    {
        var sum = job->Adds ? TLanes.Add(value, TLanes.Load(target)) : value;
        TLanes.Store(job->Rectifies ? TLanes.Rectify(sum) : sum, target);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector Subtract(TVector a, TVector b) => TLanes.MultiplyAdd(b, TLanes.All(-1), a);
}
