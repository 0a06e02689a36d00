using System.Buffers;

namespace DeqDet.Images.Jpeg;

/// <summary>The samples of a component: whole blocks, of which <see cref="Width"/> x <see cref="Height"/> belong to the picture.</summary>
internal sealed class JpegPlane : IDisposable
{
    private readonly byte[] samples;

    /// <summary>Room for a component of a frame.</summary>
    public JpegPlane(JpegFrame frame, JpegComponent component)
    {
        Width = Share(frame.Width, component.Across, frame.Across);
        Height = Share(frame.Height, component.Down, frame.Down);
        var (unitWidth, unitHeight) = (8 * frame.Across, 8 * frame.Down);
        Stride = (frame.Width + unitWidth - 1) / unitWidth * 8 * component.Across;
        var rows = (frame.Height + unitHeight - 1) / unitHeight * 8 * component.Down;
        samples = ArrayPool<byte>.Shared.Rent(Stride * rows + JpegColour.After);
    }

    /// <summary>Samples a row.</summary>
    public int Width { get; }

    /// <summary>Rows.</summary>
    public int Height { get; }

    /// <summary>Bytes a row, those of its last block included.</summary>
    public int Stride { get; }

    /// <summary>The samples from a place on.</summary>
    public Span<byte> At(int x, int y) => samples.AsSpan(y * Stride + x);

    /// <summary>A row with what follows it.</summary>
    public ReadOnlySpan<byte> Row(int y) => samples.AsSpan(y * Stride);

    /// <inheritdoc/>
    public void Dispose() => ArrayPool<byte>.Shared.Return(samples);

    private static int Share(int size, int part, int whole) => (size * part + whole - 1) / whole;
}

/// <summary>Rows of chroma at the size of the picture, made from top to bottom.</summary>
internal sealed class JpegRows : IDisposable
{
    private readonly JpegPlane plane;
    private readonly bool wide;
    private readonly bool high;
    private readonly short[] sums;
    private readonly byte[] row;

    public JpegRows(JpegPlane plane, JpegFrame frame)
    {
        this.plane = plane;
        (wide, high) = (frame.Across == 2, frame.Down == 2);
        sums = ArrayPool<short>.Shared.Rent(JpegColour.Before + plane.Width + JpegColour.After);
        row = ArrayPool<byte>.Shared.Rent(2 * plane.Width + 2 * JpegColour.After);
    }

    /// <summary>The row of a row of the picture, with <see cref="JpegColour.After"/> bytes after it that may be read.</summary>
    public ReadOnlySpan<byte> At(int y)
    {
        if (!wide)
        {
            return plane.Row(y);
        }

        if (high)
        {
            // Between its own row and the one above or below, whichever is nearer; at the edges its own.
            var own = y / 2;
            var other = Math.Clamp(y % 2 == 0 ? own - 1 : own + 1, 0, plane.Height - 1);
            JpegColour.Sums(plane.Row(own)[..plane.Width], plane.Row(other)[..plane.Width], sums);
            JpegColour.Widen(sums, plane.Width, shift: 4, row);
        }
        else
        {
            JpegColour.Singles(plane.Row(y)[..plane.Width], sums);
            JpegColour.Widen(sums, plane.Width, shift: 2, row);
        }

        return row;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        ArrayPool<short>.Shared.Return(sums);
        ArrayPool<byte>.Shared.Return(row);
    }
}
