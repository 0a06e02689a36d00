namespace DeqDet.Coco.Evaluation;

/// <summary>A growing array that shows its entries as a span.</summary>
internal sealed class Column<T>
{
    private T[] entries = [];

    public int Count { get; private set; }

    public void Add(T entry)
    {
        if (Count == entries.Length)
        {
            Array.Resize(ref entries, Math.Max(1024, entries.Length * 2));
        }
        entries[Count++] = entry;
    }

    public Span<T> AsSpan() => entries.AsSpan(0, Count);

    /// <summary>Keeps only the entries whose key is not negative, in their order.</summary>
    public void Keep(ReadOnlySpan<int> keys)
    {
        var kept = 0;
        for (var i = 0; i < keys.Length; i++)
        {
            if (keys[i] >= 0)
            {
                entries[kept++] = entries[i];
            }
        }
        Count = kept;
    }
}
