using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using DeqDet.Images;
using DeqDet.Settings;

namespace DeqDet.Data;

/// <summary>
/// Per channel (value - mean) / std, then zeros to the right and below up to a multiple of <see cref="Divisor"/> and the largest picture
/// of the batch (the reference pads after normalising).
/// </summary>
public sealed class Normalisation
{
    /// <summary>Padded sides are multiples of this, px: the largest stride of the pyramid.</summary>
    public const int Divisor = 32;

    private readonly float[] mean;
    private readonly float[] std;

    /// <summary>From settings: three means and three deviations, R, G, B, grey levels.</summary>
    public Normalisation(NormaliseSettings settings)
    {
        mean = [.. settings.Mean.Select(value => (float)value)];
        std = [.. settings.Std.Select(value => (float)value)];
    }

    /// <summary>The colour that becomes (nearly) 0, as padding is: the mean.</summary>
    public (byte Red, byte Green, byte Blue) Background => (Level(0), Level(1), Level(2));

    private byte Level(int channel) => (byte)Math.Clamp(MathF.Round(mean[channel]), 0, 255);

    /// <summary>Collates pictures, each given with its properties, into a batch.</summary>
    /// <param name="pictures">The pictures.</param>
    /// <param name="atLeast">Size that the batch has at least, px, where pictures of other processes are larger.</param>
    /// <param name="place">Where they stand in a training step's batch; null: they are all of it.</param>
    public Batch Collate(
        IReadOnlyList<(ImageView View, BatchImage About)> pictures,
        (int Width, int Height) atLeast = default,
        BatchPlace? place = null
    )
    {
        var (width, height) = PaddedSize(pictures.Select(p => (p.View.Width, p.View.Height)).Append(atLeast));
        var batch = new Batch([.. pictures.Select(p => p.About)], width, height, place);
        for (var i = 0; i < pictures.Count; i++)
        {
            var sink = new PlaneSink(
                this,
                batch.Pixels.Slice(i * 3 * width * height, 3 * width * height),
                width,
                height
            );
            pictures[i].View.Rows(ref sink);
            sink.ClearBelow(pictures[i].View.Height);
        }

        return batch;
    }

    /// <summary>Size of a batch of pictures of the given sizes, px.</summary>
    public static (int Width, int Height) PaddedSize(IEnumerable<(int Width, int Height)> sizes)
    {
        var (width, height) = (0, 0);
        foreach (var size in sizes)
        {
            (width, height) = (Math.Max(width, size.Width), Math.Max(height, size.Height));
        }

        return (PaddedSide(width), PaddedSide(height));
    }

    private static int PaddedSide(int side) => (side + Divisor - 1) / Divisor * Divisor;

    // Divided, not multiplied by the inverse: the same rounding as the reference.
    private void WriteRow(ReadOnlySpan<byte> row, int channel, Span<float> target)
    {
        var x = Avx2.IsSupported ? WriteRowAvx2(row, channel, target) : 0;
        for (; x < target.Length; x++)
        {
            target[x] = (row[x * 3 + channel] - mean[channel]) / std[channel];
        }
    }

    // Eight pixels a step: of 12 bytes in each half, every third is moved to the low byte of a 32-bit lane.
    private int WriteRowAvx2(ReadOnlySpan<byte> row, int channel, Span<float> target)
    {
        var (means, stds) = (Vector256.Create(mean[channel]), Vector256.Create(std[channel]));
        const byte none = 255;
        var c = (byte)channel;
        var (c1, c2, c3) = ((byte)(c + 3), (byte)(c + 6), (byte)(c + 9));
        var four = Vector128.Create([
            c,
            none,
            none,
            none,
            c1,
            none,
            none,
            none,
            c2,
            none,
            none,
            none,
            c3,
            none,
            none,
            none,
        ]);
        var order = Vector256.Create(four, four);
        ref var bytes = ref MemoryMarshal.GetReference(row);
        ref var values = ref MemoryMarshal.GetReference(target);
        var x = 0;
        for (; x * 3 + 28 <= row.Length; x += 8)
        {
            var pixels = Vector256.Create(
                Vector128.LoadUnsafe(ref bytes, (nuint)(x * 3)),
                Vector128.LoadUnsafe(ref bytes, (nuint)(x * 3 + 12))
            );
            var levels = Vector256.ConvertToSingle(Avx2.Shuffle(pixels, order).AsInt32());
            ((levels - means) / stds).StoreUnsafe(ref values, (nuint)x);
        }

        return x;
    }

    /// <summary>Writes the rows of one picture into the three planes of a batch.</summary>
    private readonly ref struct PlaneSink(Normalisation by, Span<float> planes, int width, int height) : IRowSink
    {
        private readonly Span<float> planes = planes;

        /// <inheritdoc/>
        public void Take(int y, ReadOnlySpan<byte> row)
        {
            for (var channel = 0; channel < 3; channel++)
            {
                var target = planes.Slice((channel * height + y) * width, width);
                by.WriteRow(row, channel, target[..(row.Length / 3)]);
                target[(row.Length / 3)..].Clear();
            }
        }

        public void ClearBelow(int valid)
        {
            for (var channel = 0; channel < 3; channel++)
            {
                planes.Slice((channel * height + valid) * width, (height - valid) * width).Clear();
            }
        }
    }
}
