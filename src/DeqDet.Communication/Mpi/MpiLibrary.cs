using System.Runtime.InteropServices;
using System.Text;

namespace DeqDet.Communication.Mpi;

/// <summary>An MPI library in this process: where it was found, and how it is called.</summary>
internal sealed unsafe class MpiLibrary
{
    /// <summary>The environment variable that names the library to use.</summary>
    public const string Variable = "DEQDET_MPI";

    // Standard ABI; Open MPI 4 and 5; MPICH and Intel MPI, and as Debian names it
    private static readonly string[] Standard = ["libmpi_abi.so.0", "libmpi_abi.so"];
    private static readonly string[] OpenMpi = ["libmpi.so.40"];
    private static readonly string[] Mpich = ["libmpi.so.12", "libmpich.so.12"];
    private static readonly string[] Mac = ["libmpi_abi.0.dylib", "libmpi.40.dylib", "libmpi.12.dylib"];

    private MpiLibrary(nint module, string name, string version, MpiInterface calls, MpiHandles handles)
    {
        Module = module;
        Name = name;
        Version = version;
        Interface = calls;
        Handles = handles;
    }

    /// <summary>As it was asked for: a path, or a file name that the system's loader found.</summary>
    public string Name { get; }

    /// <summary>What the library says of itself, one line.</summary>
    public string Version { get; }

    public MpiInterface Interface { get; }

    public MpiHandles Handles { get; }

    private nint Module { get; }

    /// <summary>The library to use under a launcher, with the bindings set to it.</summary>
    /// <param name="launcher">What started this process.</param>
    /// <param name="named">What DEQDET_MPI says; null or empty where it is not set.</param>
    /// <exception cref="InputError">There is none, or the named one is no MPI library that is understood here.</exception>
    public static MpiLibrary Open(Launcher launcher, string? named)
    {
        var library = SystemCalls.KeepingSignals(() => string.IsNullOrEmpty(named) ? Find(launcher) : OpenNamed(named));
        Native.Use(Native.Mpi, library.Module);
        return library;
    }

    /// <summary>Looks at the library that DEQDET_MPI names, before processes are started that would use it.</summary>
    /// <param name="named">What DEQDET_MPI says; null or empty where it is not set.</param>
    /// <exception cref="InputError">It is no MPI library that is understood here.</exception>
    public static void Check(string? named)
    {
        if (!string.IsNullOrEmpty(named))
        {
            NativeLibrary.Free(SystemCalls.KeepingSignals(() => OpenNamed(named)).Module);
        }
    }

    /// <summary>File names in the order in which they are looked for.</summary>
    public static IEnumerable<string> Candidates(LauncherKind launcher)
    {
        if (OperatingSystem.IsMacOS())
        {
            return Mac;
        }

        return launcher switch
        {
            // another library would come up as a group of one
            LauncherKind.OpenMpi => [.. Standard, .. OpenMpi],
            LauncherKind.Hydra => [.. Standard, .. Mpich],
            LauncherKind.SlurmPmi => [.. Standard, .. Mpich, .. OpenMpi],
            _ => [.. Standard, .. OpenMpi, .. Mpich],
        };
    }

    /// <summary>Whether a library comes from the same hands as a launcher, by what it says of itself: others do not find its processes.</summary>
    public static bool Fits(LauncherKind launcher, string version)
    {
        var openMpi =
            version.Contains("Open MPI", StringComparison.OrdinalIgnoreCase)
            || version.Contains("Spectrum MPI", StringComparison.OrdinalIgnoreCase);
        return launcher switch
        {
            LauncherKind.OpenMpi => openMpi,
            LauncherKind.Hydra => !openMpi,
            _ => true,
        };
    }

