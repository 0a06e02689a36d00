namespace DeqDet.Images;

/// <summary>Limits of a keep-ratio resize: the short side may reach Short, the long one Long, px.</summary>
public readonly record struct ResizeLimit(int Short, int Long)
{
    /// <summary>
    /// The size a picture takes: as large as both limits allow, its ratio kept, rounded half up
    /// (the rule of mmcv's <c>rescale_size</c>); at least 1 px a side.
    /// </summary>
    public (int Width, int Height) Of(int width, int height)
    {
        var factor = Math.Min(
            (double)Math.Max(Short, Long) / Math.Max(width, height),
            (double)Math.Min(Short, Long) / Math.Min(width, height)
        );
        return (Math.Max((int)(width * factor + 0.5), 1), Math.Max((int)(height * factor + 0.5), 1));
    }
}
