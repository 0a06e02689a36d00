using System.Reflection;
using System.Runtime.InteropServices;

namespace DeqDet.Communication;

/// <summary>
/// Which files stand behind the names of native libraries that this project's bindings use. A process has one MPI and one NCCL, and an
/// assembly one resolver: the only state here that outlives a communicator.
/// </summary>
internal static class Native
{
    /// <summary>The name under which the bindings call MPI.</summary>
    public const string Mpi = "deqdet-mpi";

    /// <summary>The name under which the bindings call NCCL.</summary>
    public const string Nccl = "deqdet-nccl";

    /// <summary>The name under which the bindings call NVIDIA's driver.</summary>
    public const string Cuda = "deqdet-cuda";

    private static readonly Dictionary<string, nint> Loaded = [];
    private static bool resolving;

    /// <summary>Says which library stands behind a name; the first one stays.</summary>
    public static void Use(string name, nint library)
    {
        lock (Loaded)
        {
            Loaded.TryAdd(name, library);
            if (!resolving)
            {
                NativeLibrary.SetDllImportResolver(typeof(Native).Assembly, Resolve);
                resolving = true;
            }
        }
    }

    private static nint Resolve(string name, Assembly assembly, DllImportSearchPath? path)
    {
        lock (Loaded)
        {
            return Loaded.GetValueOrDefault(name);
        }
    }
}
