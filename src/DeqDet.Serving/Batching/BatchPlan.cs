namespace DeqDet.Serving.Batching;

/// <summary>Which of the pictures that wait go through the network next: a pure function of the queue and the time.</summary>
internal static class BatchPlan
{
    /// <summary>
    /// The next batch. The oldest picture goes when it has waited for the window, together with the oldest others of its key; before that a
    /// batch goes as soon as it is full.
    /// </summary>
    /// <param name="waiting">Key and age of all that wait, the oldest first; at least one.</param>
    /// <param name="window">How long the oldest waits for others.</param>
    /// <param name="limit">How many of a key make a full batch, at least 1.</param>
    /// <returns>The batch's places in the list, ascending; or none, and how long to wait unless something changes.</returns>
    public static (IReadOnlyList<int> Batch, TimeSpan Wait) Next(
        IReadOnlyList<(BatchKey Key, TimeSpan Age)> waiting,
        TimeSpan window,
        Func<BatchKey, int> limit
    )
    {
        var groups = Enumerable
            .Range(0, waiting.Count)
            .GroupBy(place => waiting[place].Key)
            .Select(group => (Places: group.ToList(), Limit: limit(group.Key)))
            .ToList();
        var due = waiting[0].Age >= window;
        var next = due ? groups[0] : groups.FirstOrDefault(group => group.Places.Count >= group.Limit);
        return next.Places is { } places
            ? ([.. places.Take(next.Limit)], TimeSpan.Zero)
            : ([], window - waiting[0].Age);
    }
}
