using DeqDet.Coco;
using DeqDet.Images;

namespace DeqDet.Data;

/// <summary>
/// A picture with its boxes, and how it came from the file: <see cref="ScaleX"/> and <see cref="ScaleY"/> are the present size over the
/// original one, cropping apart. The functions give new examples in which every box has followed its pixels.
/// </summary>
/// <param name="View">The picture.</param>
/// <param name="Boxes">Boxes in its pixels.</param>
/// <param name="Labels">Their classes, from 0.</param>
/// <param name="ScaleX">Horizontal scale factor.</param>
/// <param name="ScaleY">Vertical scale factor.</param>
public sealed record Example(ImageView View, Box[] Boxes, int[] Labels, float ScaleX = 1, float ScaleY = 1)
{
    /// <summary>A picture as it comes from its file.</summary>
    public Example(RgbImage image, Box[] boxes, int[] labels)
        : this(new ImageView(image), boxes, labels) { }

    /// <summary>Resized with its ratio kept; boxes are clipped to the picture.</summary>
    public Example Resized(ResizeLimit limit) => Resized(limit.Of(View.Width, View.Height));

    /// <summary>A size times a factor, px; at least 1 px a side.</summary>
    public static (int Width, int Height) ZoomedSize((int Width, int Height) size, double factor) =>
        (Math.Max((int)(size.Width * factor + 0.5), 1), Math.Max((int)(size.Height * factor + 0.5), 1));

    /// <summary>Resized with its ratio kept, to a factor of what the limits give.</summary>
    public Example Zoomed(ResizeLimit limit, double factor) =>
        Resized(ZoomedSize(limit.Of(View.Width, View.Height), factor));

    /// <summary>
    /// A window of at most the given size at a random place. Boxes are clipped to it; those of which less than a quarter is left are dropped,
    /// since what they show can hardly be told.
    /// </summary>
    /// <param name="width">Most width, px.</param>
    /// <param name="height">Most height, px.</param>
    /// <param name="place">Uniform numbers in [0, 1): where the window lies among all places, x and y.</param>
    public Example Window(int width, int height, (double X, double Y) place)
    {
        if (View.Width <= width && View.Height <= height)
        {
            return this;
        }

        var (wide, high) = (Math.Min(width, View.Width), Math.Min(height, View.Height));
        var left = (int)(place.X * (View.Width - wide + 1));
        var top = (int)(place.Y * (View.Height - high + 1));
        return Cropped(left, top, wide, high, LeastLeft);
    }

    // Part of a box's area that a window has to keep.
    private const float LeastLeft = 0.25f;

    private Example Resized((int Width, int Height) size)
    {
        var (width, height) = size;
        var (x, y) = ((float)((double)width / View.Width), (float)((double)height / View.Height));
        return this with
        {
            View = View.Resized(width, height),
            Boxes = Array.ConvertAll(Boxes, box => box.Scaled(x, y).Clipped(width, height)),
            ScaleX = ScaleX * x,
            ScaleY = ScaleY * y,
        };
    }

    /// <summary>Cropped; boxes are clipped to what is left, those of which nothing is left are dropped.</summary>
    public Example Cropped(int left, int top, int width, int height) => Cropped(left, top, width, height, 0);

    private Example Cropped(int left, int top, int width, int height, float least)
    {
        var boxes = Array.ConvertAll(Boxes, box => box.Moved(-left, -top).Clipped(width, height));
        return this with
        {
            View = new(View.Render().Cropped(left, top, width, height)),
            Boxes = [.. boxes.Where((_, i) => IsLeft(i))],
            Labels = [.. Labels.Where((_, i) => IsLeft(i))],
        };

        bool IsLeft(int i) =>
            boxes[i].HasArea && boxes[i].Width * boxes[i].Height >= least * Boxes[i].Width * Boxes[i].Height;
    }

    /// <summary>Left and right exchanged.</summary>
    public Example Flipped() =>
        this with
        {
            View = View.Flipped(),
            Boxes = Array.ConvertAll(Boxes, box => box with { X1 = View.Width - box.X2, X2 = View.Width - box.X1 }),
        };

    /// <summary>Top and bottom exchanged.</summary>
    public Example FlippedVertically() =>
        this with
        {
            View = new(View.Render().FlippedVertically()),
            Boxes = Array.ConvertAll(Boxes, box => box with { Y1 = View.Height - box.Y2, Y2 = View.Height - box.Y1 }),
        };
}
