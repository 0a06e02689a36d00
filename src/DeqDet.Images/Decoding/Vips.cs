using System.Reflection;
using System.Runtime.InteropServices;
using NetVips;

namespace DeqDet.Images.Decoding;

/// <summary>
/// libvips as it is used here: one thread a picture (the loader's workers are the threads), nothing kept between pictures, and of its
/// readers only the two that are needed: those of drawings, documents, matrices and the like are switched off, whatever a file says it is.
/// </summary>
internal static class Vips
{
    /// <summary>What imports call it.</summary>
    public const string Library = "libvips";

    // The loaders by the names of their classes; blocking a class blocks those below it.
    private static readonly string[] loaders = ["Jpeg", "Tiff"];

    [ThreadStatic]
    private static int warnings;

    private static readonly Lazy<string?> failure = new(Start);

    /// <summary>Loads and sets up the library, the first time it is called.</summary>
    /// <exception cref="InputError">It cannot be loaded.</exception>
    public static void Ensure()
    {
        if (failure.Value is { } reason)
        {
            throw new InputError(
                $"the image library libvips cannot be loaded ({reason}); docs/dependencies.md says for which systems it is there"
            );
        }
    }

    /// <summary>Warnings that the library gave on this thread since the last call.</summary>
    public static int TakeWarnings()
    {
        var taken = warnings;
        warnings = 0;
        return taken;
    }

    // A summary when a picture is closed; what else is said is of its metadata.
    private static void Warn(string message) =>
        warnings += message.StartsWith("read gave", StringComparison.Ordinal) ? 1 : 0;

    private static string? Start()
    {
        try
        {
            if (!ModuleInitializer.VipsInitialized)
            {
                return ModuleInitializer.Exception?.GetBaseException().Message ?? "it gives no reason";
            }

            NetVips.NetVips.Concurrency = 1;
            Cache.Max = 0;
            Operation.Block("VipsForeignLoad", true);
            foreach (var loader in loaders)
            {
                Operation.Block($"VipsForeignLoad{loader}", false);
            }

            // Otherwise they would be written to the error stream.
            Log.SetLogHandler("VIPS", Enums.LogLevelFlags.Warning, (_, _, message) => Warn(message));
            NativeLibrary.SetDllImportResolver(typeof(Vips).Assembly, Resolve);
            return null;
        }
        catch (Exception error)
            when (error is DllNotFoundException or TypeInitializationException or BadImageFormatException)
        {
            return error.GetBaseException().Message;
        }
    }

    private static nint Resolve(string name, Assembly assembly, DllImportSearchPath? path) =>
        name != Library
            ? 0
            : NativeLibrary.Load(
                OperatingSystem.IsWindows() ? "libvips-42.dll"
                    : OperatingSystem.IsMacOS() ? "libvips.42.dylib"
                    : "libvips.so.42",
                assembly,
                path
            );
}
