using System.Reflection;
using System.Runtime.InteropServices;
using DeqDet.CommandLine;
using DeqDet.Host.Terminal;
using DeqDet.Images;
using DeqDet.Reports;
using DeqDet.Settings;
using SkiaSharp;
using TorchSharp;

namespace DeqDet.Host.Commands;

/// <summary>What `doctor` looks at besides libtorch and devices.</summary>
public static class MachineChecks
{
    private const long LittleMemory = 2L << 30;
    private const long LittleDisk = 1L << 30;

    /// <summary>Names and versions of the program and of what it stands on.</summary>
    public static IEnumerable<(string Name, string Version)> Versions(string program) =>
        [
            ("DeqDet", program),
            (".NET", Environment.Version.ToString()),
            ("system", $"{RuntimeInformation.OSDescription}, {RuntimeInformation.ProcessArchitecture}"),
            ("TorchSharp", VersionOf(typeof(torch))),
            ("SkiaSharp", VersionOf(typeof(SKCanvas))),
        ];

    /// <summary>Memory that is free, and all.</summary>
    public static void CheckMemory(DoctorReport report)
    {
        var all = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;
        var free = Math.Min(all, FreeMemory() ?? all);
        var text = $"{Human.Bytes(free)} free of {Human.Bytes(all)}";
        if (free < LittleMemory)
        {
            report.Note(
                "memory",
                text,
                "Training needs about 2 GB: close other programs, or train with smaller batches."
            );
        }
        else
        {
            report.Good("memory", text);
        }
    }

    /// <summary>Whether the current folder can be written, and its free space.</summary>
    public static void CheckFolder(DoctorReport report)
    {
        var folder = Environment.CurrentDirectory;
        try
        {
            var free = new DriveInfo(folder).AvailableFreeSpace;
            using (
                new FileStream(
                    Path.Combine(folder, $".deqdet-{Guid.NewGuid():N}"),
                    new FileStreamOptions
                    {
                        Mode = FileMode.CreateNew,
                        Access = FileAccess.Write,
                        Options = FileOptions.DeleteOnClose,
                    }
                )
            ) { }
            var text = $"{Human.Bytes(free)} free; the current folder can be written";
            if (free < LittleDisk)
            {
                report.Note("disk", text, "Data, checkpoints and pictures of a training need about 1 GB: make room.");
            }
            else
            {
                report.Good("disk", text);
            }
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or ArgumentException)
        {
            report.Note(
                "disk",
                $"the current folder cannot be written: {error.Message}",
                "Go to a folder of your own, or name others with --work-dir, --data and --out."
            );
        }
    }

    /// <summary>Whether pictures can be drawn, written and read.</summary>
    public static void CheckImages(DoctorReport report)
    {
        const string remedy = "Delete bin and obj and build again; on an unusual system, see docs/dependencies.md.";
        try
        {
            var picture = Picture.Annotate(new(new byte[12], 2, 2), [new(new(0, 0, 2, 2), 0, "test")]);
            var same = ImageFile.Decode(picture.ToPng(), "test").Pixels.AsSpan().SequenceEqual(picture.Image.Pixels);
            if (same)
            {
                report.Good("images", "drawn, written and read back");
            }
            else
            {
                report.Missing("images", "a picture that was written reads back differently", remedy);
            }
        }
        catch (Exception error) when (error is TypeInitializationException or DllNotFoundException or InputError)
        {
            report.Missing("images", (error.InnerException ?? error).Message.Split('\n')[0], remedy);
        }
    }

    /// <summary>Whether the settings that <c>train</c> uses when none are named can be used: a file in the current folder, or the built-in ones.</summary>
    public static void CheckSettings(DoctorReport report)
    {
        var standard = RequestParser.defaultConfig;
        var place = File.Exists(standard) ? $"{standard} in the current folder" : $"{standard}, built in";
        try
        {
            SettingsFile.load(standard, []);
            report.Good("settings", $"{place}; in order");
        }
        catch (InputError error)
        {
            report.Note("settings", $"{place}; cannot be used", error.Message);
        }
    }

    private static string VersionOf(Type type) =>
        type.Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion.Split('+')[0]
        ?? $"{type.Assembly.GetName().Version}";

    // Only Linux reports the memory that is available without swapping.
    private static long? FreeMemory()
    {
        const string file = "/proc/meminfo";
        if (!File.Exists(file))
        {
            return null;
        }
        var line = File.ReadLines(file)
            .FirstOrDefault(text => text.StartsWith("MemAvailable:", StringComparison.Ordinal));
        var number = line?.Split(' ', StringSplitOptions.RemoveEmptyEntries).ElementAtOrDefault(1);
        return long.TryParse(number, out var kilobytes) ? kilobytes << 10 : null;
    }
}
