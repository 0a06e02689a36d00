namespace DeqDet.Coco;

/// <summary>
/// Looks at many boxes that should be [x, y, width, height] in pixels and says what they look like instead: tools write shares of the image,
/// percent, corners or centres as well. A guess from all boxes together; it changes nothing.
/// </summary>
internal sealed class BoxForm
{
    // Annotation tools round; what sticks out by a pixel is no evidence.
    private const double Tolerance = 1;

    // Of boxes in another form, about half reach beyond their images; of sound ones, a few. (That every box is wider than its distance from
    // the left and higher than that from above is evidence enough for corners.)
    private const int LeastShareBeyond = 5;

    private const double LargerThanRounding = 1.2;
    private const int FewBoxes = 10;

    private int count;
    private int sized;
    private int beyond;
    private bool hasFraction;
    private bool areShares = true;
    private bool arePercent = true;
    private bool areCorners = true;
    private bool areCentres = true;
    private bool fitTurned = true;
    private bool passTheUnit;
    private bool areUnitCorners = true;
    private bool areUnitCentres = true;
    private double farthest;
    private double furthestRatio;

    /// <summary>Takes a box and the size of its image in px, 0 where it is not known.</summary>
    public void Add(double x, double y, double width, double height, int imageWidth, int imageHeight)
    {
        count++;
        var (right, bottom) = (x + width, y + height);
        var least = Math.Min(Math.Min(x, y), Math.Min(width, height));
        var most = Math.Max(Math.Max(x, y), Math.Max(width, height));
        var isOrdered = width > x && height > y;
        hasFraction |= IsFraction(x) || IsFraction(y) || IsFraction(width) || IsFraction(height);
        areShares &= least >= 0 && most <= 1;
        if (areShares)
        {
            passTheUnit |= right > 1.001 || bottom > 1.001;
            areUnitCorners &= isOrdered;
            areUnitCentres &= Inside(x, width, 1, 0.001) && Inside(y, height, 1, 0.001);
        }
        if (imageWidth <= 0 || imageHeight <= 0)
        {
            return;
        }
        sized++;
        arePercent &= least >= 0 && right <= 100.5 && bottom <= 100.5 && Math.Min(imageWidth, imageHeight) >= 150;
        farthest = Math.Max(farthest, Math.Max(right, bottom));
        beyond += right > imageWidth + Tolerance || bottom > imageHeight + Tolerance ? 1 : 0;
        areCorners &= isOrdered && least >= -Tolerance && Fit(width, height, imageWidth, imageHeight);
        areCentres &= Inside(x, width, imageWidth, Tolerance) && Inside(y, height, imageHeight, Tolerance);
        fitTurned &= Fit(right, bottom, imageHeight, imageWidth);
        furthestRatio = Math.Max(furthestRatio, Math.Max(right / imageWidth, bottom / imageHeight));
    }

    /// <summary>What the boxes look like, after a subject such as "the boxes"; null where they look as they should.</summary>
    public string? Look()
    {
        if (count > 0 && areShares && hasFraction)
        {
            var form =
                passTheUnit && areUnitCorners ? ", as corners (x1, y1, x2, y2)"
                : passTheUnit && areUnitCentres ? ", as (centre x, centre y, width, height)"
                : "";
            return $"look like shares of the image (normalised, all between 0 and 1){form}, not like [x, y, width, height] in pixels; "
                + "multiply them by the width and height of their images";
        }
        if (arePercent && farthest >= 60 && sized >= (hasFraction ? 2 : FewBoxes))
        {
            return "look like percent of the image (all between 0 and 100), not like [x, y, width, height] in pixels";
        }
        if (beyond == 0)
        {
            return null;
        }
        var evidence = $"{beyond} of {sized} would reach beyond {(sized == 1 ? "its image" : "their images")}";
        return areCorners ? $"look like corners (x1, y1, x2, y2), not like [x, y, width, height]: {evidence} otherwise"
            : beyond * LeastShareBeyond < sized ? null
            : areCentres
                ? $"look like (centre x, centre y, width, height), not like [x, y, width, height]: {evidence} otherwise"
            : fitTurned ? $"look like boxes of images whose width and height are exchanged: {evidence} otherwise"
            : furthestRatio >= LargerThanRounding && sized > 1
                ? FormattableString.Invariant(
                    $"look like boxes of larger images, up to {furthestRatio:0.#} times the size that is stated: {evidence}"
                )
            : null;
    }

    private static bool IsFraction(double number) => number != Math.Floor(number);

    private static bool Fit(double right, double bottom, int width, int height) =>
        right <= width + Tolerance && bottom <= height + Tolerance;

    // Whether a length around its centre lies between 0 and the end.
    private static bool Inside(double centre, double length, double end, double tolerance) =>
        length >= 0 && centre - (length / 2) >= -tolerance && centre + (length / 2) <= end + tolerance;
}
