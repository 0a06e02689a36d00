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

    /// <summary>What is wrong with the numbers of a box, or null.</summary>
    public static string? BoxFault(in CocoAnnotation annotation) =>
        annotation.Width < 0 || annotation.Height < 0
            ? FormattableString.Invariant(
                $"\"bbox\" has a negative size ({annotation.Width} x {annotation.Height}); it has to be [x, y, width, height]"
            )
            : null;

    /// <summary>What becomes of a box in its image, and its corners inside.</summary>
    public static (BoxFate Fate, Box Inside) Place(in CocoAnnotation annotation, int width, int height)
    {
        var (right, bottom) = (annotation.X + annotation.Width, annotation.Y + annotation.Height);
        var box = new Box((float)annotation.X, (float)annotation.Y, (float)right, (float)bottom);
        var inside = box.Clipped(width, height);
        if (annotation.Width < 1 || annotation.Height < 1 || annotation.Area <= 0)
        {
            return (BoxFate.Degenerate, inside);
        }

        if (!inside.HasArea)
        {
            return (BoxFate.Outside, inside);
        }

        // Annotation tools round: what sticks out by a thousandth of a pixel is not worth a word.
        const double tolerance = 1e-3;
        var beyond =
            annotation.X < -tolerance
            || annotation.Y < -tolerance
            || right > width + tolerance
            || bottom > height + tolerance;
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
