using DeqDet.Images;

namespace DeqDet.Serving;

/// <summary>What a service allows and how it batches.</summary>
public sealed record ServingOptions
{
    /// <summary>What the page calls the detector: its checkpoint, mostly.</summary>
    public string Name { get; init; } = "a detector";

    /// <summary>Most pictures that go through the network together, from 1 on; null: as many as the model's settings say.</summary>
    public int? BatchSize { get; init; }

    /// <summary>How long the first picture of a batch waits for others while nothing else is computed, 0 to 1 s.</summary>
    public TimeSpan BatchWindow { get; init; } = TimeSpan.FromMilliseconds(5);

    /// <summary>Most pictures that wait, from 1 on; more are refused until some are done.</summary>
    public int QueueLength { get; init; } = 64;

    /// <summary>How long a picture may take to arrive, and then to be answered.</summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Largest body of a request, bytes; at most those of the largest file that is read.</summary>
    public long MaxBodyBytes { get; init; } = 32L << 20;

    /// <summary>Most pixels of a picture; it is refused before any is decoded.</summary>
    public long MaxPixels { get; init; } = 50_000_000;

    /// <summary>Bytes that all requests together may hold: their bodies, then their pixels at three bytes each.</summary>
    public long MemoryBytes { get; init; } = 512L << 20;

    /// <summary>Least score of a detection where a request says nothing; null: what the model says for each class.</summary>
    public double? Threshold { get; init; }

    /// <summary>These options, if each is within its range.</summary>
    /// <exception cref="ArgumentOutOfRangeException">One is not.</exception>
    internal ServingOptions Checked()
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(BatchSize ?? 1, 1, nameof(BatchSize));
        ArgumentOutOfRangeException.ThrowIfLessThan(BatchWindow, TimeSpan.Zero, nameof(BatchWindow));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(BatchWindow, TimeSpan.FromSeconds(1), nameof(BatchWindow));
        ArgumentOutOfRangeException.ThrowIfLessThan(QueueLength, 1, nameof(QueueLength));
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(Timeout, TimeSpan.Zero, nameof(Timeout));
        ArgumentOutOfRangeException.ThrowIfLessThan(MaxBodyBytes, 1, nameof(MaxBodyBytes));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(MaxBodyBytes, ImageFile.MaxFileBytes, nameof(MaxBodyBytes));
        ArgumentOutOfRangeException.ThrowIfLessThan(MaxPixels, 1, nameof(MaxPixels));
        // the largest picture alone
        ArgumentOutOfRangeException.ThrowIfLessThan(MemoryBytes, MaxBodyBytes + 3 * MaxPixels, nameof(MemoryBytes));
        return this;
    }
}
