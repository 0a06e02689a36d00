using System.Runtime.InteropServices;

namespace DeqDet.Kernels;

/// <summary>
/// glibc's allocator. As it comes it gives large buffers back to the system as soon as they are freed, and takes fresh pages for the next ones: each page is
/// then cleared again, which costs more than most of what is computed in it. Here freed memory is kept for the next operation.
/// </summary>
public static partial class Allocator
{
    /// <summary>Environment variable that leaves the allocator alone where it says `system`.</summary>
    public const string Variable = "DEQDET_MALLOC";

    private const int TrimThreshold = -1;
    private const int TopPad = -2;
    private const int MostMappings = -4;

    /// <summary>Bytes that the heap grows by: few calls to the system, nothing that is not used.</summary>
    private const int Pad = 256 << 20;

    /// <summary>Whether the allocator of this process is glibc's.</summary>
    public static bool IsGlibc { get; } =
        OperatingSystem.IsLinux()
        && NativeLibrary.TryLoad("libc.so.6", out var library)
        && NativeLibrary.TryGetExport(library, "gnu_get_libc_version", out _);

    /// <summary>
    /// Keeps freed memory in the process from now on; to be called before tensors are made. False where it was left alone: not glibc, or `setting`
    /// (the value of <see cref="Variable"/>) is `system`.
    /// </summary>
    public static bool KeepFreedMemory(string? setting) =>
        IsGlibc
        && setting != "system"
        && SetOption(MostMappings, 0) == 1
        && SetOption(TrimThreshold, int.MaxValue) == 1
        && SetOption(TopPad, Pad) == 1;

    [LibraryImport("libc.so.6", EntryPoint = "mallopt")]
    private static partial int SetOption(int option, int value);
}
