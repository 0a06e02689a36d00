using System.Runtime.InteropServices;
using System.Text;

namespace DeqDet.Host.Devices;

/// <summary>A GPU as its driver describes it.</summary>
/// <param name="Name">Product name.</param>
/// <param name="MemoryBytes">All of its memory.</param>
/// <param name="Capability">Compute capability, such as 8.6.</param>
public sealed record CudaDevice(string Name, long MemoryBytes, string Capability);

/// <summary>NVIDIA's driver on this machine; queried directly, so that GPUs are found also where libtorch cannot use them.</summary>
/// <param name="Version">The CUDA version that it supports at most, such as 12.8; null when it cannot be used.</param>
/// <param name="Devices">The GPUs that this process may see, in libtorch's order: cuda:0, cuda:1, ...</param>
/// <param name="Problem">Why it cannot be used; null when it can.</param>
public sealed record CudaDriver(string? Version, IReadOnlyList<CudaDevice> Devices, string? Problem)
{
    private const int CapabilityMajor = 75;
    private const int CapabilityMinor = 76;

    /// <summary>Asks the driver; null where none is installed.</summary>
    public static CudaDriver? Find()
    {
        if (!NativeLibrary.TryLoad(OperatingSystem.IsWindows() ? "nvcuda.dll" : "libcuda.so.1", out var library))
        {
            return null;
        }
        try
        {
            return Ask(library);
        }
        catch (EntryPointNotFoundException error)
        {
            return new(null, [], error.Message);
        }
    }

    private static CudaDriver Ask(nint library)
    {
        var result = Function<Initialise>(library, "cuInit")(0);
        if (result != 0)
        {
            return new(null, [], $"cuInit failed with error {result}{Meaning(result)}");
        }
        Function<Count>(library, "cuDriverGetVersion")(out var version);
        Function<Count>(library, "cuDeviceGetCount")(out var count);
        return new(
            $"{version / 1000}.{version % 1000 / 10}",
            [.. Enumerable.Range(0, count).Select(index => Describe(library, index))],
            null
        );
    }

    private static CudaDevice Describe(nint library, int index)
    {
        Function<DeviceAt>(library, "cuDeviceGet")(out var device, index);
        var name = new byte[256];
        Function<NameOf>(library, "cuDeviceGetName")(name, name.Length, device);
        Function<MemoryOf>(library, "cuDeviceTotalMem_v2")(out var memory, device);
        var attribute = Function<AttributeOf>(library, "cuDeviceGetAttribute");
        attribute(out var major, CapabilityMajor, device);
        attribute(out var minor, CapabilityMinor, device);
        return new(Encoding.UTF8.GetString(name).TrimEnd('\0'), (long)memory, $"{major}.{minor}");
    }

    private static string Meaning(int error) =>
        error switch
        {
            100 => " (no CUDA device)",
            803 => " (the driver's kernel part and its library have different versions; restarting the machine helps)",
            _ => "",
        };

    private static T Function<T>(nint library, string name)
        where T : Delegate => Marshal.GetDelegateForFunctionPointer<T>(NativeLibrary.GetExport(library, name));

    private delegate int Initialise(uint flags);

    private delegate int Count(out int value);

    private delegate int DeviceAt(out int device, int index);

    private delegate int NameOf([Out] byte[] name, int length, int device);

    private delegate int MemoryOf(out nuint bytes, int device);

    private delegate int AttributeOf(out int value, int attribute, int device);
}
