namespace DeqDet.Communication;

/// <summary>
/// Another process of the group has failed or is gone, so that this one cannot go on: its state can still be saved.
/// </summary>
/// <param name="exitCode">What this process should end with: the other's own code where it gave one, else 1.</param>
/// <param name="message">Names the process, its machine, and what it gave as the reason.</param>
public sealed class ProcessLostException(int exitCode, string message) : Exception(message)
{
    /// <summary>What this process should end with.</summary>
    public int ExitCode { get; } = exitCode;
}
