using System.Runtime.InteropServices;
using DeqDet.Communication.Watching;
using static DeqDet.Communication.Mpi.MpiFunctions;

namespace DeqDet.Communication.Mpi;

/// <summary>A group of processes that exchange over MPI, and watch each other over connections of their own.</summary>
internal sealed unsafe class MpiCommunicator : ICommunicator
{
    // How long the processes of a large job may take to come up.
    private static readonly TimeSpan ComeUp = TimeSpan.FromSeconds(120);
    private static readonly TimeSpan ConnectLimit = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan FinaliseLimit = TimeSpan.FromSeconds(30);

    // MPI counts in int. Smaller parts would go as fast, but each costs messages.
    private const int MostNumbers = 1 << 28;
    private const int MostBytes = 1 << 30;

    private readonly MpiThread thread;
    private readonly MpiHandles handles;
    private readonly int mostNumbers;
    private readonly int mostBytes;
    private Watch? watch;
    private long started;
    private int underWay;
    private bool failed;
    private bool disposed;

    private MpiCommunicator(MpiThread thread, MpiHandles handles, int mostNumbers, int mostBytes)
    {
        this.thread = thread;
        this.handles = handles;
        this.mostNumbers = mostNumbers;
        this.mostBytes = mostBytes;
    }

    /// <summary>Brings MPI up, checks that it found what the launcher started, and connects the watch.</summary>
    /// <param name="launcher">What started the processes.</param>
    /// <param name="library">The library to use.</param>
    /// <param name="notice">Called with what a person should know although it stops nothing.</param>
    /// <param name="watched">Whether the processes watch each other.</param>
    /// <param name="mostNumbers">Numbers in one call of MPI.</param>
    /// <param name="mostBytes">Bytes of all processes in one call of MPI.</param>
    /// <exception cref="InputError">The processes do not find each other.</exception>
    public static MpiCommunicator Open(
        Launcher launcher,
        MpiLibrary library,
        Action<string> notice,
        bool watched = true,
        int mostNumbers = MostNumbers,
        int mostBytes = MostBytes
    )
    {
        var thread = new MpiThread(library.Handles);
        try
        {
            if (!thread.WaitOpened(ComeUp))
            {
                throw new InputError(
                    $"{launcher.Name} has started {launcher.Size} processes, but they have not all come up in {ComeUp.TotalSeconds:0} s: has every "
                        + $"machine {library.Name}, and do all start the same program?"
                );
            }
        }
        catch (MpiException error)
        {
            throw new InputError(
                $"{library.Name} ({library.Version}) cannot start: {error.Message}; is it the library of {launcher.Name}? "
                    + $"{MpiLibrary.Variable}=FILE names another one",
                error
            );
        }

        if (thread.Size != launcher.Size)
        {
            throw new InputError(Mismatch(launcher, library, thread.Size));
        }

        var communicator = new MpiCommunicator(thread, library.Handles, mostNumbers, mostBytes);
        if (watched)
        {
            // nobody watches yet: one who dies now would be waited for for ever
            using var limit = new Timer(
                _ => thread.Lose(new ProcessLostException(1, "another process has come up and is gone again")),
                null,
                ConnectLimit,
                Timeout.InfiniteTimeSpan
            );
            communicator.watch = Watch.Connect(communicator, notice, thread.Lose);
        }

        return communicator;
    }

    /// <inheritdoc/>
    public int Rank => thread.Rank;

    /// <inheritdoc/>
    public int Size => thread.Size;

    /// <inheritdoc/>
    public int LocalRank => thread.LocalRank;

    /// <inheritdoc/>
    public int LocalSize => thread.LocalSize;

    /// <inheritdoc/>
    public void Sum(Span<double> numbers)
    {
        var bytes = (nuint)numbers.Length * sizeof(double);
        if (bytes == 0)
        {
            return;
        }

        // a copy, since MPI may still write into it when a process is lost and the caller goes on
        var memory = (nint)NativeMemory.Alloc(bytes);
        numbers.CopyTo(new Span<double>((void*)memory, numbers.Length));
        StartSum(memory, numbers.Length, sizeof(double), handles.Double).Wait();
        new Span<double>((void*)memory, numbers.Length).CopyTo(numbers);
        NativeMemory.Free((void*)memory);
    }

    /// <inheritdoc/>
    public IPending StartSum(nint data, long count) => StartSum(data, count, sizeof(float), handles.Float);

    /// <inheritdoc/>
    public byte[][] Gather(ReadOnlySpan<byte> mine)
    {
        var lengths = GatherPart(BitConverter.GetBytes(mine.Length), [.. Enumerable.Repeat(sizeof(int), Size)])
            .Select(bytes => BitConverter.ToInt32(bytes))
            .ToArray();
        var all = lengths.Select(length => new byte[length]).ToArray();
        var part = Math.Max(1, mostBytes / Size);
        for (var start = 0; start < lengths.Max(); start += part)
        {
            var counts = lengths.Select(length => Math.Clamp(length - start, 0, part)).ToArray();
            var received = GatherPart(mine.Slice(Math.Min(start, mine.Length), counts[Rank]), counts);
            for (var rank = 0; rank < Size; rank++)
            {
                received[rank].CopyTo(all[rank].AsSpan(Math.Min(start, all[rank].Length)));
            }
        }

        return all;
    }

