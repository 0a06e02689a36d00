namespace DeqDet.Serving.Measures;

/// <summary>Bytes that all requests together may hold.</summary>
internal sealed class MemoryBudget(long bytes)
{
    private long held;

    /// <summary>Bytes that are held now.</summary>
    public long Held => Interlocked.Read(ref held);

    /// <summary>The share of one request, which holds nothing yet; it gives back what it holds when it is disposed of.</summary>
    public Share Open() => new(this);

    private bool TryAdd(long more)
    {
        if (Interlocked.Add(ref held, more) <= bytes)
        {
            return true;
        }

        Interlocked.Add(ref held, -more);
        return false;
    }

    /// <summary>What one request holds. For one thread at a time.</summary>
    public sealed class Share(MemoryBudget budget) : IDisposable
    {
        private long own;

        /// <summary>Holds this many bytes from now on; false where there are not enough, and then as before.</summary>
        public bool TryHold(long bytes)
        {
            if (bytes > own && !budget.TryAdd(bytes - own))
            {
                return false;
            }

            if (bytes < own)
            {
                Interlocked.Add(ref budget.held, bytes - own);
            }

            own = bytes;
            return true;
        }

        /// <inheritdoc/>
        public void Dispose() => TryHold(0);
    }
}
