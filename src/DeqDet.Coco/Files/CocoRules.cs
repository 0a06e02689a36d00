namespace DeqDet.Coco;

/// <summary>What becomes of an annotated box.</summary>
public enum BoxFate
{
    /// <summary>It is used as it is.</summary>
    Kept,

    /// <summary>It reaches beyond its image and is clipped to it.</summary>
    Clipped,

    /// <summary>It lies wholly outside its image and is dropped.</summary>
    Outside,

    /// <summary>It is less than 1 px wide or high, or has no area, and is dropped.</summary>
    Degenerate,
}

/// <summary>What is right and wrong with single records of an annotation file: the only place of these rules.</summary>
public static class CocoRules
{
    /// <summary>Largest side an image may state, px.</summary>
    public const int MaxSide = 1 << 20;

    /// <summary>What is wrong with the size that an image states, or null.</summary>
    public static string? SizeFault(in CocoImage image)
    {
        var (width, height) = (image.Width, image.Height);
        return width < 1 || height < 1 ? $"the size {width} x {height} is not positive; write the image's pixels"
            : width > MaxSide || height > MaxSide || width * height > ImageLimits.MaxPixels
                ? $"{width} x {height} pixels are more than the {ImageLimits.MaxPixels / 1_000_000} million that are read; correct the size"
            : null;
    }

    /// <summary>What is wrong with an image's file name, which has to stay inside the image folder on every system, or null.</summary>
    public static string? NameFault(string name) =>
        NameFaultOf(name) is { } fault ? $"file_name \"{Shown(name)}\" {fault}" : null;

    /// <summary>Says so if not all numbers of a box are finite; else null.</summary>
    public static string? NumberFault(double x, double y, double width, double height) =>
        double.IsFinite(x) && double.IsFinite(y) && double.IsFinite(width) && double.IsFinite(height)
            ? null
            : "\"bbox\" holds a number that is not finite";

    /// <summary>What is wrong with the size of an annotated box, or null. Sizes of zero are fine: such a box overlaps nothing.</summary>
    public static string? BoxFault(double width, double height) =>
        width < 0 || height < 0
            ? FormattableString.Invariant(
                $"\"bbox\" has a negative size ({width} x {height}); it has to be [x, y, width, height]"
            )
            : null;

    /// <summary>What is wrong with a stated area, or null.</summary>
    public static string? AreaFault(double area) =>
        double.IsFinite(area) && area >= 0
            ? null
            : FormattableString.Invariant($"\"area\" is {area}; it has to be zero or more");

    /// <summary>What becomes of a box in its image, and its corners inside.</summary>
    /// <param name="x">Left edge, px.</param>
    /// <param name="y">Upper edge, px.</param>
    /// <param name="boxWidth">Width of the box, px.</param>
    /// <param name="boxHeight">Height of the box, px.</param>
    /// <param name="area">Area of the object, px^2.</param>
    /// <param name="width">Width of the image, px.</param>
    /// <param name="height">Height of the image, px.</param>
    public static (BoxFate Fate, Box Inside) Place(
        double x,
        double y,
        double boxWidth,
        double boxHeight,
        double area,
        int width,
        int height
    )
    {
        var (right, bottom) = (x + boxWidth, y + boxHeight);
        var box = new Box((float)x, (float)y, (float)right, (float)bottom);
        var inside = box.Clipped(width, height);
        if (boxWidth < 1 || boxHeight < 1 || area <= 0)
        {
            return (BoxFate.Degenerate, inside);
        }

        if (!inside.HasArea)
        {
            return (BoxFate.Outside, inside);
        }

        // Annotation tools round: what sticks out by a thousandth of a pixel is not worth a word.
        const double tolerance = 1e-3;
        var beyond = x < -tolerance || y < -tolerance || right > width + tolerance || bottom > height + tolerance;
        return (beyond ? BoxFate.Clipped : BoxFate.Kept, inside);
    }

    private static string? NameFaultOf(string name)
    {
        if (string.IsNullOrWhiteSpace(name))
        {
            return "is empty; name the image file";
        }

        var parts = name.Split('/', '\\');
        var absolute = parts[0].Length == 0 || parts[0].Contains(':') || Path.IsPathRooted(name);
        var windows = name.Contains('\\') || parts[0].Contains(':');
        return absolute
                ? $"is an absolute {(windows ? "Windows path" : "path")}; name files relative to the image folder"
            : parts.Contains("..")
                ? $"leaves the image folder with \"..\"{(windows ? ", as a Windows path" : "")}; name files below the image folder"
            : name.Any(char.IsControl) ? "holds control characters; rename the file"
            : null;
    }

    private static string Shown(string name)
    {
        var shown = name.Length > 60 ? name[..60] + "..." : name;
        return string.Concat(shown.Select(c => char.IsControl(c) ? '?' : c));
    }
}
