namespace DeqDet.Serving.Measures;

/// <summary>How a request ended.</summary>
internal enum RequestOutcome
{
    /// <summary>With what was found.</summary>
    Answered,

    /// <summary>Something was wrong with it.</summary>
    Refused,

    /// <summary>There was no room, or no time.</summary>
    Busy,

    /// <summary>Something was wrong with the service.</summary>
    Failed,

    /// <summary>Whoever asked was gone before the answer.</summary>
    Gone,
}

/// <summary>What a service has done since its start, for people and for what watches over it.</summary>
internal sealed class ServiceMeasures(TimeProvider clock)
{
    /// <summary>Times are those of the last so many requests.</summary>
    public const int Recent = 1000;

    private readonly object gate = new();
    private readonly long started = clock.GetTimestamp();
    private readonly long[] outcomes = new long[Enum.GetValues<RequestOutcome>().Length];
    private readonly RecentTimes inAll = new(Recent);
    private readonly RecentTimes waiting = new(Recent);
    private readonly RecentTimes computing = new(Recent);
    private long batches;
    private long pictures;
    private TimeSpan ofPicture;

    /// <summary>Counts a request that ended.</summary>
    public void Ended(RequestOutcome outcome)
    {
        lock (gate)
        {
            outcomes[(int)outcome]++;
        }
    }

    /// <summary>Counts a request that was answered.</summary>
    /// <param name="answer">Its answer.</param>
    /// <param name="time">From its first byte to its last.</param>
    public void Answered(Answer answer, TimeSpan time)
    {
        lock (gate)
        {
            outcomes[(int)RequestOutcome.Answered]++;
            inAll.Add(time);
            waiting.Add(answer.Waiting);
            computing.Add(answer.Computing);
        }
    }

    /// <summary>Counts a batch.</summary>
    public void Batch(int size, TimeSpan time)
    {
        lock (gate)
        {
            batches++;
            pictures += size;
            // of late: an eighth of what is new
            var each = time / size;
            ofPicture = batches == 1 ? each : ofPicture + (each - ofPicture) / 8;
        }
    }

    /// <summary>How long so many pictures are going to take: whole seconds from 1 to 60.</summary>
    public TimeSpan TimeFor(int pictures)
    {
        lock (gate)
        {
            return TimeSpan.FromSeconds(Math.Clamp(Math.Ceiling(ofPicture.TotalSeconds * pictures), 1, 60));
        }
    }

    /// <summary>All of it at this moment.</summary>
    public Snapshot Now()
    {
        lock (gate)
        {
            return new(
                clock.GetElapsedTime(started),
                [.. outcomes],
                batches,
                pictures,
                inAll.Percentiles(),
                waiting.Percentiles(),
                computing.Percentiles()
            );
        }
    }

    /// <summary>What a service has done.</summary>
    /// <param name="Up">Since when it has been there.</param>
    /// <param name="Outcomes">How many requests ended in which way, in the order of <see cref="RequestOutcome"/>.</param>
    /// <param name="Batches">How many times the network computed.</param>
    /// <param name="Pictures">For how many pictures in all.</param>
    /// <param name="InAll">Times of the last answered requests.</param>
    /// <param name="Waiting">Their times in the queue.</param>
    /// <param name="Computing">Their times in the network, each its whole batch's.</param>
    public sealed record Snapshot(
        TimeSpan Up,
        IReadOnlyList<long> Outcomes,
        long Batches,
        long Pictures,
        Percentiles? InAll,
        Percentiles? Waiting,
        Percentiles? Computing
    )
    {
        /// <summary>How many requests ended in a way.</summary>
        public long this[RequestOutcome outcome] => Outcomes[(int)outcome];

        /// <summary>Pictures of a batch, on average; 0 where there was none.</summary>
        public double MeanBatch => Batches == 0 ? 0 : (double)Pictures / Batches;
    }
}