    /// <summary>Has a function called, from any thread, when a process is lost, or now if one is.</summary>
    public void WhenLost(Action<ProcessLostException> call) => thread.WhenLost(call);

    /// <inheritdoc/>
    public void Fail(int exitCode, string message)
    {
        if (failed || disposed)
        {
            return;
        }

        failed = true;
        watch?.Fail(exitCode, message);
        thread.Lose(new ProcessLostException(exitCode, message));
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (disposed)
        {
            return;
        }

        if (Volatile.Read(ref underWay) > 0)
        {
            Fail(1, "it has ended while sums were under way");
        }

        var orderly = !failed && thread.Lost is null && Leave();
        disposed = true;
        watch?.Dispose();
        // after a loss MPI could wait for ever for the one who is gone
        thread.Stop(orderly, orderly ? FinaliseLimit : TimeSpan.FromSeconds(1));
    }

    // Everybody has to come here before anybody may go: a connection that closes earlier is a death.
    private bool Leave()
    {
        watch?.Leave(started);
        var farewell = new Exchange(
            thread,
            requests =>
            {
                nint request = 0;
                MpiThread.Check(MPI_Ibarrier(thread.Farewell, ref request));
                requests.Add(request);
            },
            () => { }
        );
        thread.Start(farewell);
        try
        {
            farewell.Wait();
            return true;
        }
        catch (ProcessLostException)
        {
            return false;
        }
    }

    private IPending StartSum(nint data, long count, int size, nint type) =>
        Start(requests =>
        {
            for (long start = 0; start < count; start += mostNumbers)
            {
                nint request = 0;
                var part = (int)Math.Min(mostNumbers, count - start);
                // the standard asks for identical results in all processes (MPI 4.1, section 6.9.6)
                MpiThread.Check(
                    MPI_Iallreduce(
                        handles.InPlace,
                        data + (nint)(start * size),
                        part,
                        type,
                        handles.Sum,
                        handles.World,
                        ref request
                    )
                );
                requests.Add(request);
            }
        });

    // What each process gives, `counts` by rank.
    private byte[][] GatherPart(ReadOnlySpan<byte> mine, int[] counts)
    {
        var total = counts.Sum();
        // counts and offsets have to stay until the exchange is over
        var memory = (nint)NativeMemory.Alloc((nuint)(total + mine.Length + (2 * sizeof(int) * Size) + 8));
        var lengths = (int*)memory;
        var offsets = lengths + Size;
        var received = (byte*)(offsets + Size);
        var sent = received + total;
        for (int rank = 0, offset = 0; rank < Size; offset += counts[rank], rank++)
        {
            lengths[rank] = counts[rank];
            offsets[rank] = offset;
        }

        mine.CopyTo(new Span<byte>(sent, mine.Length));
        var count = mine.Length;
        Start(requests =>
            {
                nint request = 0;
                var type = handles.Byte;
                MpiThread.Check(
                    MPI_Iallgatherv(
                        (nint)sent,
                        count,
                        type,
                        (nint)received,
                        lengths,
                        offsets,
                        type,
                        handles.World,
                        ref request
                    )
                );
                requests.Add(request);
            })
            .Wait();
        var all = new byte[Size][];
        for (var rank = 0; rank < Size; rank++)
        {
            all[rank] = new Span<byte>(received + offsets[rank], lengths[rank]).ToArray();
        }

        NativeMemory.Free((void*)memory);
        return all;
    }

    private Exchange Start(Action<List<nint>> begin)
    {
        ObjectDisposedException.ThrowIf(disposed, this);
        Interlocked.Increment(ref underWay);
        watch?.Started(++started);
        var exchange = new Exchange(thread, begin, () => Interlocked.Decrement(ref underWay));
        thread.Start(exchange);
        return exchange;
    }

    private static string Mismatch(Launcher launcher, MpiLibrary library, int found)
    {
        var remedy = launcher.Kind switch
        {
            LauncherKind.SlurmPlain or LauncherKind.SlurmPmix or LauncherKind.SlurmPmi =>
                "give srun the way in which this library finds the others (srun --mpi=list; Open MPI: --mpi=pmix, MPICH: --mpi=pmi2 or pmix), "
                    + "or name a library that fits",
            _ => "name the launcher's own library",
        };
        return $"{launcher.Name} has started {launcher.Size} {(launcher.Size == 1 ? "process" : "processes")}, but {library.Name} "
            + $"({library.Version}) finds {found}: {remedy} with {MpiLibrary.Variable}=FILE";
    }
}
