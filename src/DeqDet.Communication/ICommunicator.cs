namespace DeqDet.Communication;

/// <summary>
/// One process's end of a group of processes that train together. Every process makes the same calls in the same order, from one
/// thread; what differs is only the data. A group of one is <see cref="Alone"/>.
/// </summary>
/// <remarks>
/// <see cref="Sum"/>, <see cref="IPending.Wait"/> and <see cref="Gather"/> throw <see cref="ProcessLostException"/> within seconds when
/// another process has failed or is gone. Afterwards the group is of no further use: save what is to be saved, and end.
/// </remarks>
public interface ICommunicator : IDisposable
{
    /// <summary>The number of this process, from 0.</summary>
    int Rank { get; }

    /// <summary>How many processes there are.</summary>
    int Size { get; }

    /// <summary>The number of this process among those of its machine, from 0.</summary>
    int LocalRank { get; }

    /// <summary>How many processes of the group this machine has.</summary>
    int LocalSize { get; }

    /// <summary>Sums numbers over all processes, in place. Every process gets the same bits.</summary>
    /// <param name="numbers">As many in every process.</param>
    /// <exception cref="ProcessLostException">Another process has failed or is gone.</exception>
    void Sum(Span<double> numbers);

    /// <summary>
    /// Begins to sum float32 numbers in host memory over all processes, in place, while the caller computes. Several sums may be under
    /// way; all processes start them in the same order. Every process gets the same bits.
    /// </summary>
    /// <param name="data">Address of the first number: not to be touched, nor freed, before <see cref="IPending.Wait"/> has returned.</param>
    /// <param name="count">How many there are, as many in every process.</param>
    IPending StartSum(nint data, long count);

    /// <summary>What every process gives, by rank, in every process. Lengths may differ.</summary>
    /// <param name="mine">What this process gives.</param>
    /// <exception cref="ProcessLostException">Another process has failed or is gone.</exception>
    byte[][] Gather(ReadOnlySpan<byte> mine);

    /// <summary>
    /// Tells the other processes why this one ends, as far as it can: what they wait for throws then, with this exit code and message.
    /// Never throws and never waits for long.
    /// </summary>
    /// <param name="exitCode">The exit code of this process, which the others take over.</param>
    /// <param name="message">What a person reads.</param>
    void Fail(int exitCode, string message);
}

/// <summary>A sum that is under way.</summary>
public interface IPending
{
    /// <summary>Returns when the sum is there; at once when it has been waited for already.</summary>
    /// <exception cref="ProcessLostException">Another process has failed or is gone.</exception>
    void Wait();
}
