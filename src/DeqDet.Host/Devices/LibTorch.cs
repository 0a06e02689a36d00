using System.Runtime.InteropServices;
using System.Text.RegularExpressions;
using DeqDet.Kernels;
using DeqDet.Settings;

namespace DeqDet.Host.Devices;

/// <summary>
/// Finds libtorch and loads it: the one that was built in, or the user's own, from the folder that
/// <see cref="FolderVariable"/> names (in a build made with <c>-p:LibTorch=none</c>). <see cref="Load"/> has to run
/// before anything touches <c>TorchSharp.torch</c>, whose static constructor otherwise looks for libtorch by itself.
/// </summary>
public static class LibTorch
{
    /// <summary>Environment variable with the folder of the user's own libtorch, such as torch/lib of a PyTorch.</summary>
    public const string FolderVariable = "DEQDET_LIBTORCH";

    /// <summary>The libtorch that TorchSharp was compiled for; others are bound to the same names, but untried.</summary>
    public const string ExpectedVersion = "2.10";

    /// <summary>The libtorch that comes with TorchSharp. Its own version has a fourth number, the package's.</summary>
    public static string VersionOfTorchSharp => string.Join('.', TorchSharp.torch.__version__.Split('.').Take(3));

    private const string RebuildWith = "dotnet run -p:LibTorch=none --project src/DeqDet.Host -- ...";

    /// <summary>In the order in which they depend on each other; those for CUDA are absent from a CPU build.</summary>
    private static readonly string[] libraries = ["c10", "torch_cpu", "c10_cuda", "torch_cuda", "torch"];

    private static readonly Lazy<LibTorchPlace> loaded = new(FindAndLoad);

    /// <summary>
    /// Loads libtorch, the first time it is called, and says which. Raises <see cref="InputError"/>, with what to do,
    /// when there is none, when there are two, or when it cannot be loaded.
    /// </summary>
    public static LibTorchPlace Load() => loaded.Value;

    /// <summary>
    /// Where libtorch would be loaded from, given the value of <see cref="FolderVariable"/>; looks at files only.
    /// Errors as for <see cref="Load"/>.
    /// </summary>
    public static LibTorchPlace Find(string? own)
    {
        var builtIn = SearchFolders().FirstOrDefault(folder => File.Exists(Library(folder, "torch_cpu")));

        if (string.IsNullOrWhiteSpace(own))
            return builtIn is null
                ? throw new InputError(
                    "this build contains no libtorch (it was made with -p:LibTorch=none). Set "
                        + $"{FolderVariable} to the folder of yours, such as torch/lib of an installed PyTorch "
                        + $"{ExpectedVersion}, or build without that option."
                )
                : Describe(builtIn, true);

        // Loading both would abort the process: each registers the same operators.
        if (builtIn is not null)
            throw new InputError(
                $"{FolderVariable} is set to '{own}', but this build contains a libtorch of its own. Unset "
                    + $"{FolderVariable}, or leave the other out: {RebuildWith}"
            );

        own = Path.GetFullPath(own);
        if (!Directory.Exists(own))
            throw new InputError($"{FolderVariable} names '{own}', which is no folder. {WhatItShouldName}");
        if (!File.Exists(Library(own, "torch_cpu")))
            throw new InputError(
                $"{FolderVariable} names '{own}', which holds no {FileName("torch_cpu")}. {WhatItShouldName}"
            );
        return Describe(own, false);
    }

    private const string WhatItShouldName =
        "It has to name the folder with libtorch's libraries, such as torch/lib of an installed PyTorch.";

    private static LibTorchPlace FindAndLoad()
    {
        // before the first tensor: how memory is kept cannot be changed for what is there already
        Allocator.KeepFreedMemory(Environment.GetEnvironmentVariable(Allocator.Variable));
        var place = Find(Environment.GetEnvironmentVariable(FolderVariable));
        if (!place.BuiltIn)
            foreach (var path in libraries.Select(name => Library(place.Folder, name)).Where(File.Exists))
                Open(path, place);

        // TorchSharp's part is bound to the libtorch just loaded, by the names of its files.
        var binding = SearchFolders().Select(folder => Library(folder, "LibTorchSharp")).FirstOrDefault(File.Exists);
        if (binding is null)
            throw new InputError(
                $"{FileName("LibTorchSharp")} is missing beside the program ('{AppContext.BaseDirectory}'). TorchSharp "
                    + "has it for Linux (x64), Windows (x64, arm64) and macOS (arm64); on those, build again."
            );
        Open(binding, place);
        return place;
    }

    private static void Open(string path, LibTorchPlace place)
    {
        try
        {
            NativeLibrary.Load(path);
        }
        catch (Exception error) when (error is DllNotFoundException or BadImageFormatException)
        {
            var remedy = place.BuiltIn
                ? "Delete bin and obj and build again; if that does not help, the system lacks what the message names."
                : $"The libtorch in '{place.Folder}' is version {place.Version ?? "unknown"}; {ExpectedVersion} for this "
                    + "system and processor is needed, with everything it depends on.";
            // The runtime's general advice comes first, what the system's loader said last.
            var reason = error.Message.Split(
                '\n',
                StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries
            )[^1];
            throw new InputError($"'{path}' cannot be loaded: {reason}. {remedy}", error);
        }
    }

    private static LibTorchPlace Describe(string folder, bool builtIn) =>
        new(folder, builtIn, File.Exists(Library(folder, "torch_cuda")), builtIn ? null : ReadVersion(folder));

    /// <summary>From torch/version.py of a PyTorch, or build-version of a libtorch archive; null if neither is there.</summary>
    private static string? ReadVersion(string folder)
    {
        var parent = Path.GetDirectoryName(folder.TrimEnd(Path.DirectorySeparatorChar)) ?? folder;
        var archive = Path.Combine(parent, "build-version");
        var python = Path.Combine(parent, "version.py");
        try
        {
            if (File.Exists(archive))
                return File.ReadAllText(archive).Trim();
            if (!File.Exists(python))
                return null;
            var version = Regex.Match(File.ReadAllText(python), @"__version__\s*=\s*['""]([^'""]+)");
            return version.Success ? version.Groups[1].Value : null;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>Where the runtime looks for native libraries: beside the program, and in runtimes/ of a portable build.</summary>
    private static IEnumerable<string> SearchFolders() =>
        ((string?)AppContext.GetData("NATIVE_DLL_SEARCH_DIRECTORIES") ?? "")
            .Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries)
            .Prepend(AppContext.BaseDirectory);

    private static string Library(string folder, string name) => Path.Combine(folder, FileName(name));

    private static string FileName(string name) =>
        OperatingSystem.IsWindows() ? $"{name}.dll"
        : OperatingSystem.IsMacOS() ? $"lib{name}.dylib"
        : $"lib{name}.so";
}
