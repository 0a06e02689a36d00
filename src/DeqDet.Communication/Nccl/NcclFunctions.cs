using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace DeqDet.Communication.Nccl;

/// <summary>What a group is found by: made by one process, given to all.</summary>
[InlineArray(Length)]
internal struct NcclId
{
    /// <summary>Bytes (NCCL_UNIQUE_ID_BYTES).</summary>
    public const int Length = 128;

    private byte first;
}

/// <summary>The functions of NCCL 2 that are called here (nccl.h). Each returns 0 or an error code.</summary>
internal static unsafe partial class NcclFunctions
{
    /// <summary>ncclFloat32.</summary>
    public const int Float32 = 7;

    /// <summary>ncclSum.</summary>
    public const int Sum = 0;

    [LibraryImport(Native.Nccl)]
    public static partial int ncclGetUniqueId(NcclId* id);

    // by value, as C has it
    [LibraryImport(Native.Nccl)]
    public static partial int ncclCommInitRank(out nint group, int size, NcclId id, int rank);

    [LibraryImport(Native.Nccl)]
    public static partial int ncclAllReduce(
        nint source,
        nint target,
        nuint count,
        int type,
        int operation,
        nint group,
        nint stream
    );

    [LibraryImport(Native.Nccl)]
    public static partial int ncclCommGetAsyncError(nint group, out int error);

    [LibraryImport(Native.Nccl)]
    public static partial int ncclCommDestroy(nint group);

    [LibraryImport(Native.Nccl)]
    public static partial int ncclCommAbort(nint group);

    [LibraryImport(Native.Nccl)]
    public static partial byte* ncclGetErrorString(int error);
}
