using System.Runtime.Intrinsics;
using DeqDet.Settings;

namespace DeqDet.Host.Data;

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

    /// <summary>Puts pictures, given with what to remember of each, together.</summary>
    public Batch Collate(IReadOnlyList<(RgbImage Image, BatchImage About)> pictures)
    {
        var width = PaddedSide(pictures.Max(p => p.Image.Width));
        var height = PaddedSide(pictures.Max(p => p.Image.Height));
        var batch = new Batch([.. pictures.Select(p => p.About)], width, height);
        for (var i = 0; i < pictures.Count; i++)
        {
            Write(pictures[i].Image, width, height, batch.Pixels.Slice(i * 3 * width * height, 3 * width * height));
        }

        return batch;
    }

    private static int PaddedSide(int side) => (side + Divisor - 1) / Divisor * Divisor;

    private void Write(RgbImage image, int width, int height, Span<float> target)
    {
        for (var channel = 0; channel < 3; channel++)
        {
            var plane = target.Slice(channel * width * height, width * height);
            for (var y = 0; y < image.Height; y++)
            {
                var row = plane.Slice(y * width, width);
                WriteRow(image.Row(y), channel, row[..image.Width]);
                row[image.Width..].Clear();
            }

            plane[(image.Height * width)..].Clear();
        }
    }

    private void WriteRow(ReadOnlySpan<byte> source, int channel, Span<float> target)
    {
        // Divided, not multiplied by the inverse: the same rounding as the reference.
        var x = 0;
        if (Vector128.IsHardwareAccelerated)
        {
            var (means, stds) = (Vector128.Create(mean[channel]), Vector128.Create(std[channel]));
            // Four pixels a step: 12 bytes of the 16 read, one of each three moved to the low byte of a 32-bit lane.
            const byte none = 255;
            var c = (byte)channel;
            var order = Vector128.Create([
                c,
                none,
                none,
                none,
                (byte)(c + 3),
                none,
                none,
                none,
                (byte)(c + 6),
                none,
                none,
                none,
                (byte)(c + 9),
                none,
                none,
                none,
            ]);
            for (; x * 3 + 16 <= source.Length; x += 4)
            {
                var bytes = Vector128.Create(source.Slice(x * 3, 16));
                var values = Vector128.ConvertToSingle(Vector128.Shuffle(bytes, order).AsInt32());
                ((values - means) / stds).CopyTo(target[x..]);
            }
        }

        for (; x < target.Length; x++)
        {
            target[x] = (source[x * 3 + channel] - mean[channel]) / std[channel];
        }
    }
}
