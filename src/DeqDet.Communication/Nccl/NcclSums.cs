using System.Runtime.InteropServices;
using static DeqDet.Communication.Nccl.CudaFunctions;
using static DeqDet.Communication.Nccl.NcclFunctions;

namespace DeqDet.Communication.Nccl;

/// <summary>
/// Sums over the GPUs of all processes, by NCCL, on a stream of its own. Nothing here waits for the GPU: the order is kept by events, as
/// PyTorch's ProcessGroupNCCL keeps it. Written by the interface's documentation; has not run yet, for want of GPUs.
/// </summary>
public sealed unsafe class NcclSums : IDisposable
{
    // The stream that libtorch computes on, unless it is told otherwise, which TorchSharp cannot.
    private const nint DefaultStream = 0;

    // ncclInProgress, which is no error
    private const int InProgress = 7;

    private readonly Lock gate = new();
    private readonly int device;
    private readonly nint stream;
    private readonly nint begun;
    private nint group;
    private ProcessLostException? lost;

    private NcclSums(int device, nint group, nint stream, nint begun)
    {
        this.device = device;
        this.group = group;
        this.stream = stream;
        this.begun = begun;
    }

    /// <summary>Brings the GPUs of all processes together; all have to call this. From the thread that computes.</summary>
    /// <param name="processes">The group, through which the GPUs find each other.</param>
    /// <param name="index">The GPU of this process, in the driver's order: another one in each process of a machine.</param>
    /// <param name="notice">Called in process 0 with the reason when there are none to bring together.</param>
    /// <returns>Null, in all processes, if the driver or libnccl.so.2 is missing in one: sum in host memory then.</returns>
    /// <exception cref="InvalidOperationException">They are all there, and do not come together.</exception>
    public static NcclSums? Open(ICommunicator processes, int index, Action<string> notice)
    {
        var missing = Load(Native.Cuda, "libcuda.so.1") ?? Load(Native.Nccl, "libnccl.so.2");
        var all = processes.Gather(System.Text.Encoding.UTF8.GetBytes(missing ?? ""));
        var without = Array.FindIndex(all, name => name.Length > 0);
        if (without >= 0)
        {
            if (processes.Rank == 0)
            {
                notice(
                    $"process {without} finds no {System.Text.Encoding.UTF8.GetString(all[without])}: gradients are summed in host memory, "
                        + "not between GPUs"
                );
            }

            return null;
        }

        Cuda(cuInit(0));
        Cuda(cuDeviceGet(out var device, index));
        // the context that libtorch uses, too
        Cuda(cuDevicePrimaryCtxRetain(out var context, device));
        Cuda(cuCtxSetCurrent(context));
        NcclId id = default;
        if (processes.Rank == 0)
        {
            Check(ncclGetUniqueId(&id));
        }

        processes.Gather(new ReadOnlySpan<byte>(&id, NcclId.Length))[0].CopyTo(new Span<byte>(&id, NcclId.Length));
        Check(ncclCommInitRank(out var group, processes.Size, id, processes.Rank));
        Cuda(cuStreamCreate(out var stream, NonBlocking));
        Cuda(cuEventCreate(out var begun, WithoutTimes));
        var sums = new NcclSums(device, group, stream, begun);
        (processes as Mpi.MpiCommunicator)?.WhenLost(sums.Abort);
        return sums;
    }

    /// <summary>
    /// Begins to sum float32 numbers in this process's GPU over all processes, in place, after what the default stream has been given so
    /// far. All processes start their sums in the same order.
    /// </summary>
    /// <param name="data">Address of the first number in GPU memory: not to be touched, nor freed, before <see cref="IPending.Wait"/>.</param>
    /// <param name="count">How many, as many in every process.</param>
    /// <returns>After its Wait, which does not wait, whatever is given to the default stream sees the sum.</returns>
    /// <exception cref="ProcessLostException">Another process is gone.</exception>
    public IPending StartSum(nint data, long count)
    {
        lock (gate)
        {
            ThrowIfLost();
            Cuda(cuEventRecord(begun, DefaultStream));
            Cuda(cuStreamWaitEvent(stream, begun, 0));
            Check(ncclAllReduce(data, data, (nuint)count, Float32, Sum, group, stream));
            Cuda(cuEventCreate(out var done, WithoutTimes));
            Cuda(cuEventRecord(done, stream));
            return new Pending(this, done);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (gate)
        {
            if (group != 0)
            {
                _ = ncclCommDestroy(group);
                group = 0;
            }

            _ = cuEventDestroy(begun);
            _ = cuStreamDestroy(stream);
            _ = cuDevicePrimaryCtxRelease(device);
        }
    }

    // A sum with a process that is gone would occupy the GPU for ever, and who waits for the GPU with it.
    private void Abort(ProcessLostException reason)
    {
        lock (gate)
        {
            lost ??= reason;
            if (group != 0)
            {
                _ = ncclCommAbort(group);
                group = 0;
            }
        }
    }

    private void ThrowIfLost()
    {
        if (lost is { } reason)
        {
            throw new ProcessLostException(reason.ExitCode, reason.Message);
        }

        if (ncclCommGetAsyncError(group, out var error) == 0)
        {
            Check(error);
        }
    }

    private static string? Load(string name, string file)
    {
        if (!NativeLibrary.TryLoad(file, out var module))
        {
            return file;
        }

        Native.Use(name, module);
        return null;
    }

    private static void Cuda(int error)
    {
        if (error != 0)
        {
            throw new InvalidOperationException($"NVIDIA's driver: error {error}");
        }
    }

    private static void Check(int error)
    {
        if (error is not (0 or InProgress))
        {
            throw new InvalidOperationException($"NCCL: {Marshal.PtrToStringUTF8((nint)ncclGetErrorString(error))}");
        }
    }

    private sealed class Pending(NcclSums sums, nint done) : IPending
    {
        private bool waited;

        public void Wait()
        {
            lock (sums.gate)
            {
                if (waited)
                {
                    return;
                }

                sums.ThrowIfLost();
                Cuda(cuStreamWaitEvent(DefaultStream, done, 0));
                Cuda(cuEventDestroy(done));
                waited = true;
            }
        }
    }
}
