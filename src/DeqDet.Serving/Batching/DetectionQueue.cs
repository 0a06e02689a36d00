namespace DeqDet.Serving.Batching;

/// <summary>Pictures that wait for the network: a bounded queue that many threads fill and one empties, batch by batch.</summary>
/// <param name="length">Most pictures that wait.</param>
/// <param name="window">How long the oldest waits for others.</param>
/// <param name="limit">How many of a key make a full batch.</param>
/// <param name="clock">Tells how long they have waited.</param>
internal sealed class DetectionQueue(int length, TimeSpan window, Func<BatchKey, int> limit, TimeProvider clock)
{
    private readonly object gate = new();
    private readonly List<DetectionJob> waiting = [];
    private bool closed;

    /// <summary>Pictures that wait.</summary>
    public int Count
    {
        get
        {
            lock (gate)
            {
                return waiting.Count;
            }
        }
    }

    /// <summary>Whether one more would be refused.</summary>
    public bool IsFull => Count >= length;

    /// <summary>Puts a picture at the end; false where the queue is full or closed.</summary>
    public bool TryAdd(DetectionJob job)
    {
        lock (gate)
        {
            if (closed || waiting.Count >= length)
            {
                return false;
            }

            waiting.Add(job);
            Monitor.Pulse(gate);
            return true;
        }
    }

    /// <summary>Nobody waits for this picture any more: it leaves the queue, or its batch learns of it. At most once for each.</summary>
    public void Abandon(DetectionJob job)
    {
        lock (gate)
        {
            if (!waiting.Remove(job))
            {
                job.Batch?.Abandon();
            }
        }
    }

    /// <summary>The next batch, when there is one; null: the queue is closed and empty. For one thread.</summary>
    public DetectionBatch? Take()
    {
        lock (gate)
        {
            while (true)
            {
                if (waiting.Count == 0)
                {
                    if (closed)
                    {
                        return null;
                    }

                    Monitor.Wait(gate);
                    continue;
                }

                // nobody comes any more: there is nothing to wait for
                var patience = closed ? TimeSpan.Zero : window;
                var ages = waiting.Select(job => (job.Key, clock.GetElapsedTime(job.Arrived))).ToList();
                var (places, wait) = BatchPlan.Next(ages, patience, limit);
                if (places.Count > 0)
                {
                    return Leave(places);
                }

                // a millisecond is the shortest wait, and less would not be waited for at all
                Monitor.Wait(gate, Math.Max(1, (int)Math.Ceiling(wait.TotalMilliseconds)));
            }
        }
    }

    /// <summary>Takes no more; what waits is still given out.</summary>
    public void Close()
    {
        lock (gate)
        {
            closed = true;
            Monitor.PulseAll(gate);
        }
    }

    /// <summary>Closes, and takes out what waits.</summary>
    public IReadOnlyList<DetectionJob> Clear()
    {
        lock (gate)
        {
            Close();
            var left = waiting.ToList();
            waiting.Clear();
            return left;
        }
    }

    private DetectionBatch Leave(IReadOnlyList<int> places)
    {
        var jobs = places.Select(place => waiting[place]).ToList();
        foreach (var place in places.Reverse())
        {
            waiting.RemoveAt(place);
        }

        return new(jobs);
    }
}
