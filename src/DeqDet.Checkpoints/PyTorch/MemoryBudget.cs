namespace DeqDet.Checkpoints.PyTorch;

/// <summary>
/// Keeps the objects built from one file below a limit, so that a small file cannot ask for much memory. Readers charge an
/// estimate before they build something.
/// </summary>
internal sealed class MemoryBudget(string path)
{
    /// <summary>Real checkpoints need a few MB; their numbers are not counted, because they stay in the file.</summary>
    private const long Limit = 32 << 20;

    private long _spent;

    /// <exception cref="CheckpointError">The limit is exceeded.</exception>
    public void Charge(long bytes)
    {
        _spent += bytes;
        if (_spent > Limit)
        {
            throw new CheckpointError(
                path,
                "describes more objects than any checkpoint holds; it is damaged or hostile"
            );
        }
    }
}
