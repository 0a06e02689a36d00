using System.Collections.Concurrent;
using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text;
using static DeqDet.Communication.Mpi.MpiFunctions;

namespace DeqDet.Communication.Mpi;

/// <summary>
/// The one thread that calls MPI. It begins what it is given in the order in which it comes, and tests what is under way by turns, so that
/// MPI makes progress while the caller computes. A background thread: one that is stuck inside of the library does not keep the program.
/// </summary>
internal sealed class MpiThread
{
    /// <summary>How often somebody who waits looks whether this thread is stuck.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(1);

    // after a loss, as long as a call into MPI may take to return
    private static readonly TimeSpan Stuck = TimeSpan.FromSeconds(3);

    // how long MPI's error waits for the watch to say which process it was
    private static readonly TimeSpan Verdict = TimeSpan.FromSeconds(3);

    private readonly Lock gate = new();
    private readonly ConcurrentQueue<Exchange> queue = new();
    private readonly AutoResetEvent wake = new(false);
    private readonly ManualResetEventSlim lostKnown = new(false);
    private readonly TaskCompletionSource<bool> opened = new();
    private readonly ManualResetEventSlim closed = new(false);
    private readonly MpiHandles handles;
    private Action<ProcessLostException>? whenLost;
    private ProcessLostException? lost;
    private long lostSince;
    private volatile bool stopping;
    private volatile bool finalise;

    /// <summary>Starts the thread and MPI with it.</summary>
    /// <param name="handles">The library's constants.</param>
    public MpiThread(MpiHandles handles)
    {
        this.handles = handles;
        new Thread(Run) { Name = "MPI", IsBackground = true }.Start();
    }

    public int Rank { get; private set; }
    public int Size { get; private set; }
    public int LocalRank { get; private set; }
    public int LocalSize { get; private set; }

    /// <summary>A duplicate of the world, for what must not meet the caller's own exchanges.</summary>
    public nint Farewell { get; private set; }

    /// <summary>Why nothing goes on any more; null as long as it does.</summary>
    public ProcessLostException? Lost => Volatile.Read(ref lost);

    /// <summary>Waits until MPI is up in all processes.</summary>
    /// <returns>False if it took longer.</returns>
    public bool WaitOpened(TimeSpan limit) =>
        Task.WhenAny(opened.Task, Task.Delay(limit)).Result == opened.Task && opened.Task.GetAwaiter().GetResult();

    /// <summary>Puts an exchange into the queue.</summary>
    public void Start(Exchange exchange)
    {
        queue.Enqueue(exchange);
        wake.Set();
    }

    /// <summary>Ends all exchanges, those to come too: a process is lost. The first reason stays.</summary>
    public void Lose(ProcessLostException error)
    {
        lock (gate)
        {
            if (lost is not null)
            {
                return;
            }

            lostSince = Stopwatch.GetTimestamp();
            Volatile.Write(ref lost, error);
        }

        lostKnown.Set();
        wake.Set();
        whenLost?.Invoke(error);
    }

    /// <summary>Has a function called when a process is lost, or now if one is.</summary>
    public void WhenLost(Action<ProcessLostException> call)
    {
        lock (gate)
        {
            whenLost += call;
        }

        if (Lost is { } error)
        {
            call(error);
        }
    }

    /// <summary>Throws when a process has been lost for some time and this thread has not noticed, since MPI does not return.</summary>
    public void ThrowIfStuck()
    {
        if (Lost is { } error && Stopwatch.GetElapsedTime(lostSince) > Stuck)
        {
            throw new ProcessLostException(error.ExitCode, error.Message);
        }
    }

    /// <summary>Ends the thread.</summary>
    /// <param name="orderly">Whether MPI is finalised, which all processes have to do; else its calls just end.</param>
    /// <param name="limit">How long to wait for that.</param>
    public void Stop(bool orderly, TimeSpan limit)
    {
        finalise = orderly;
        stopping = true;
        wake.Set();
        closed.Wait(limit);
    }

    /// <summary>An error of MPI's as an exception.</summary>
    public static unsafe void Check(int error)
    {
        if (error == 0)
        {
            return;
        }

        var text = stackalloc byte[1025];
        var failed = MPI_Error_string(error, text, out var length);
        throw new MpiException(
            failed == 0 ? Encoding.UTF8.GetString(text, Math.Clamp(length, 0, 1024)) : $"error {error}"
        );
    }

    private void Run()
    {
        try
        {
            opened.SetResult(SystemCalls.KeepingSignals(Open));
        }
        catch (Exception error)
        {
            opened.SetException(error);
            closed.Set();
            return;
        }

        Serve();
        if (finalise)
        {
            _ = MPI_Finalize();
        }

        closed.Set();
    }

    private bool Open()
    {
        Check(MPI_Init_thread(0, 0, handles.Funneled, out _));
        // else the library would end this process with the first error
        Check(MPI_Comm_set_errhandler(handles.World, handles.ErrorsReturn));
        Check(MPI_Comm_rank(handles.World, out var rank));
        Check(MPI_Comm_size(handles.World, out var size));
        nint here = 0;
        Check(MPI_Comm_split_type(handles.World, handles.SharedMemory, rank, handles.NoInfo, ref here));
        Check(MPI_Comm_rank(here, out var localRank));
        Check(MPI_Comm_size(here, out var localSize));
        Check(MPI_Comm_free(ref here));
        nint farewell = 0;
        Check(MPI_Comm_dup(handles.World, ref farewell));
        (Rank, Size, LocalRank, LocalSize, Farewell) = (rank, size, localRank, localSize, farewell);
        return true;
    }

    private void Serve()
    {
        var active = new List<Exchange>();
        var idle = 0;
        while (!stopping)
        {
            try
            {
                while (Lost is null && queue.TryDequeue(out var next))
                {
                    active.Add(next);
                    next.Begin();
                    idle = 0;
                }

                if (Lost is null && active.RemoveAll(Finished) > 0)
                {
                    idle = 0;
                }
            }
            catch (MpiException error)
            {
                lostKnown.Wait(Verdict);
                Lose(new ProcessLostException(1, $"another process is gone, or the network to it: {error.Message}"));
            }

            if (Lost is { } lost)
            {
                LoseAll(active, lost);
            }

            if (active.Count == 0)
            {
                wake.WaitOne();
                idle = 0;
            }
            else
            {
                Pause(idle++);
            }
        }

        LoseAll(active, Lost ?? new ProcessLostException(1, "this process has ended the exchange with the others"));
    }

    private bool Finished(Exchange exchange)
    {
        if (Lost is not null || !exchange.Test(handles.IgnoreStatus))
        {
            return false;
        }

        exchange.Succeed();
        return true;
    }

    private void LoseAll(List<Exchange> active, ProcessLostException error)
    {
        active.ForEach(exchange => exchange.Lose(error));
        active.Clear();
        while (queue.TryDequeue(out var next))
        {
            next.Lose(error);
        }
    }

    // Others need the cores for computing: a few tests in a row, then short sleeps. Data come in pieces, each of which a test takes.
    private static void Pause(int idle)
    {
        if (idle < 20)
        {
            Thread.Yield();
        }
        else if (OperatingSystem.IsWindows())
        {
            Thread.Sleep(1);
        }
        else
        {
            SystemCalls.SleepMicroseconds(idle < 2000 ? 50u : 200u);
        }
    }
}

/// <summary>A call of MPI's failed.</summary>
internal sealed class MpiException(string message) : Exception(message);
