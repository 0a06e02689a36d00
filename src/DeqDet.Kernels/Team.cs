using System.Runtime.InteropServices;
using TorchSharp;

namespace DeqDet.Kernels;

/// <summary>
/// Runs tasks on libtorch's own threads where they are OpenMP's: threads of .NET would fight for the cores with those, which go on spinning for a
/// while after each of libtorch's operations. Elsewhere on .NET's.
/// </summary>
internal static unsafe partial class Team
{
    /// <summary>Threads that libtorch uses for one operation.</summary>
    public static int Size => torch.get_num_threads();

    /// <summary>Calls body(arguments, i) for each i below `count`, on all threads; returns when all have returned. It must not raise.</summary>
    public static void Run(int count, delegate* <void*, int, void> body, void* arguments) =>
        Run(
            new Job
            {
                Body = body,
                Arguments = arguments,
                Count = count,
            },
            0
        );

    /// <summary>The same for a body that needs room for so many floats, of each thread its own, from a cache line on; it is not cleared.</summary>
    public static void Run(int count, delegate* <void*, int, float*, void> body, void* arguments, long floats)
    {
        const int cacheLine = 16;
        Run(
            new Job
            {
                BodyWithRoom = body,
                Arguments = arguments,
                Count = count,
            },
            (floats + cacheLine - 1) / cacheLine * cacheLine
        );
    }

    private struct Job
    {
        public delegate* <void*, int, void> Body;
        public delegate* <void*, int, float*, void> BodyWithRoom;
        public void* Arguments;
        public float* Room;
        public long RoomOfThread;
        public int Count;
        public int Next;
        public int Threads;
    }

    private static void Run(Job job, long floats)
    {
        var threads = Math.Min(job.Count, Size);
        if (threads <= 0)
        {
            return;
        }
        using var room = new AlignedBuffer();
        room.Reserve(threads * floats);
        job.Room = room.Start;
        job.RoomOfThread = floats;
        if (threads == 1)
        {
            Work(&job);
        }
        else if (parallel != null)
        {
            parallel(&WorkForNative, &job, (uint)threads, 0);
        }
        else
        {
            var shared = (nint)(&job);
            Parallel.For(0, threads, _ => Work((Job*)shared));
        }
    }

    // Tasks are taken, not dealt out: a thread that was held up takes fewer.
    private static void Work(Job* job)
    {
        var room = job->Room + (Interlocked.Increment(ref job->Threads) - 1) * job->RoomOfThread;
        for (int task; (task = Interlocked.Increment(ref job->Next) - 1) < job->Count; )
        {
            if (job->BodyWithRoom != null)
            {
                job->BodyWithRoom(job->Arguments, task, room);
            }
            else
            {
                job->Body(job->Arguments, task);
            }
        }
    }

    [UnmanagedCallersOnly]
    private static void WorkForNative(void* job) => Work((Job*)job);

    private static readonly delegate* unmanaged<delegate* unmanaged<void*, void>, void*, uint, uint, void> parallel =
        (delegate* unmanaged<delegate* unmanaged<void*, void>, void*, uint, uint, void>)FindParallel();

    /// <summary>GOMP_parallel of the OpenMP library that libtorch has loaded, null where it has loaded none. A second one beside it would have threads of its own.</summary>
    private static nint FindParallel()
    {
        if (!OperatingSystem.IsLinux())
        {
            return 0;
        }

        try
        {
            foreach (var line in File.ReadLines("/proc/self/maps"))
            {
                var start = line.IndexOf('/');
                if (
                    start >= 0
                    && Path.GetFileName(line[start..]).StartsWith("libgomp", StringComparison.Ordinal)
                    && NativeLibrary.TryLoad(line[start..], out var library)
                    && NativeLibrary.TryGetExport(library, "GOMP_parallel", out var function)
                )
                {
                    return function;
                }
            }
        }
        catch (IOException) { }
        catch (UnauthorizedAccessException) { }
        return 0;
    }
}
