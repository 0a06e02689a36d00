using System.Diagnostics;
using System.Runtime.ExceptionServices;

namespace DeqDet.Data;

/// <summary>What a result occupies.</summary>
/// <param name="Making">Bytes while it is made, the result itself included.</param>
/// <param name="Made">Bytes from then on, until it is taken; at most <paramref name="Making"/>.</param>
public readonly record struct Footprint(long Making, long Made);

/// <summary>
/// Makes results ahead of their use on threads of its own, and hands them out in the order of the requests. At most <c>ahead</c> results
/// exist or are being made at any time, and they occupy at most <c>budget</c> bytes; a result that is larger than that is made when no
/// other exists. An error takes the place of the result whose making it ended: results before it are handed out, nothing after it is.
/// So what a consumer gets depends on the requests alone, not on the threads, the budget or their pace.
/// </summary>
/// <typeparam name="TRequest">What is asked for.</typeparam>
/// <typeparam name="TResult">What is made; results that are never taken are disposed.</typeparam>
public sealed class PrefetchingLoader<TRequest, TResult> : IDisposable
    where TResult : class, IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    private readonly IEnumerator<TRequest> requests;
    private readonly Func<TRequest, CancellationToken, TResult> make;
    private readonly Func<TRequest, Footprint> footprint;
    private readonly int ahead;
    private readonly long budget;
    private readonly CancellationTokenSource stop;
    private readonly CancellationTokenRegistration onStop;
    private readonly Thread[] workers;
    private readonly Stopwatch waiting = new();

    // Guards everything below; pulsed whenever some of it changes.
    private readonly object gate = new();
    private readonly Dictionary<long, (TResult Result, long Bytes)> finished = [];
    private readonly Dictionary<long, ExceptionDispatchInfo> failures = [];
    private long asked;
    private long taken;
    private long occupied;
    private (TRequest Request, Footprint Size)? waitingForRoom;
    private bool ended;
    private bool disposed;

    /// <summary>Starts the workers.</summary>
    /// <param name="requests">What to make, in order; enumerated by one thread at a time. Endless is fine.</param>
    /// <param name="make">Makes one result; called by several threads at once.</param>
    /// <param name="footprint">What a result will occupy; a function of the request.</param>
    /// <param name="workers">Number of threads, at least 1.</param>
    /// <param name="ahead">Most results that exist or are in the making, at least 1.</param>
    /// <param name="budget">Most bytes that they occupy.</param>
    /// <param name="cancellation">Ends the work; <see cref="TryNext"/> then throws <see cref="OperationCanceledException"/>.</param>
    public PrefetchingLoader(
        IEnumerable<TRequest> requests,
        Func<TRequest, CancellationToken, TResult> make,
        Func<TRequest, Footprint> footprint,
        int workers,
        int ahead,
        long budget,
        CancellationToken cancellation
    )
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(workers, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(ahead, 1);
        (this.requests, this.make, this.footprint) = (requests.GetEnumerator(), make, footprint);
        (this.ahead, this.budget) = (ahead, budget);
        stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        onStop = stop.Token.Register(Pulse);
        this.workers = new Thread[workers];
        for (var i = 0; i < workers; i++)
        {
            this.workers[i] = new(Work) { IsBackground = true, Name = $"data {i}" };
            this.workers[i].Start();
        }
    }

    /// <summary>How long <see cref="TryNext"/> has waited for results, all calls together.</summary>
    public TimeSpan Waited => waiting.Elapsed;

    /// <summary>The next result, the caller's to dispose; false when there are no more. For one thread.</summary>
    /// <exception cref="OperationCanceledException">The work was cancelled.</exception>
    /// <exception cref="Exception">What ended the making of this result, as it was thrown, at every further call.</exception>
    public bool TryNext(out TResult? result)
    {
        waiting.Start();
        try
        {
            lock (gate)
            {
                ObjectDisposedException.ThrowIf(disposed, this);
                while (true)
                {
                    stop.Token.ThrowIfCancellationRequested();
                    if (finished.Remove(taken, out var next))
                    {
                        taken++;
                        occupied -= next.Bytes;
                        Monitor.PulseAll(gate);
                        result = next.Result;
                        return true;
                    }

                    failures.GetValueOrDefault(taken)?.Throw();
                    if (ended && taken == asked)
                    {
                        result = null;
                        return false;
                    }

                    Monitor.Wait(gate);
                }
            }
        }
        finally
        {
            waiting.Stop();
        }
    }

    /// <summary>Stops the workers and disposes the results that were not taken. Waits for a worker in the middle of a result at most five seconds.</summary>
    public void Dispose()
    {
        lock (gate)
        {
            if (disposed)
            {
                return;
            }

            disposed = true;
        }

        stop.Cancel();
        var clock = Stopwatch.StartNew();
        foreach (var worker in workers)
        {
            var left = Patience - clock.Elapsed;
            worker.Join(left > TimeSpan.Zero ? left : TimeSpan.Zero);
        }

        lock (gate)
        {
            foreach (var (unused, _) in finished.Values)
            {
                unused.Dispose();
            }

            finished.Clear();
            requests.Dispose();
        }

        onStop.Dispose();
        stop.Dispose();
    }

    private void Pulse()
    {
        lock (gate)
        {
            Monitor.PulseAll(gate);
        }
    }

    private void Work()
    {
        var token = stop.Token;
        while (Ask(token) is { } job)
        {
            try
            {
                Deliver(job, make(job.Request, token));
            }
            catch (OperationCanceledException) when (token.IsCancellationRequested)
            {
                Pulse();
                return;
            }
            catch (Exception error)
            {
                lock (gate)
                {
                    Fail(job.Number, error);
                }
            }
        }
    }

    /// <summary>The next job as soon as there is room for it; null when there is nothing more to do.</summary>
    private Job? Ask(CancellationToken token)
    {
        lock (gate)
        {
            while (!ended && !token.IsCancellationRequested)
            {
                if (asked - taken < ahead && TryPeek() is (var request, var size) && HasRoom(size))
                {
                    waitingForRoom = null;
                    occupied += size.Making;
                    return new(asked++, request, size);
                }

                if (!ended)
                {
                    Monitor.Wait(gate);
                }
            }

            return null;
        }
    }

    // The request at the head of the queue stays there until there is room for it: nothing smaller overtakes it.
    private (TRequest Request, Footprint Size)? TryPeek()
    {
        if (waitingForRoom is null)
        {
            try
            {
                if (requests.MoveNext())
                {
                    waitingForRoom = (requests.Current, footprint(requests.Current));
                }
                else
                {
                    End();
                }
            }
            catch (Exception error)
            {
                Fail(asked, error);
            }
        }

        return waitingForRoom;
    }

    private bool HasRoom(Footprint size) => asked == taken || occupied + size.Making <= budget;

    private void Deliver(Job job, TResult result)
    {
        lock (gate)
        {
            if (disposed)
            {
                result.Dispose();
                return;
            }

            occupied += job.Size.Made - job.Size.Making;
            finished[job.Number] = (result, job.Size.Made);
            Monitor.PulseAll(gate);
        }
    }

    // What comes after an error is never handed out, so nothing more is asked for.
    private void Fail(long number, Exception error)
    {
        failures[number] = ExceptionDispatchInfo.Capture(error);
        End();
    }

    private void End()
    {
        ended = true;
        Monitor.PulseAll(gate);
    }

    private sealed record Job(long Number, TRequest Request, Footprint Size);
}
