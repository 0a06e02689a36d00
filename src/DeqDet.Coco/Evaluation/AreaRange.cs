namespace DeqDet.Coco.Evaluation;

/// <summary>A size class of objects: areas in px^2, both ends belonging to it.</summary>
public readonly record struct AreaRange(string Label, double Min, double Max)
{
    /// <summary>The range of every object; the plain AP is read here.</summary>
    public const string All = "all";

    /// <summary>COCO's ranges: all, small (up to 32^2), medium (up to 96^2), large.</summary>
    public static IReadOnlyList<AreaRange> Coco { get; } =
    [new(All, 0, 1e10), new("small", 0, 1024), new("medium", 1024, 9216), new("large", 9216, 1e10)];

    /// <summary>True for areas outside of the range.</summary>
    public bool Excludes(double area) => area < Min || area > Max;

    /// <summary>
    /// Reads <c>label=min:max</c>, as in <c>small=0:1024</c>; without a maximum (<c>large=9216:</c>) the range is open.
    /// Raises <see cref="InputError"/>.
    /// </summary>
    public static AreaRange Parse(string text)
    {
        var label = text.Split('=', 2);
        var ends = label[^1].Split(':');
        if (
            label.Length == 2
            && label[0].Trim().Length > 0
            && ends.Length == 2
            && Number(ends[0], out var min)
            && (Number(ends[1], out var max) || (ends[1].Trim().Length == 0 && (max = 1e10) > 0))
        )
        {
            return new AreaRange(label[0].Trim(), min, max);
        }
        throw new InputError($"area range '{text}': write label=min:max in square pixels, as in small=0:1024");
    }

    private static bool Number(string text, out double value) =>
        double.TryParse(text, out value) && double.IsFinite(value);
}
