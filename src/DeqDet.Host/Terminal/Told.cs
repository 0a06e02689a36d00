namespace DeqDet.Host.Terminal;

/// <summary>Progress that is told at once, on the thread that reports it; <see cref="Progress{T}"/> posts it elsewhere.</summary>
public sealed class Told(Action<int> tell) : IProgress<int>
{
    /// <inheritdoc/>
    public void Report(int value) => tell(value);
}
