namespace DeqDet.Data.Check;

/// <summary>Least, middle and greatest of some numbers; zeros where there are none.</summary>
public readonly record struct Spread(int Least, int Median, int Greatest)
{
    /// <summary>Of numbers in any order.</summary>
    public static Spread Of(IEnumerable<int> numbers)
    {
        var sorted = numbers.Order().ToArray();
        return sorted.Length == 0 ? default : new(sorted[0], sorted[sorted.Length / 2], sorted[^1]);
    }
}

/// <summary>How often a category occurs.</summary>
/// <param name="Id">Category id.</param>
/// <param name="Name">Its name.</param>
/// <param name="Boxes">Boxes to train on.</param>
/// <param name="Crowds">Crowd regions.</param>
/// <param name="Images">Images with at least one of its boxes.</param>
public readonly record struct CategoryCount(CocoId Id, string Name, int Boxes, int Crowds, int Images);

/// <summary>What a part of a data set holds: one annotation file and its images.</summary>
public sealed record PartReport
{
    /// <summary>Short name, from the annotation file's.</summary>
    public required string Name { get; init; }

    /// <summary>The files.</summary>
    public required DataPart Files { get; init; }

    /// <summary>Images listed and usable.</summary>
    public required int Images { get; init; }

    /// <summary>Of those, how many have a box to train on.</summary>
    public required int ImagesToTrainOn { get; init; }

    /// <summary>Of the images, how many are at least as wide as high.</summary>
    public required int Landscape { get; init; }

    /// <summary>Stated widths, px.</summary>
    public required Spread Width { get; init; }

    /// <summary>Stated heights, px.</summary>
    public required Spread Height { get; init; }

    /// <summary>Boxes to train on an image.</summary>
    public required Spread BoxesPerImage { get; init; }

    /// <summary>The categories in the order of their labels.</summary>
    public required IReadOnlyList<CategoryCount> Categories { get; init; }

    /// <summary>Boxes by COCO's ranges of the annotated area: below 32^2, below 96^2, and above, px^2.</summary>
    public required (int Small, int Medium, int Large) Sizes { get; init; }

    /// <summary>Entry n: boxes whose side, the root of width times height, is from 2^n to below 2^(n+1) px.</summary>
    public required IReadOnlyList<int> Sides { get; init; }

    /// <summary>Image files found, by format as in "JPEG".</summary>
    public required IReadOnlyList<KeyValuePair<string, int>> Formats { get; init; }

    /// <summary>Boxes to train on.</summary>
    public int Boxes => Categories.Sum(category => category.Boxes);

    /// <summary>Crowd regions.</summary>
    public int Crowds => Categories.Sum(category => category.Crowds);
}

/// <summary>Everything a data check found.</summary>
/// <param name="Parts">The parts.</param>
/// <param name="Issues">What was found, what spoils training first.</param>
/// <param name="Decoded">Whether all pixels were looked at, not only the headers.</param>
public sealed record DataReport(IReadOnlyList<PartReport> Parts, IReadOnlyList<Issue> Issues, bool Decoded)
{
    /// <summary>Whether training should not be started with this data.</summary>
    public bool Spoiled => Issues.Any(issue => issue.Kind.Spoils);
}
