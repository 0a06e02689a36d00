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
    public static void Run(int count, delegate* <void*, int, void> body, void* arguments)
    {
        var job = new Job
        {
            Body = body,
            Arguments = arguments,
            Count = count,
        };
        var threads = Math.Min(count, Size);
        if (threads <= 1)
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

    private struct Job
    {
        public delegate* <void*, int, void> Body;
        public void* Arguments;
        public int Count;
        public int Next;
    }

    // Tasks are taken, not dealt out: a thread that was held up takes fewer.
    private static void Work(Job* job)
    {
        for (int task; (task = Interlocked.Increment(ref job->Next) - 1) < job->Count; )
        {
            job->Body(job->Arguments, task);
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
