using DeqDet.Model;
using DeqDet.Solver;

namespace DeqDet.Reports.Tracing;

/// <summary>What was traced, and how far.</summary>
/// <param name="Checkpoint">The checkpoint as it was named.</param>
/// <param name="Model">Model and backbone for people.</param>
/// <param name="Queries">Queries of an image.</param>
/// <param name="Trained">Applications of the refinement head for which the checkpoint's settings are made.</param>
/// <param name="Applications">Applications that were followed.</param>
/// <param name="Device">Where it was computed.</param>
public sealed record TraceSubject(
    string Checkpoint,
    string Model,
    int Queries,
    int Trained,
    int Applications,
    string Device
);

/// <summary>What was measured on one image.</summary>
/// <param name="Name">The image as it was named.</param>
/// <param name="Paths">Residuals under each scheme; the first one is plain iteration.</param>
/// <param name="Scores">Best class score of each query where plain iteration ended, 0 to 1.</param>
/// <param name="Spectrum">Spectral radius of the refinement head's Jacobian where plain iteration ended.</param>
public sealed record TracedImage(
    string Name,
    IReadOnlyList<ResidualPath> Paths,
    double[] Scores,
    SpectralReport Spectrum
);

/// <summary>COCO's main numbers, 0 to 1.</summary>
public readonly record struct Accuracy(double Ap, double Ap50, double Ap75);

/// <summary>What the read-out after so many applications of the refinement head is worth.</summary>
public sealed record DepthAccuracy(int Applications, Accuracy Accuracy);

/// <summary>What the read-out is worth when each query stops at a tolerance.</summary>
/// <param name="Tolerance">The residual at which a query stops.</param>
/// <param name="Most">Applications at most.</param>
/// <param name="Updates">Mean number of applications that a query took.</param>
/// <param name="Settled">Share of the queries that came within the tolerance.</param>
/// <param name="Accuracy">Its worth.</param>
public sealed record ToleranceAccuracy(double Tolerance, int Most, double Updates, double Settled, Accuracy Accuracy);

/// <summary>Accuracy on a validation set.</summary>
/// <param name="Data">Folder of the data set.</param>
/// <param name="Images">Images that were judged.</param>
/// <param name="OfImages">Images that the set has.</param>
/// <param name="Depths">By number of applications, ascending.</param>
/// <param name="Tolerances">By greatest number of applications, then by tolerance, descending.</param>
public sealed record TracedAccuracy(
    string Data,
    int Images,
    int OfImages,
    IReadOnlyList<DepthAccuracy> Depths,
    IReadOnlyList<ToleranceAccuracy> Tolerances
);

/// <summary>Everything that was measured: what tables, figures and pages are made of.</summary>
/// <param name="Subject">What was traced.</param>
/// <param name="Images">At least one.</param>
/// <param name="Accuracy">Null where no data set was given.</param>
public sealed record TraceResults(TraceSubject Subject, IReadOnlyList<TracedImage> Images, TracedAccuracy? Accuracy);
