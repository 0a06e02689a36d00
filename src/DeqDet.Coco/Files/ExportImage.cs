namespace DeqDet.Coco;

/// <summary>A box to be written into a file of labels, whatever its format.</summary>
/// <param name="Id">Annotation id; formats other than COCO's have none.</param>
/// <param name="Label">Class, from 0.</param>
/// <param name="X">Left edge, px.</param>
/// <param name="Y">Upper edge, px.</param>
/// <param name="Width">Width, px.</param>
/// <param name="Height">Height, px.</param>
public readonly record struct ExportBox(CocoId Id, int Label, double X, double Y, double Width, double Height)
{
    /// <summary>Area of the object, px^2; null: that of the box.</summary>
    public double? Area { get; init; }

    /// <summary>Whether it is a region of many objects.</summary>
    public bool IsCrowd { get; init; }

    /// <summary>Whether it is marked to be ignored.</summary>
    public bool IsIgnored { get; init; }

    /// <summary>How sure a detector is of it, 0 to 1; null: a person said so.</summary>
    public double? Score { get; init; }

    /// <summary>How far its query was from a fixed point; null where that was not measured.</summary>
    public double? Residual { get; init; }

    /// <summary>Right edge, px.</summary>
    public double Right => X + Width;

    /// <summary>Lower edge, px.</summary>
    public double Bottom => Y + Height;

    /// <summary>
    /// The box as far as it lies in an image of the given size; null where it is wholly outside. A box without width or height is inside where its
    /// place is.
    /// </summary>
    public ExportBox? Clipped(int width, int height)
    {
        if (
            X >= width
            || Y >= height
            || Right <= 0 && Width > 0
            || Bottom <= 0 && Height > 0
            || Right < 0
            || Bottom < 0
        )
        {
            return null;
        }

        var (left, top) = (Math.Max(X, 0), Math.Max(Y, 0));
        var (right, bottom) = (Math.Min(Right, width), Math.Min(Bottom, height));
        // what lies inside keeps its numbers to the last digit
        return this with
        {
            X = left,
            Y = top,
            Width = left == X && right == Right ? Width : right - left,
            Height = top == Y && bottom == Bottom ? Height : bottom - top,
        };
    }
}

/// <summary>An image with its boxes, to be written.</summary>
/// <param name="Id">Its id; formats other than COCO's have none.</param>
/// <param name="Name">Path relative to the images' folder, with slashes.</param>
/// <param name="Width">Width, px.</param>
/// <param name="Height">Height, px.</param>
/// <param name="Boxes">Its boxes.</param>
public sealed record ExportImage(CocoId Id, string Name, int Width, int Height, IReadOnlyList<ExportBox> Boxes)
{
    /// <summary>The image file; null: it has its name in the folder of its part.</summary>
    public string? Source { get; init; }

    /// <summary>The images of an annotation file in its order, each with its boxes; those without a usable name or size are left out.</summary>
    public static IReadOnlyList<ExportImage> Of(AnnotationFile file)
    {
        var boxes = file.Images.Select(_ => new List<ExportBox>()).ToArray();
        for (var i = 0; i < file.Count; i++)
        {
            boxes[file.Image[i]]
                .Add(
                    new(file.Id[i], file.Label[i], file.X[i], file.Y[i], file.Width[i], file.Height[i])
                    {
                        Area = file.Area[i],
                        IsCrowd = file.IsCrowd[i],
                        IsIgnored = file.IsIgnored[i],
                    }
                );
        }

        return
        [
            .. file
                .Images.Select(
                    (image, i) =>
                        (
                            image,
                            labelled: new ExportImage(image.Id, image.FileName, image.Width, image.Height, boxes[i])
                        )
                )
                .Where(entry => entry.image.IsUsable)
                .Select(entry => entry.labelled),
        ];
    }
}
