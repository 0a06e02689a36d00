namespace DeqDet.Communication;

/// <summary>A group of one process: sums are what they are, and there is nobody to wait for.</summary>
public sealed class Alone : ICommunicator
{
    private static readonly Done Finished = new();

    /// <inheritdoc/>
    public int Rank => 0;

    /// <inheritdoc/>
    public int Size => 1;

    /// <inheritdoc/>
    public int LocalRank => 0;

    /// <inheritdoc/>
    public int LocalSize => 1;

    /// <inheritdoc/>
    public void Sum(Span<double> numbers) { }

    /// <inheritdoc/>
    public IPending StartSum(nint data, long count) => Finished;

    /// <inheritdoc/>
    public byte[][] Gather(ReadOnlySpan<byte> mine) => [mine.ToArray()];

    /// <inheritdoc/>
    public void Fail(int exitCode, string message) { }

    /// <inheritdoc/>
    public void Dispose() { }

    private sealed class Done : IPending
    {
        public void Wait() { }
    }
}
