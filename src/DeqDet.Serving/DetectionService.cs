using DeqDet.Images;
using DeqDet.Serving.Batching;
using DeqDet.Serving.Measures;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace DeqDet.Serving;

/// <summary>
/// A detector that many ask at the same time: their pictures wait in a bounded queue, and one thread takes them through the network, those of one
/// input size together. Started and stopped with the program that hosts it; what waits then is still answered.
/// </summary>
public sealed class DetectionService : IHostedService
{
    private readonly IPredictor predictor;
    private readonly ILogger log;
    private readonly TimeProvider clock;
    private readonly DetectionQueue queue;
    private readonly TaskCompletionSource warm = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile DetectionBatch? current;
    private volatile bool stopping;

    /// <summary>A service that has not started.</summary>
    /// <param name="predictor">Finds the objects; only this service may use it.</param>
    /// <param name="options">What is allowed.</param>
    /// <param name="clock">For times, and for how long a batch waits.</param>
    /// <param name="log">Gets what goes wrong within the service.</param>
    /// <exception cref="ArgumentOutOfRangeException">An option is out of its range.</exception>
    public DetectionService(
        IPredictor predictor,
        ServingOptions options,
        TimeProvider clock,
        ILogger<DetectionService> log
    )
    {
        (this.predictor, this.clock, this.log) = (predictor, clock, log);
        Options = options.Checked();
        BatchSize = Options.BatchSize ?? predictor.Facts.BatchSize;
        Memory = new(Options.MemoryBytes);
        Measures = new(clock);
        queue = new(
            Options.QueueLength,
            Options.BatchWindow,
            key => predictor.Together((key.Width, key.Height), BatchSize),
            clock
        );
    }

    /// <summary>What its detector is.</summary>
    public DetectorFacts Facts => predictor.Facts;

    /// <summary>What it allows.</summary>
    public ServingOptions Options { get; }

    /// <summary>Most pictures of a batch.</summary>
    public int BatchSize { get; }

    /// <summary>Whether it takes pictures: it has computed once, and is not about to end.</summary>
    public bool IsReady => warm.Task.IsCompletedSuccessfully && !stopping && !ended.Task.IsCompleted;

    /// <summary>Pictures that wait.</summary>
    public int Waiting => queue.Count;

    /// <summary>Pictures in the network.</summary>
    public int Computing => current?.Jobs.Count ?? 0;

    internal MemoryBudget Memory { get; }

    internal ServiceMeasures Measures { get; }

    /// <summary>What is found in a picture, as soon as it is its turn.</summary>
    /// <param name="picture">The picture.</param>
    /// <param name="tolerance">The residual at which a query has settled; null: what the model says.</param>
    /// <param name="cancellation">Whoever waits gives up: the picture leaves the queue.</param>
    /// <exception cref="BusyException">The queue is full, or the service is about to end.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public async Task<Answer> DetectAsync(RgbImage picture, double? tolerance, CancellationToken cancellation)
    {
        var (width, height) = predictor.InputSize(picture);
        var job = new DetectionJob(picture, new(width, height, tolerance), clock.GetTimestamp());
        if (!queue.TryAdd(job))
        {
            ThrowIfBusy();
            // room was made meanwhile, and yet there was none when it was needed
            throw Full();
        }

        try
        {
            return await job.Answer.WaitAsync(cancellation);
        }
        catch (OperationCanceledException) when (cancellation.IsCancellationRequested)
        {
            queue.Abandon(job);
            throw;
        }
    }

    /// <summary>Refuses where there is no room at this moment.</summary>
    /// <exception cref="BusyException">The queue is full, or the service is about to end.</exception>
    internal void ThrowIfBusy()
    {
        if (stopping || ended.Task.IsCompleted)
        {
            throw Stopping();
        }

        if (queue.IsFull)
        {
            throw Full();
        }
    }

    /// <summary>From here on pictures are refused, those that wait are answered.</summary>
    internal void RefuseMore() => stopping = true;

    /// <summary>Starts the thread and has it compute once, so that the first request finds everything in place.</summary>
    /// <exception cref="Exception">What went wrong in that computation.</exception>
    public Task StartAsync(CancellationToken cancellationToken)
    {
        new Thread(Work) { IsBackground = true, Name = "detection" }.Start();
        return warm.Task.WaitAsync(cancellationToken);
    }

    /// <summary>Answers what waits, and ends; when it is cancelled, what then still waits is refused.</summary>
    public async Task StopAsync(CancellationToken cancellationToken)
    {
        stopping = true;
        queue.Close();
        try
        {
            await ended.Task.WaitAsync(cancellationToken);
        }
        catch (OperationCanceledException)
        {
            foreach (var job in queue.Clear())
            {
                job.Fail(Stopping());
            }

            current?.Cancel();
            await ended.Task;
        }
    }

    internal BusyException Full() =>
        new(
            $"{Counted.Of(Options.QueueLength, "picture waits", "pictures wait")} already",
            stopping: false,
            Measures.TimeFor(queue.Count)
        );

    internal BusyException OutOfMemory() =>
        new(
            "the pictures of other requests take all the memory that is set aside",
            false,
            Measures.TimeFor(queue.Count)
        );

    private static BusyException Stopping() =>
        new("the service is about to end", stopping: true, TimeSpan.FromSeconds(1));

    private void Work()
    {
        try
        {
            var picture = new RgbImage(new byte[64 * 64 * 3], 64, 64);
            predictor.Predict([picture], null, CancellationToken.None);
            warm.SetResult();
        }
        catch (Exception error)
        {
            ended.SetResult();
            warm.SetException(error);
            return;
        }

        while (queue.Take() is { } batch)
        {
            current = batch;
            Run(batch);
            current = null;
        }

        ended.SetResult();
    }

    private void Run(DetectionBatch batch)
    {
        try
        {
            Compute(batch.Jobs, batch.Cancellation);
        }
        catch (OperationCanceledException) when (batch.Cancellation.IsCancellationRequested)
        {
            Fail(batch.Jobs, Stopping());
        }
        catch (Exception error) when (batch.Jobs.Count > 1)
        {
            // one of them may have spoilt it for the others, or all of them were too much together
            log.LogWarning(error, "A batch of {Count} pictures failed; they are computed one by one", batch.Jobs.Count);
            foreach (var job in batch.Jobs)
            {
                RunAlone(job, batch.Cancellation);
            }
        }
        catch (Exception error)
        {
            Fail(batch.Jobs, error);
        }
    }

    private void RunAlone(DetectionJob job, CancellationToken cancellation)
    {
        try
        {
            Compute([job], cancellation);
        }
        catch (OperationCanceledException) when (cancellation.IsCancellationRequested)
        {
            Fail([job], Stopping());
        }
        catch (Exception error)
        {
            Fail([job], error);
        }
    }

    private static void Fail(IEnumerable<DetectionJob> jobs, Exception error)
    {
        foreach (var job in jobs)
        {
            job.Fail(error);
        }
    }

    private void Compute(IReadOnlyList<DetectionJob> jobs, CancellationToken cancellation)
    {
        var start = clock.GetTimestamp();
        var pictures = jobs.Select(job => job.Picture).ToList();
        var predictions = predictor.Predict(pictures, jobs[0].Key.Tolerance, cancellation);
        var computing = clock.GetElapsedTime(start);
        Measures.Batch(jobs.Count, computing);
        for (var i = 0; i < jobs.Count; i++)
        {
            var waiting = clock.GetElapsedTime(jobs[i].Arrived, start);
            jobs[i].Succeed(new(predictions[i], jobs.Count, waiting, computing));
        }
    }
}
