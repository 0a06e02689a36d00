using System.Runtime.InteropServices;

namespace DeqDet.Communication.Nccl;

/// <summary>The functions of NVIDIA's driver that are called here. Each returns 0 or an error code.</summary>
internal static partial class CudaFunctions
{
    /// <summary>A stream that does not wait for the default one.</summary>
    public const uint NonBlocking = 1;

    /// <summary>An event without times, which costs less.</summary>
    public const uint WithoutTimes = 2;

    [LibraryImport(Native.Cuda)]
    public static partial int cuInit(uint flags);

    [LibraryImport(Native.Cuda)]
    public static partial int cuDeviceGet(out int device, int index);

    [LibraryImport(Native.Cuda)]
    public static partial int cuDevicePrimaryCtxRetain(out nint context, int device);

    [LibraryImport(Native.Cuda, EntryPoint = "cuDevicePrimaryCtxRelease_v2")]
    public static partial int cuDevicePrimaryCtxRelease(int device);

    [LibraryImport(Native.Cuda)]
    public static partial int cuCtxSetCurrent(nint context);

    [LibraryImport(Native.Cuda)]
    public static partial int cuStreamCreate(out nint stream, uint flags);

    [LibraryImport(Native.Cuda)]
    public static partial int cuStreamWaitEvent(nint stream, nint mark, uint flags);

    [LibraryImport(Native.Cuda, EntryPoint = "cuStreamDestroy_v2")]
    public static partial int cuStreamDestroy(nint stream);

    [LibraryImport(Native.Cuda)]
    public static partial int cuEventCreate(out nint mark, uint flags);

    [LibraryImport(Native.Cuda)]
    public static partial int cuEventRecord(nint mark, nint stream);

    [LibraryImport(Native.Cuda, EntryPoint = "cuEventDestroy_v2")]
    public static partial int cuEventDestroy(nint mark);
}
