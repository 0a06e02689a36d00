using System.Runtime.InteropServices;

namespace DeqDet.Communication.Mpi;

/// <summary>The functions of MPI that are called here. Each returns 0 or an error code.</summary>
internal static unsafe partial class MpiFunctions
{
    [LibraryImport(Native.Mpi)]
    public static partial int MPI_Init_thread(nint argc, nint argv, int required, out int provided);

    [LibraryImport(Native.Mpi)]
    public static partial int MPI_Finalize();

    [LibraryImport(Native.Mpi)]
    public static partial int MPI_Comm_rank(nint communicator, out int rank);

    [LibraryImport(Native.Mpi)]
    public static partial int MPI_Comm_size(nint communicator, out int size);

    [LibraryImport(Native.Mpi)]
    public static partial int MPI_Comm_dup(nint communicator, ref nint duplicate);

    [LibraryImport(Native.Mpi)]
    public static partial int MPI_Comm_split_type(nint communicator, int type, int key, nint info, ref nint part);

    [LibraryImport(Native.Mpi)]
    public static partial int MPI_Comm_free(ref nint communicator);

    [LibraryImport(Native.Mpi)]
    public static partial int MPI_Comm_set_errhandler(nint communicator, nint handler);

    [LibraryImport(Native.Mpi)]
    public static partial int MPI_Error_string(int error, byte* text, out int length);

    [LibraryImport(Native.Mpi)]
    public static partial int MPI_Ibarrier(nint communicator, ref nint request);

    [LibraryImport(Native.Mpi)]
    public static partial int MPI_Iallreduce(
        nint source,
        nint target,
        int count,
        nint type,
        nint operation,
        nint communicator,
        ref nint request
    );

    [LibraryImport(Native.Mpi)]
    public static partial int MPI_Iallgatherv(
        nint source,
        int count,
        nint sourceType,
        nint target,
        int* counts,
        int* offsets,
        nint targetType,
        nint communicator,
        ref nint request
    );

    [LibraryImport(Native.Mpi)]
    public static partial int MPI_Test(ref nint request, out int done, nint status);
}
