namespace DeqDet.Coco.Evaluation;

/// <summary>
/// Detected boxes as columns: entry i of every column belongs to detection i. Their order decides between equal scores of one
/// image, as in a results file. Boxes are [x, y, width, height] as in the file: the reference computes overlaps with these four, and a corner
/// x + width is rounded. <paramref name="source"/> (a file name) begins every message.
/// </summary>
public sealed class Detections(string source = "detections")
{
    private readonly Column<CocoId> imageId = new();
    private readonly Column<CocoId> categoryId = new();
    private readonly Column<double> x = new();
    private readonly Column<double> y = new();
    private readonly Column<double> width = new();
    private readonly Column<double> height = new();
    private readonly Column<double> score = new();
    private readonly List<QueryRefinement?> refinement = [];

    /// <summary>Number of detections.</summary>
    public int Count => score.Count;

    /// <summary>Ids of the images.</summary>
    public ReadOnlySpan<CocoId> ImageId => imageId.AsSpan();

    /// <summary>Ids of the categories, those of the annotation file.</summary>
    public ReadOnlySpan<CocoId> CategoryId => categoryId.AsSpan();

    /// <summary>Left edges, px.</summary>
    public ReadOnlySpan<double> X => x.AsSpan();

    /// <summary>Upper edges, px.</summary>
    public ReadOnlySpan<double> Y => y.AsSpan();

    /// <summary>Widths, px.</summary>
    public ReadOnlySpan<double> Width => width.AsSpan();

    /// <summary>Heights, px.</summary>
    public ReadOnlySpan<double> Height => height.AsSpan();

    /// <summary>Scores; any finite scale, higher is surer.</summary>
    public ReadOnlySpan<double> Score => score.AsSpan();

    /// <summary>
    /// Number of detections with a box of negative width or height. They are evaluated as pycocotools does: they overlap nothing, and their
    /// area, width x height, decides on whether they count in a size range (a negative one is in none).
    /// </summary>
    public int NegativeBoxes { get; private set; }

    /// <summary>How the query of a detection was refined; null where that was not recorded.</summary>
    public QueryRefinement? Refinement(int detection) => detection < refinement.Count ? refinement[detection] : null;

    /// <summary>
    /// Adds a detection with what was recorded of its query's refinement, box in pixels of the original image. Raises
    /// <see cref="InputError"/> when a number is not finite.
    /// </summary>
    public void Add(
        CocoId imageId,
        CocoId categoryId,
        double x,
        double y,
        double width,
        double height,
        double score,
        QueryRefinement? refinement
    )
    {
        Add(imageId, categoryId, x, y, width, height, score);
        if (refinement is not null)
        {
            while (this.refinement.Count < Count - 1)
            {
                this.refinement.Add(null);
            }

            this.refinement.Add(refinement);
        }
    }

    /// <summary>
    /// Adds a detection, box in pixels of the original image. Raises <see cref="InputError"/> when a number is not finite.
    /// </summary>
    public void Add(CocoId imageId, CocoId categoryId, double x, double y, double width, double height, double score)
    {
        var fault =
            CocoRules.NumberFault(x, y, width, height) ?? (double.IsFinite(score) ? null : "\"score\" is not finite");
        if (fault is not null)
        {
            throw Error(Count, fault);
        }
        NegativeBoxes += width < 0 || height < 0 ? 1 : 0;
        this.imageId.Add(imageId);
        this.categoryId.Add(categoryId);
        this.x.Add(x);
        this.y.Add(y);
        this.width.Add(width);
        this.height.Add(height);
        this.score.Add(score);
    }

    internal InputError Error(int detection, string message) => new($"{source}: detections[{detection}]: {message}");
}
