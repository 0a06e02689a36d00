using DeqDet.CommandLine;
using DeqDet.Detection;
using DeqDet.Images;
using DeqDet.Reports.Pages;
using Microsoft.FSharp.Collections;
using Microsoft.FSharp.Core;

namespace DeqDet.Host.Commands;

/// <summary>What is found in pictures, in the way that a command line asks for: in batches, each from the one before, or in tiles.</summary>
public sealed class Predictor : IDisposable
{
    private readonly DetectorSession session;
    private readonly TileSettings? tiles;
    private readonly Predicate<Finding> keeps;
    private readonly FrameSequence? frames;
    private readonly CancellationToken cancellation;

    /// <summary>Prepares for pictures of one source.</summary>
    /// <param name="session">The detector.</param>
    /// <param name="request">What was asked for.</param>
    /// <param name="keeps">Which findings are wanted of tiles.</param>
    /// <param name="cancellation">Ends it.</param>
    public Predictor(
        DetectorSession session,
        DetectRequest request,
        Predicate<Finding> keeps,
        CancellationToken cancellation
    )
    {
        (this.session, this.keeps, this.cancellation) = (session, keeps, cancellation);
        tiles = request.Tiles is { Value: var size } ? new(size, request.Overlap) : null;
        frames = request.WarmStart ? new(session) : null;
        // a budget and a refinement that is followed are an image's own, and a frame begins where the one before it ended
        BatchSize =
            request.WarmStart
            || request.Refinement
            || OptionModule.IsSome(session.Model.Settings.Detector.Solver.BudgetMs)
                ? 1
                : session.Model.Settings.Evaluation.BatchSize;
    }

    /// <summary>Pictures that go through the network together at most.</summary>
    public int BatchSize { get; }

    /// <summary>Pictures that began at the equilibrium of the one before.</summary>
    public int Warm => frames?.Warm ?? 0;

    /// <summary>Pictures whose warm start failed.</summary>
    public int Failed => frames?.Failed ?? 0;

    /// <summary>What is found in each picture, in their order.</summary>
    /// <exception cref="InputError">A picture has too many tiles.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled: a refinement that was cut short is no result.</exception>
    public IEnumerable<Prediction> Each(IEnumerable<RgbImage> images) =>
        frames is { } sequence ? images.Select(image => Next(sequence, image))
        : tiles is { } settings
            ? images.Select(image => TiledPrediction.predict(session, settings, BatchSize, keeps, image, cancellation))
        : session.PredictEach(images, BatchSize, cancellation);

    /// <summary>The same with how each came about.</summary>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public IEnumerable<(Prediction Prediction, FollowedImage Followed)> Follow(IEnumerable<RgbImage> images)
    {
        foreach (var image in images)
        {
            using var batch = session.Batch(ListModule.OfSeq([image]));
            yield return session.Follow(batch, RefinementPage.Queries, keeps, cancellation);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => ((IDisposable?)frames)?.Dispose();

    private Prediction Next(FrameSequence sequence, RgbImage image)
    {
        using var batch = session.Batch(ListModule.OfSeq([image]));
        return sequence.Next(batch, cancellation);
    }
}
