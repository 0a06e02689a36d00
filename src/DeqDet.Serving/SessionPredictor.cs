using DeqDet.Detection;
using DeqDet.Images;
using Microsoft.FSharp.Collections;
using Microsoft.FSharp.Core;

namespace DeqDet.Serving;

/// <summary>The predictions of a session, which stays the caller's and must outlive this.</summary>
/// <param name="session">The open detector; who else asks it waits, and makes others wait.</param>
public sealed class SessionPredictor(DetectorSession session) : IPredictor
{
    private TrainedModel Model => session.Model;

    /// <inheritdoc/>
    public DetectorFacts Facts { get; } = DetectorFacts.Of(session.Model);

    /// <inheritdoc/>
    public (int Width, int Height) InputSize(RgbImage picture) => ImageBatching.sizeOf(Model.Settings.Data, picture);

    /// <inheritdoc/>
    // a budget is a picture's own
    public int Together((int Width, int Height) size, int most) =>
        OptionModule.IsSome(Model.Settings.Detector.Solver.BudgetMs)
            ? 1
            : ImageBatching.together(session.Device.type, most, size);

    /// <inheritdoc/>
    public IReadOnlyList<Prediction> Predict(
        IReadOnlyList<RgbImage> pictures,
        double? tolerance,
        CancellationToken cancellation
    )
    {
        using var batch = ImageBatching.ofImages(Model.Settings.Data, ListModule.OfSeq(pictures));
        if (tolerance is not { } asked)
        {
            return session.Predict(batch, cancellation);
        }

        // the same weights, solved for in another way
        using var other = DetectorSession.Over(TrainedModelModule.solvedWithin(null, asked, Model), session.Device);
        return other.Predict(batch, cancellation);
    }
}
