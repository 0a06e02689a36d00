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
    public Example Resized(ResizeLimit limit)
    {
        var (width, height) = limit.Of(View.Width, View.Height);
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
    public Example Cropped(int left, int top, int width, int height)
    {
        var boxes = Array.ConvertAll(Boxes, box => box.Moved(-left, -top).Clipped(width, height));
        return this with
        {
            View = new(View.Render().Cropped(left, top, width, height)),
            Boxes = [.. boxes.Where(box => box.HasArea)],
            Labels = [.. Labels.Where((_, i) => boxes[i].HasArea)],
        };
    }

    /// <summary>Left and right exchanged.</summary>
    public Example Flipped() =>
        this with
        {
            View = View.Flipped(),
            Boxes = Array.ConvertAll(Boxes, box => box with { X1 = View.Width - box.X2, X2 = View.Width - box.X1 }),
        };
}
