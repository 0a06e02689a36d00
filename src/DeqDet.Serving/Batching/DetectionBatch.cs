namespace DeqDet.Serving.Batching;

/// <summary>Pictures that go through the network together.</summary>
internal sealed class DetectionBatch
{
    private readonly CancellationTokenSource cancellation = new();
    private int wanted;

    public DetectionBatch(IReadOnlyList<DetectionJob> jobs)
    {
        (Jobs, wanted) = (jobs, jobs.Count);
        foreach (var job in jobs)
        {
            job.Batch = this;
        }
    }

    /// <summary>At least one, of one key.</summary>
    public IReadOnlyList<DetectionJob> Jobs { get; }

    /// <summary>Cancelled when nobody waits for any of its answers any more.</summary>
    public CancellationToken Cancellation => cancellation.Token;

    /// <summary>Nobody waits for one of its answers any more; for each at most once.</summary>
    public void Abandon()
    {
        if (Interlocked.Decrement(ref wanted) == 0)
        {
            Cancel();
        }
    }

    public void Cancel() => cancellation.Cancel();
}
