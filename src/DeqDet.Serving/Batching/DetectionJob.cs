using DeqDet.Images;

namespace DeqDet.Serving.Batching;

/// <summary>What pictures of one batch have in common.</summary>
/// <param name="Width">Width of the network's input, px.</param>
/// <param name="Height">Height of the network's input, px.</param>
/// <param name="Tolerance">The residual at which a query has settled; null: what the model says.</param>
internal readonly record struct BatchKey(int Width, int Height, double? Tolerance);

/// <summary>A picture that waits for its answer.</summary>
/// <param name="picture">The picture.</param>
/// <param name="key">With which others it may go through the network.</param>
/// <param name="arrived">When it came, as the queue's clock counts.</param>
internal sealed class DetectionJob(RgbImage picture, BatchKey key, long arrived)
{
    // what goes on after an answer must not run on the thread that computes
    private readonly TaskCompletionSource<Answer> answer = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public RgbImage Picture { get; } = picture;

    public BatchKey Key { get; } = key;

    public long Arrived { get; } = arrived;

    /// <summary>The batch that it went into; null as long as it waits. Guarded by the queue.</summary>
    public DetectionBatch? Batch { get; set; }

    /// <summary>The answer, when it is there.</summary>
    public Task<Answer> Answer => answer.Task;

    public void Succeed(Answer found) => answer.TrySetResult(found);

    public void Fail(Exception error) => answer.TrySetException(error);
}
