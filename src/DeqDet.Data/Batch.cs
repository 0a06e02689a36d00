using System.Buffers;
using DeqDet.Coco;

namespace DeqDet.Data;

/// <summary>The properties of one picture of a batch, without its pixels.</summary>
/// <param name="Id">COCO image id.</param>
/// <param name="FileName">Name relative to the image folder.</param>
/// <param name="OriginalWidth">Width of the file, px.</param>
/// <param name="OriginalHeight">Height of the file, px.</param>
/// <param name="Width">Valid width in the batch (the rest is padding), px.</param>
/// <param name="Height">Valid height in the batch, px.</param>
/// <param name="ScaleX">Resized over original width.</param>
/// <param name="ScaleY">Resized over original height.</param>
/// <param name="Boxes">Training targets in the batch's pixels.</param>
/// <param name="Labels">Their classes, from 0.</param>
public sealed record BatchImage(
    CocoId Id,
    string FileName,
    int OriginalWidth,
    int OriginalHeight,
    int Width,
    int Height,
    float ScaleX,
    float ScaleY,
    Box[] Boxes,
    int[] Labels
);

/// <summary>
/// Normalised pictures of one size, [count, 3, height, width], zero outside their valid size. Dispose it when its pixels are no longer
/// needed: their memory is used again.
/// </summary>
public sealed class Batch : IDisposable
{
    private float[]? pixels;

    /// <summary>A batch with memory for its pixels, not yet cleared.</summary>
    /// <param name="images">The pictures.</param>
    /// <param name="width">Padded width, px.</param>
    /// <param name="height">Padded height, px.</param>
    /// <param name="place">Where they stand in a training step's batch; null: they are all of it.</param>
    public Batch(IReadOnlyList<BatchImage> images, int width, int height, BatchPlace? place = null)
    {
        (Images, Width, Height) = (images, width, height);
        Place = place ?? new(0, [.. images.Select(image => image.FileName)], Counts: true);
        pixels = ArrayPool<float>.Shared.Rent(checked(images.Count * 3 * width * height));
    }

    /// <summary>Bytes of the pixels of a batch.</summary>
    public static long BytesOf(int count, int width, int height) => (long)count * 3 * width * height * sizeof(float);

    /// <summary>The pictures.</summary>
    public IReadOnlyList<BatchImage> Images { get; }

    /// <summary>Where they stand in the batch that a training step is made of.</summary>
    public BatchPlace Place { get; }

    /// <summary>Padded width, px; a multiple of the padding unit.</summary>
    public int Width { get; }

    /// <summary>Padded height, px; a multiple of the padding unit.</summary>
    public int Height { get; }

    /// <summary>The pixels, [count, 3, height, width], RGB.</summary>
    public Span<float> Pixels =>
        (pixels ?? throw new ObjectDisposedException(nameof(Batch))).AsSpan(0, Images.Count * 3 * Width * Height);

    /// <inheritdoc/>
    public void Dispose()
    {
        if (pixels is not null)
        {
            ArrayPool<float>.Shared.Return(pixels);
            pixels = null;
        }
    }
}
