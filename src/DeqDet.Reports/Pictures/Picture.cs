using DeqDet.Coco;
using DeqDet.Detection;
using DeqDet.Images;
using DeqDet.Settings;
using SkiaSharp;

namespace DeqDet.Reports;

/// <summary>A picture for people: images with boxes, side by side, or many on a sheet. Equal input gives equal pixels.</summary>
/// <param name="Image">Its pixels.</param>
public sealed record Picture(RgbImage Image)
{
    /// <summary>Images smaller than this are enlarged before something is written on them; longer side, px.</summary>
    public const int LeastSide = 480;

    private const int Margin = 10;
    private const float HeadingCapital = 11;
    private const int HeadingHeight = 30;

    /// <summary>An image with boxes; it is enlarged by a whole number if captions would not be readable otherwise.</summary>
    /// <param name="image">The image.</param>
    /// <param name="boxes">Later ones are drawn over earlier ones.</param>
    public static Picture Annotate(RgbImage image, IReadOnlyList<DrawnBox> boxes)
    {
        var longest = Math.Max(image.Width, image.Height);
        var times = (LeastSide + longest - 1) / longest;
        using var drawing = new Drawing(image.Width * times, image.Height * times, Palette.Ground);
        drawing.Put(image, 0, 0, times);
        var painter = new BoxPainter(drawing.Canvas, image.Width * times, image.Height * times);
        painter.Paint([.. boxes.Select(drawn => drawn with { Box = drawn.Box.Scaled(times, times) })]);
        return new(drawing.Finish());
    }

    /// <summary>An image with what was found in it, the surest on top.</summary>
    public static Picture OfFindings(RgbImage image, IEnumerable<Finding> found) =>
        Annotate(
            image,
            [
                .. found
                    .OrderBy(finding => finding.Score)
                    .Select(finding => new DrawnBox(finding.Box, finding.Label, finding.Name, finding.Score)),
            ]
        );

    /// <summary>Two pictures with headings, the truth at the left.</summary>
    public static Picture Beside(Picture truth, Picture detections) =>
        Framed([(truth, "truth"), (detections, "detections")]);

    /// <summary>Pictures with headings in a row on a dark ground.</summary>
    /// <param name="panels">At least one.</param>
    public static Picture Framed(IReadOnlyList<(Picture Picture, string Heading)> panels)
    {
        var width = panels.Sum(panel => panel.Picture.Image.Width) + Margin * (panels.Count + 1);
        var height = panels.Max(panel => panel.Picture.Image.Height) + HeadingHeight + Margin;
        using var drawing = new Drawing(width, height, Palette.Ground);
        var x = Margin;
        foreach (var (picture, heading) in panels)
        {
            var y = (HeadingHeight - HeadingCapital) / 2;
            TextFont.Draw(drawing.Canvas, heading, x, y, HeadingCapital, Palette.Heading);
            drawing.Put(picture.Image, x, HeadingHeight);
            x += picture.Image.Width + Margin;
        }
        return new(drawing.Finish());
    }

    /// <summary>Many pictures on one sheet, row by row, in columns as wide as the widest.</summary>
    /// <param name="pictures">At least one.</param>
    /// <param name="columns">Pictures in a row, at least one.</param>
    public static Picture Sheet(IReadOnlyList<Picture> pictures, int columns)
    {
        columns = Math.Min(columns, pictures.Count);
        var rows = pictures.Chunk(columns).ToList();
        var cellWidth = pictures.Max(picture => picture.Image.Width);
        var heights = rows.Select(row => row.Max(picture => picture.Image.Height)).ToList();
        using var drawing = new Drawing(
            columns * (cellWidth + Margin) + Margin,
            heights.Sum() + Margin * (rows.Count + 1),
            Palette.Ground
        );
        var top = Margin;
        for (var r = 0; r < rows.Count; top += heights[r] + Margin, r++)
        {
            for (var c = 0; c < rows[r].Length; c++)
            {
                drawing.Put(rows[r][c].Image, Margin + c * (cellWidth + Margin), top);
            }
        }
        return new(drawing.Finish());
    }

    /// <summary>Writes a PNG file; the name stands for a whole file at any time.</summary>
    /// <exception cref="InputError">The file cannot be written.</exception>
    public void Save(string path)
    {
        var png = ToPng();
        AtomicFile.Write(path, stream => stream.Write(png));
    }

    /// <summary>The bytes of a PNG file.</summary>
    public byte[] ToPng()
    {
        var info = new SKImageInfo(Image.Width, Image.Height, SKColorType.Rgba8888, SKAlphaType.Opaque);
        using var image = SKImage.FromPixelCopy(info, Drawing.WithAlpha(Image.Pixels));
        using var pixels = image.PeekPixels();
        // one filter and the shortest search: a fifth of the time for a tenth more bytes, and detection waits for it
        using var data = pixels.Encode(new SKPngEncoderOptions(SKPngEncoderFilterFlags.Paeth, 1));
        return data!.ToArray();
    }
}
