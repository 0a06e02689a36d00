using DeqDet.Detection;

namespace DeqDet.Serving;

/// <summary>What was found in a picture, and what it took.</summary>
/// <param name="Prediction">What was found.</param>
/// <param name="Batch">How many pictures went through the network together.</param>
/// <param name="Waiting">From the arrival to the start of the computation.</param>
/// <param name="Computing">The computation of the whole batch.</param>
public sealed record Answer(Prediction Prediction, int Batch, TimeSpan Waiting, TimeSpan Computing);

/// <summary>There is no room for a picture now; later there may be.</summary>
/// <param name="message">Why.</param>
/// <param name="stopping">Whether the service is about to end, and another one has to be asked.</param>
/// <param name="retryAfter">When to come back.</param>
public sealed class BusyException(string message, bool stopping, TimeSpan retryAfter) : Exception(message)
{
    /// <summary>Whether the service is about to end, and another one has to be asked.</summary>
    public bool IsStopping { get; } = stopping;

    /// <summary>When to come back: whole seconds, at least one.</summary>
    public TimeSpan RetryAfter { get; } = retryAfter;
}
