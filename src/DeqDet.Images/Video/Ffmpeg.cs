using System.Diagnostics;

namespace DeqDet.Images;

/// <summary>The programs ffmpeg and ffprobe of this machine. They are started with lists of arguments, never through a shell.</summary>
/// <param name="Program">File of ffmpeg.</param>
/// <param name="Probe">File of ffprobe.</param>
public sealed record Ffmpeg(string Program, string Probe)
{
    /// <summary>How to get it, for messages.</summary>
    public const string Remedy =
        "install it (Debian, Ubuntu: apt-get install ffmpeg; macOS: brew install ffmpeg; Windows: winget install ffmpeg), or give images";

    /// <summary>The programs in the folders of a search path; null where one is missing.</summary>
    /// <param name="searchPath">Folders as the variable PATH lists them; null: that variable.</param>
    public static Ffmpeg? Find(string? searchPath = null)
    {
        var folders = (searchPath ?? Environment.GetEnvironmentVariable("PATH") ?? "").Split(
            Path.PathSeparator,
            StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries
        );
        return (In("ffmpeg"), In("ffprobe")) is ({ } program, { } probe) ? new(program, probe) : null;

        string? In(string name) =>
            folders
                .Select(folder => Path.Combine(folder, OperatingSystem.IsWindows() ? $"{name}.exe" : name))
                .FirstOrDefault(File.Exists);
    }

    /// <summary>The same.</summary>
    /// <exception cref="InputError">One is missing; the message says what it is for.</exception>
    public static Ffmpeg Require(string forWhat, string? searchPath = null) =>
        Find(searchPath)
        ?? throw new InputError(
            $"{forWhat}: videos, cameras and streams are read through ffmpeg and ffprobe, which are not among the programs of this machine (PATH); {Remedy}"
        );

    /// <summary>Whether it has an encoder.</summary>
    /// <exception cref="InputError">It cannot be started.</exception>
    public bool Encodes(string encoder)
    {
        using var child = FfmpegProcess.Start(Program, ["-hide_banner", "-encoders"], "ffmpeg");
        child.CloseInput();
        using var lines = new StreamReader(child.Output);
        return lines.ReadToEnd().Contains($" {encoder} ", StringComparison.Ordinal);
    }
}
