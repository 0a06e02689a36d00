using DeqDet.Detection;
using DeqDet.Model;
using Microsoft.FSharp.Core;

namespace DeqDet.Serving;

/// <summary>What a service says of its detector, and needs to know of it.</summary>
/// <param name="Classes">The classes behind the labels, in their order.</param>
/// <param name="Thresholds">From which score on detections of each class are taken, unless a request says otherwise.</param>
/// <param name="Steps">Refinement steps, at most; null: the detector has no equilibrium, and nothing is measured of its queries.</param>
/// <param name="Tolerance">The residual at which a query has settled; null: every query takes all steps.</param>
/// <param name="BatchSize">How many pictures its settings take at a time.</param>
public sealed record DetectorFacts(
    IReadOnlyList<ObjectClass> Classes,
    IReadOnlyList<double> Thresholds,
    int? Steps,
    double? Tolerance,
    int BatchSize
)
{
    /// <summary>Whether its queries settle.</summary>
    public bool HasEquilibrium => Steps is not null;

    /// <summary>Those of a model.</summary>
    public static DetectorFacts Of(TrainedModel model)
    {
        var settings = model.Settings.Detector;
        return new(
            model.Classes,
            [.. model.Classes.Select((_, label) => model.Threshold(label))],
            FamilyModule.hasEquilibrium(settings) ? settings.Solver.Steps : null,
            OptionModule.ToNullable(settings.Solver.Tolerance),
            model.Settings.Evaluation.BatchSize
        );
    }
}
