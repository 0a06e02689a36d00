namespace DeqDet.Images;

/// <summary>
/// A picture as it will be: another one, resized and then perhaps mirrored. Nothing is computed before the pixels are asked for, so that
/// they can go straight to where they are needed.
/// </summary>
/// <param name="Source">The pixels there are.</param>
/// <param name="Width">Width to be, px.</param>
/// <param name="Height">Height to be, px.</param>
/// <param name="Flip">Whether left and right are exchanged after the resize.</param>
public sealed record ImageView(RgbImage Source, int Width, int Height, bool Flip)
{
    /// <summary>The picture itself.</summary>
    public ImageView(RgbImage source)
        : this(source, source.Width, source.Height, Flip: false) { }

    /// <summary>The view at another size.</summary>
    public ImageView Resized(int width, int height) =>
        (width, height) == (Width, Height) ? this : new(Untouched ? Source : Render(), width, height, Flip: false);

    /// <summary>The view with left and right exchanged.</summary>
    public ImageView Flipped() => this with { Flip = !Flip };

    /// <summary>The pixels, computed at every call.</summary>
    public RgbImage Render()
    {
        var resized = Resize.Bilinear(Source, Width, Height);
        return Flip ? resized.FlippedHorizontally() : resized;
    }

    /// <summary>The rows of <see cref="Render"/>, one after the other.</summary>
    public void Rows<TSink>(ref TSink sink)
        where TSink : struct, IRowSink, allows ref struct => Resize.Rows(Source, Width, Height, Flip, ref sink);

    private bool Untouched => !Flip && (Width, Height) == (Source.Width, Source.Height);
}
