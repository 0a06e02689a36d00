namespace DeqDet.Data;

/// <summary>Which part of every batch one of several processes has.</summary>
/// <param name="Rank">The process, from 0.</param>
/// <param name="Size">Number of processes.</param>
public readonly record struct BatchShare(int Rank, int Size)
{
    /// <summary>One process that has all of it.</summary>
    public static BatchShare All => new(0, 1);

    /// <summary>
    /// The pictures of a batch that belong to the process: shares lie side by side and differ by one picture at most. None where there are
    /// fewer pictures than processes.
    /// </summary>
    /// <param name="batch">Pictures of the batch.</param>
    public (int First, int Count) Of(int batch)
    {
        var first = (int)((long)batch * Rank / Size);
        return (first, (int)((long)batch * (Rank + 1) / Size) - first);
    }
}

/// <summary>Where the pictures of a batch stand in the batch that a training step is made of.</summary>
/// <param name="First">The first one's place.</param>
/// <param name="Files">File names of all pictures of the step, those of other processes included.</param>
/// <param name="Counts">
/// Whether the pictures count. False: there were fewer pictures than processes, and this one keeps company with the first of them, without boxes.
/// </param>
public sealed record BatchPlace(int First, IReadOnlyList<string> Files, bool Counts);
