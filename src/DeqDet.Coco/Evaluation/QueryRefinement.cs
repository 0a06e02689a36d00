namespace DeqDet.Coco.Evaluation;

/// <summary>How the query behind a detection was refined.</summary>
/// <param name="Steps">Applications of the refinement head.</param>
/// <param name="Residual">How far the last one still moved it, relative; not finite where it could not be measured.</param>
public sealed record QueryRefinement(int Steps, double Residual);
