namespace DeqDet.Data;

/// <summary>
/// Work done by other threads beside the one that hands it out (by that one, too, while it waits), whose results come back to it in the order in which
/// it was handed out. Only so much of it waits at once; then handing out waits. For one thread.
/// </summary>
/// <typeparam name="T">What a piece of work gives.</typeparam>
/// <param name="most">Weights that may wait together; a single piece may have more.</param>
/// <param name="finished">Takes each result, on the thread that hands out.</param>
public sealed class OrderedWork<T>(long most, Action<T> finished)
{
    private readonly Queue<(Task<T> Work, long Weight)> queue = new();

    /// <summary>The weights of what is handed out and has not been taken back.</summary>
    public long Waiting { get; private set; }

    /// <summary>Hands out a piece of work, after having taken back what is done, and waited for as much as its weight asks for.</summary>
    /// <exception cref="Exception">What an earlier piece raised, or <c>finished</c>.</exception>
    public void Add(long weight, Func<T> work)
    {
        while (queue.Count > 0 && (queue.Peek().Work.IsCompleted || Waiting + weight > most))
        {
            TakeBack();
        }

        queue.Enqueue((Task.Run(work), weight));
        Waiting += weight;
    }

    /// <summary>Waits for all that was handed out.</summary>
    /// <exception cref="Exception">As for <see cref="Add"/>; what came after is still there, and can be waited for again.</exception>
    public void Finish()
    {
        while (queue.Count > 0)
        {
            TakeBack();
        }
    }

    private void TakeBack()
    {
        var (work, weight) = queue.Dequeue();
        Waiting -= weight;
        finished(work.GetAwaiter().GetResult());
    }
}
