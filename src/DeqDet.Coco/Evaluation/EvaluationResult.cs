namespace DeqDet.Coco.Evaluation;

/// <summary>Numbers of things evaluated. Boxes include crowds; detections are those of evaluated images and categories.</summary>
public readonly record struct EvaluationCounts(int Images, int Categories, int Boxes, int Crowds, int Detections);

/// <summary>
/// Everything an evaluation finds. The arrays are flat, the last axis running fastest: T IoU thresholds, R recall points, K classes,
/// A size ranges, M maximums of detections, in the order of <see cref="Parameters"/> and <see cref="Classes"/>.
/// Entries of classes without a box to be found in a size range are -1.
/// </summary>
public sealed class EvaluationResult
{
    internal EvaluationResult(
        EvaluationParameters parameters,
        IReadOnlyList<ObjectClass> classes,
        EvaluationCounts counts,
        IReadOnlyList<int> boxesOfClass,
        IReadOnlyList<string> notes
    )
    {
        Parameters = parameters;
        Classes = classes;
        Counts = counts;
        BoxesOfClass = boxesOfClass;
        Notes = notes;
        PrecisionShape =
        [
            parameters.IouThresholds.Count,
            parameters.RecallPoints.Count,
            classes.Count,
            parameters.AreaRanges.Count,
            parameters.MaxDetections.Count,
        ];
        RecallShape = [PrecisionShape[0], .. PrecisionShape.Skip(2)];
        Precision = Unknown(PrecisionShape);
        Scores = Unknown(PrecisionShape);
        Recall = Unknown(RecallShape);
    }

    /// <summary>The parameters as used, with the ids of the evaluated images and categories filled in.</summary>
    public EvaluationParameters Parameters { get; }

    /// <summary>The evaluated classes by ascending id; a single one with id -1 in a class-agnostic evaluation.</summary>
    public IReadOnlyList<ObjectClass> Classes { get; }

    /// <summary>How much was evaluated.</summary>
    public EvaluationCounts Counts { get; }

    /// <summary>Boxes to be found of each class (crowds not among them).</summary>
    public IReadOnlyList<int> BoxesOfClass { get; }

    /// <summary>What a reader of the numbers should know, a sentence each.</summary>
    public IReadOnlyList<string> Notes { get; }

    /// <summary>[T, R, K, A, M]: interpolated precision at each recall point.</summary>
    public double[] Precision { get; }

    /// <summary>[T, R, K, A, M]: score of the detection at which each recall point is reached.</summary>
    public double[] Scores { get; }

    /// <summary>[T, K, A, M]: highest recall reached.</summary>
    public double[] Recall { get; }

    /// <summary>T, R, K, A, M.</summary>
    public IReadOnlyList<int> PrecisionShape { get; }

    /// <summary>T, K, A, M.</summary>
    public IReadOnlyList<int> RecallShape { get; }

    /// <summary>The summary: for the standard parameters COCO's 12 numbers, in their usual order.</summary>
    public IReadOnlyList<Statistic> Statistics { get; internal set; } = [];

    /// <summary>The same numbers for each class; the plain AP is read at the last maximum of detections.</summary>
    public IReadOnlyList<ClassStatistics> PerClass { get; internal set; } = [];

    /// <summary>A number of the summary by name, as in "AP50"; raises KeyNotFoundException for other names.</summary>
    public double this[string name] =>
        Statistics.Where(s => s.Name == name).Select(s => (double?)s.Value).FirstOrDefault()
        ?? throw new KeyNotFoundException($"no statistic is called {name}");

    /// <summary>Position in <see cref="Precision"/> and <see cref="Scores"/>.</summary>
    public int PrecisionIndex(int t, int r, int k, int a, int m) =>
        (((((((t * PrecisionShape[1]) + r) * PrecisionShape[2]) + k) * PrecisionShape[3]) + a) * PrecisionShape[4]) + m;

    /// <summary>Position in <see cref="Recall"/>.</summary>
    public int RecallIndex(int t, int k, int a, int m) =>
        (((((t * RecallShape[1]) + k) * RecallShape[2]) + a) * RecallShape[3]) + m;

    private static double[] Unknown(IReadOnlyList<int> shape)
    {
        var array = new double[shape.Aggregate(1, (product, length) => checked(product * length))];
        Array.Fill(array, -1);
        return array;
    }
}
