using DeqDet.Coco;

namespace DeqDet.Data.Export;

/// <summary>What formats cannot say.</summary>
internal static class ExportLosses
{
    /// <summary>
    /// The parts with the boxes that a format can say, inside their images, and what is lost. YOLO and LabelMe have nothing like a crowd or an
    /// ignored box.
    /// </summary>
    public static (IReadOnlyList<ExportPart>, IReadOnlyList<string>) Representable(
        IReadOnlyList<ExportPart> parts,
        ExportFormat format
    )
    {
        var (clipped, outside, unsaid, thin) = (0, 0, 0, 0);
        IReadOnlyList<ExportPart> kept =
        [
            .. parts.Select(part =>
                part with
                {
                    Images = [.. part.Images.Select(image => image with { Boxes = [.. Said(image)] })],
                }
            ),
        ];
        return (
            kept,
            [
                .. Note(
                    clipped,
                    "box reaches beyond its image and is clipped",
                    "boxes reach beyond their images and are clipped"
                ),
                .. Note(
                    outside,
                    "box lies wholly outside its image and is left out",
                    "boxes lie wholly outside their images and are left out"
                ),
                .. Note(
                    thin,
                    "box is less than 1 px wide or high and is left out: VOC counts whole pixels",
                    "boxes are less than 1 px wide or high and are left out: VOC counts whole pixels"
                ),
                .. format == ExportFormat.Voc
                    ? Note(
                        unsaid,
                        "crowd region or ignored box is written as difficult",
                        "crowd regions and ignored boxes are written as difficult"
                    )
                    : Note(
                        unsaid,
                        "crowd region or ignored box is left out: the format cannot say what it is",
                        "crowd regions and ignored boxes are left out: the format cannot say what they are"
                    ),
            ]
        );

        List<ExportBox> Said(ExportImage image)
        {
            var said = new List<ExportBox>();
            foreach (var box in image.Boxes)
            {
                if (box.Clipped(image.Width, image.Height) is not { } inside)
                {
                    outside++;
                    continue;
                }

                if (format == ExportFormat.Voc && !VocXml.CanSay(inside))
                {
                    thin++;
                    continue;
                }

                var isSpecial = box.IsCrowd || box.IsIgnored;
                unsaid += isSpecial ? 1 : 0;
                if (!isSpecial || format == ExportFormat.Voc)
                {
                    const double noticeable = 1e-3; // px, as where training clips
                    clipped +=
                        box.X < -noticeable
                        || box.Y < -noticeable
                        || box.Right > image.Width + noticeable
                        || box.Bottom > image.Height + noticeable
                            ? 1
                            : 0;
                    said.Add(inside);
                }
            }

            return said;
        }
    }

    /// <summary>A line about outlines, which readers leave behind: an area that is not the box's tells that there was one.</summary>
    public static IReadOnlyList<string> Outlines(ExportSet set)
    {
        var count = set
            .Parts.SelectMany(part => part.Images)
            .SelectMany(image => image.Boxes)
            .Count(box => box.Area is { } area && Math.Abs(area - (box.Width * box.Height)) > 0.5);
        return Note(
            count,
            "box has an area of its own, that of an outline: outlines are not converted",
            "boxes have areas of their own, those of outlines: outlines are not converted"
        );
    }

    private static string[] Note(int count, string one, string many) =>
        count == 0 ? [] : [Counted.Of(count, one, many)];
}
