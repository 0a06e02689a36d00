using System.Text.RegularExpressions;

namespace DeqDet.Images;

/// <summary>Where frames come from.</summary>
public enum VideoKind
{
    /// <summary>A file, read as fast as it is used.</summary>
    File,

    /// <summary>A camera of this machine.</summary>
    Camera,

    /// <summary>An address from which frames come.</summary>
    Stream,
}

/// <summary>A video file, a camera or a stream.</summary>
/// <param name="Kind">Which of them.</param>
/// <param name="Name">What people call it: the path as given, <c>camera:0</c>, an address without the password in it.</param>
/// <param name="Target">Path, number or name of the camera, or the whole address.</param>
/// <param name="Real">The path without links; otherwise the target.</param>
public sealed partial record VideoSource(VideoKind Kind, string Name, string Target, string Real)
{
    private const string CameraPrefix = "camera:";

    private static readonly HashSet<string> endings = new(
        ".mp4 .m4v .mov .avi .mkv .webm .mpg .mpeg .wmv .flv .ts .m2ts .mts .3gp .ogv .mjpeg .mjpg .y4m .vob .asf".Split(
            ' '
        ),
        StringComparer.OrdinalIgnoreCase
    );

    private static readonly string[] schemes =
    [
        "rtsp",
        "rtsps",
        "rtmp",
        "rtmps",
        "http",
        "https",
        "udp",
        "tcp",
        "rtp",
        "srt",
    ];

    /// <summary>Whether frames come when they come, and are lost when nobody takes them.</summary>
    public bool IsLive => Kind != VideoKind.File;

    /// <summary>Whether a file's name is that of a video.</summary>
    public static bool IsNamedAsVideo(string file) => endings.Contains(Path.GetExtension(file));

    /// <summary>A video file.</summary>
    public static VideoSource OfFile(FolderFile file) => new(VideoKind.File, file.Path, file.Path, file.Real);

    /// <summary>The camera (<c>camera:0</c>, <c>/dev/video0</c>) or stream (<c>rtsp://...</c>) that a text names; null where it names none.</summary>
    /// <exception cref="InputError">An address of a kind that is not read, or a camera without number or name.</exception>
    public static VideoSource? OfName(string text)
    {
        if (text.StartsWith(CameraPrefix, StringComparison.Ordinal))
        {
            var camera = text[CameraPrefix.Length..];
            return camera.Length > 0 && !camera.Any(char.IsControl)
                ? new(VideoKind.Camera, text, camera, text)
                : throw new InputError(
                    $"{text}: a camera has a number (camera:0), on Windows its name (camera:Integrated Webcam)"
                );
        }

        if (Device().Match(text) is { Success: true } device)
        {
            var number = device.Groups[1].Value;
            return new(VideoKind.Camera, text, number, $"{CameraPrefix}{number}");
        }

        if (Address().Match(text) is not { Success: true } address)
        {
            return null;
        }

        var scheme = address.Groups["scheme"].Value.ToLowerInvariant();
        return schemes.Contains(scheme)
            ? new(VideoKind.Stream, $"{address.Groups["scheme"].Value}://{address.Groups["rest"].Value}", text, text)
            : throw new InputError(
                $"{scheme}://: streams of this kind are not read, those of {string.Join(", ", schemes)} are; give files by their paths"
            );
    }

    /// <summary>What ffmpeg and ffprobe are given before and with <c>-i</c>, an argument each.</summary>
    /// <param name="isWindows">Whether this is Windows, whose cameras have names.</param>
    /// <param name="isMac">Whether this is macOS.</param>
    public IReadOnlyList<string> Input(bool isWindows, bool isMac) =>
        Kind switch
        {
            // the prefix ends what ffmpeg would read into a name, and the list what a file may lead it to
            VideoKind.File => ["-protocol_whitelist", "file,crypto,data", "-i", $"file:{Target}"],
            VideoKind.Camera when isWindows => ["-f", "dshow", "-i", $"video={Target}"],
            VideoKind.Camera when isMac => ["-f", "avfoundation", "-framerate", "30", "-i", Target],
            VideoKind.Camera => ["-f", "v4l2", "-i", $"/dev/video{Target}"],
            _ when Target.StartsWith("rtsp", StringComparison.OrdinalIgnoreCase) =>
            [
                "-rtsp_transport",
                "tcp",
                "-i",
                Target,
            ],
            _ => ["-i", Target],
        };

    /// <summary>
    /// What ffmpeg says of it, for people: without the password that an address may hold, which ffmpeg repeats, and without places in its memory.
    /// </summary>
    public string Told(string complaint) =>
        Memory()
            .Replace(
                Kind == VideoKind.Stream ? complaint.Replace(Target, Name, StringComparison.Ordinal) : complaint,
                ""
            );

    /// <summary>A name for files about it, without folder and ending.</summary>
    public string Stem =>
        Kind switch
        {
            VideoKind.File => Path.GetFileNameWithoutExtension(Target),
            VideoKind.Camera => $"camera-{Plain().Replace(Target, "-")}",
            _ => Plain().Replace(Address().Match(Name).Groups["rest"].Value.Split('?')[0], "-").Trim('-', '.')
                is { Length: > 0 } stem
                ? stem[..Math.Min(stem.Length, LongestStem)]
                : "stream",
        };

    private const int LongestStem = 80;

    [GeneratedRegex(@"^/dev/video(\d{1,3})$")]
    private static partial Regex Device();

    // what stands before an @ is who asks, and with which password
    [GeneratedRegex(@"^(?<scheme>[A-Za-z][A-Za-z0-9+.-]+)://(?:[^/@]*@)?(?<rest>.*)$", RegexOptions.Singleline)]
    private static partial Regex Address();

    [GeneratedRegex(@"\[[^\]@]* @ 0x[0-9a-f]+\] ")]
    private static partial Regex Memory();

    [GeneratedRegex(@"[^A-Za-z0-9._-]+")]
    private static partial Regex Plain();
}