    private static MpiLibrary Find(Launcher launcher)
    {
        foreach (var name in Candidates(launcher.Kind))
        {
            if (NativeLibrary.TryLoad(name, out var module))
            {
                if (Recognise(name, module) is { } library && Fits(launcher.Kind, library.Version))
                {
                    return library;
                }

                NativeLibrary.Free(module);
            }
        }

        var install = launcher.Kind switch
        {
            LauncherKind.OpenMpi => "Open MPI's library (Debian and Ubuntu: apt install libopenmpi-dev)",
            LauncherKind.Hydra => "MPICH's library (Debian and Ubuntu: apt install libmpich12)",
            _ =>
                "an MPI library (Debian and Ubuntu: apt install libopenmpi-dev; on a cluster often: module load openmpi)",
        };
        throw new InputError(
            $"{launcher.Name} has started {launcher.Size} processes, but this one finds no MPI library that fits (looked for "
                + $"{string.Join(", ", Candidates(launcher.Kind))}): install {install}, or name a library with {Variable}=FILE"
        );
    }

    private static MpiLibrary OpenNamed(string named)
    {
        nint module;
        try
        {
            module = NativeLibrary.Load(named);
        }
        catch (Exception error) when (error is DllNotFoundException or BadImageFormatException)
        {
            throw new InputError(
                $"{Variable}={named} cannot be loaded: {FirstLine(error.Message)}; name the file of an MPI library, such as libmpi_abi.so.0, "
                    + "libmpi.so.40 (Open MPI) or libmpi.so.12 (MPICH)",
                error
            );
        }

        if (Recognise(named, module) is { } library)
        {
            return library;
        }

        NativeLibrary.Free(module);
        throw new InputError(
            $"{Variable}={named} is no MPI library that is understood here: MPI 5's standard interface, Open MPI 4 and 5, MPICH and those "
                + "compatible with it are"
        );
    }

    // By what the library exports, and by its own words where exports do not tell.
    private static MpiLibrary? Recognise(string name, nint module)
    {
        if (
            !NativeLibrary.TryGetExport(module, "MPI_Init_thread", out _)
            || !NativeLibrary.TryGetExport(module, "MPI_Iallreduce", out _)
            || !NativeLibrary.TryGetExport(module, "MPI_Get_library_version", out var describe)
        )
        {
            return null;
        }

        // 8192: what the standard interface allows; older libraries stay below
        var text = stackalloc byte[8193];
        var length = 0;
        var failed = ((delegate* unmanaged<byte*, int*, int>)describe)(text, &length);
        var version = failed == 0 ? FirstLine(Encoding.UTF8.GetString(text, Math.Clamp(length, 0, 8192))) : "";

        // Open MPI's library of the standard interface brings its own objects along, so the name decides first
        var standard = NativeLibrary.TryGetExport(module, "MPI_Abi_get_version", out var interfaceVersion);
        var named = NameSaysStandard(name);
        var mpich = new[] { "MPICH", "Intel(R) MPI", "MVAPICH", "ParaStation" }.Any(word =>
            version.Contains(word, StringComparison.OrdinalIgnoreCase)
        );
        if (standard && named)
        {
            return OfStandard();
        }

        if (NativeLibrary.TryGetExport(module, "ompi_mpi_comm_world", out _))
        {
            var handles = MpiHandles.OpenMpi(symbol => NativeLibrary.GetExport(module, symbol));
            return new MpiLibrary(module, name, version, MpiInterface.OpenMpi, handles);
        }

        return mpich ? new MpiLibrary(module, name, version, MpiInterface.Mpich, MpiHandles.Mpich)
            : standard ? OfStandard()
            : null;

        MpiLibrary OfStandard()
        {
            int major = 0,
                minor = 0;
            var unknown = ((delegate* unmanaged<int*, int*, int>)interfaceVersion)(&major, &minor);
            if (unknown != 0 || major != 1)
            {
                throw new InputError(
                    $"{name} has version {major}.{minor} of MPI's standard interface, and 1 is understood here: name another library "
                        + $"with {Variable}=FILE"
                );
            }

            return new MpiLibrary(module, name, version, MpiInterface.Standard, MpiHandles.Standard);
        }
    }

    private static bool NameSaysStandard(string name)
    {
        var target = File.Exists(name) ? File.ResolveLinkTarget(name, true)?.Name : null;
        return Path.GetFileName(name).Contains("mpi_abi") || target?.Contains("mpi_abi") == true;
    }

    private static string FirstLine(string text)
    {
        var line = text.TrimStart().Split(['\n', '\0'], 2)[0].Trim();
        return line.Length > 160 ? line[..160] : line;
    }
}
