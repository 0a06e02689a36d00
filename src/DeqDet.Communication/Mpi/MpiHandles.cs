namespace DeqDet.Communication.Mpi;

/// <summary>By which binary interface an MPI library is called.</summary>
internal enum MpiInterface
{
    /// <summary>That of the MPI 5 standard.</summary>
    Standard,

    /// <summary>Open MPI's, versions 4 and 5: handles are addresses of objects in the library.</summary>
    OpenMpi,

    /// <summary>MPICH's, which Intel MPI and others share: handles are integers.</summary>
    Mpich,
}

/// <summary>
/// The constants of a binary interface. A handle is passed as a whole register: where a library takes a C int, it reads the lower half.
/// </summary>
internal sealed record MpiHandles
{
    public required nint World { get; init; }
    public required nint Float { get; init; }
    public required nint Double { get; init; }
    public required nint Byte { get; init; }
    public required nint Sum { get; init; }
    public required nint NoInfo { get; init; }
    public required nint ErrorsReturn { get; init; }
    public required nint InPlace { get; init; }
    public required nint IgnoreStatus { get; init; }
    public required int Funneled { get; init; }
    public required int SharedMemory { get; init; }

    /// <summary>MPI 5.0, appendix A.1 (mpi.h of the MPI forum's stubs, ABI version 1.0).</summary>
    public static MpiHandles Standard { get; } =
        new()
        {
            World = 0x101,
            Float = 0x210,
            Double = 0x214,
            Byte = 0x247,
            Sum = 0x21,
            NoInfo = 0x130,
            ErrorsReturn = 0x143,
            InPlace = 1,
            IgnoreStatus = 0,
            Funneled = 1024,
            SharedMemory = 221,
        };

    /// <summary>mpi.h of MPICH 3.1 and newer: the MPICH ABI compatibility initiative, libmpi.so.12.</summary>
    public static MpiHandles Mpich { get; } =
        new()
        {
            World = 0x44000000,
            Float = 0x4c00040a,
            Double = 0x4c00080b,
            Byte = 0x4c00010d,
            Sum = 0x58000003,
            NoInfo = 0x1c000000,
            ErrorsReturn = 0x54000001,
            InPlace = -1,
            IgnoreStatus = 1,
            Funneled = 1,
            SharedMemory = 1,
        };

    /// <summary>mpi.h of Open MPI 4 and 5.</summary>
    /// <param name="export">The address of an object of the library.</param>
    public static MpiHandles OpenMpi(Func<string, nint> export) =>
        new()
        {
            World = export("ompi_mpi_comm_world"),
            Float = export("ompi_mpi_float"),
            Double = export("ompi_mpi_double"),
            Byte = export("ompi_mpi_byte"),
            Sum = export("ompi_mpi_op_sum"),
            NoInfo = export("ompi_mpi_info_null"),
            ErrorsReturn = export("ompi_mpi_errors_return"),
            InPlace = 1,
            IgnoreStatus = 0,
            Funneled = 1,
            SharedMemory = 0,
        };
}
