using System.Diagnostics;
using System.Runtime.ExceptionServices;

namespace DeqDet.Data;

/// <summary>
/// Makes results ahead of their use on threads of its own, and hands them out in the order of the requests. At most
/// <c>ahead</c> results exist or are being made at any time. The first error of a worker ends the work; it is thrown by the next call
/// of <see cref="TryNext"/>, whatever is still waiting before it.
/// </summary>
/// <typeparam name="TRequest">What is asked for.</typeparam>
/// <typeparam name="TResult">What is made; results nobody took are disposed.</typeparam>
public sealed class PrefetchingLoader<TRequest, TResult> : IDisposable
    where TResult : class, IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    private readonly IEnumerator<TRequest> requests;
    private readonly Func<TRequest, CancellationToken, TResult> make;
    private readonly int ahead;
    private readonly CancellationTokenSource stop;
    private readonly CancellationTokenRegistration onStop;
    private readonly Thread[] workers;
    private readonly Stopwatch waiting = new();

    // Guards everything below; pulsed whenever some of it changes.
    private readonly object gate = new();
    private readonly Dictionary<long, TResult> finished = [];
    private ExceptionDispatchInfo? failure;
    private long asked;
    private long taken;
    private bool ended;
    private bool disposed;

    /// <summary>Starts the workers.</summary>
    /// <param name="requests">What to make, in order; enumerated by one thread at a time. Endless is fine.</param>
    /// <param name="make">Makes one result; called by several threads at once.</param>
    /// <param name="workers">Number of threads, at least 1.</param>
    /// <param name="ahead">Most results that exist or are in the making, at least 1.</param>
    /// <param name="cancellation">Ends the work; <see cref="TryNext"/> then throws <see cref="OperationCanceledException"/>.</param>
    public PrefetchingLoader(
        IEnumerable<TRequest> requests,
        Func<TRequest, CancellationToken, TResult> make,
        int workers,
        int ahead,
        CancellationToken cancellation
    )
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(workers, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(ahead, 1);
        (this.requests, this.make, this.ahead) = (requests.GetEnumerator(), make, ahead);
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
                    failure?.Throw();
                    stop.Token.ThrowIfCancellationRequested();
                    if (finished.Remove(taken, out result))
                    {
                        taken++;
                        Monitor.PulseAll(gate);
                        return true;
                    }

                    if (ended && taken == asked)
                    {
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

    /// <summary>Stops the workers and disposes what nobody took. Waits for a worker in the middle of a result at most five seconds.</summary>
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
            foreach (var unused in finished.Values)
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
        try
        {
            while (TryAsk(token, out var number, out var request))
            {
                Deliver(number, make(request!, token));
            }
        }
        catch (OperationCanceledException) when (token.IsCancellationRequested)
        {
            Pulse();
        }
        catch (Exception error)
        {
            lock (gate)
            {
                failure ??= ExceptionDispatchInfo.Capture(error);
                ended = true;
                Monitor.PulseAll(gate);
            }
        }
    }

    private bool TryAsk(CancellationToken token, out long number, out TRequest? request)
    {
        lock (gate)
        {
            while (asked - taken >= ahead && !ended && !token.IsCancellationRequested)
            {
                Monitor.Wait(gate);
            }

            (number, request) = (asked, default);
            if (ended || token.IsCancellationRequested)
            {
                return false;
            }

            if (!requests.MoveNext())
            {
                ended = true;
                Monitor.PulseAll(gate);
                return false;
            }

            request = requests.Current;
            asked++;
            return true;
        }
    }

    private void Deliver(long number, TResult result)
    {
        lock (gate)
        {
            if (disposed)
            {
                result.Dispose();
                return;
            }

            finished[number] = result;
            Monitor.PulseAll(gate);
        }
    }
}
