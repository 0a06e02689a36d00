namespace DeqDet.Images;

/// <summary>
/// The frames of a video file, a camera or a stream, decoded by ffmpeg beside the program. Upright, 8-bit RGB, at the video's rate: a video whose
/// frames come unevenly gives some twice or leaves some out. For one thread; disposing ends ffmpeg.
/// </summary>
public sealed class VideoReader : IDisposable
{
    private static readonly TimeSpan probing = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan ending = TimeSpan.FromSeconds(10);

    private readonly VideoSource source;
    private readonly FfmpegProcess process;
    private readonly TimeSpan silence;
    private bool ended;

    private VideoReader(VideoSource source, VideoInfo info, FfmpegProcess process, TimeSpan silence)
    {
        (this.source, Info, this.process, this.silence) = (source, info, process, silence);
        process.CloseInput();
    }

    /// <summary>Rate and length.</summary>
    public VideoInfo Info { get; }

    /// <summary>Frames so far.</summary>
    public long Frames { get; private set; }

    /// <summary>What ffmpeg complained of without giving up; empty where there was nothing.</summary>
    public string Complaint => source.Told(process.Complaint);

    /// <summary>Opens a source.</summary>
    /// <param name="ffmpeg">The programs.</param>
    /// <param name="source">The source.</param>
    /// <param name="silence">After how long without a frame it is given up; null: a minute.</param>
    /// <exception cref="InputError">It cannot be opened, or has no moving pictures.</exception>
    public static VideoReader Open(Ffmpeg ffmpeg, VideoSource source, TimeSpan? silence = null)
    {
        var input = source.Input(OperatingSystem.IsWindows(), OperatingSystem.IsMacOS());
        var info = Probe(ffmpeg, source, input);
        var arguments = new List<string> { "-nostdin", "-hide_banner", "-loglevel", "error" };
        arguments.AddRange(input);
        arguments.AddRange(["-map", "0:v:0", "-r", info.Rate, "-f", "image2pipe", "-c:v", "ppm", "-pix_fmt", "rgb24"]);
        arguments.Add("pipe:1");
        return new(
            source,
            info,
            FfmpegProcess.Start(ffmpeg.Program, arguments, source.Name),
            silence ?? TimeSpan.FromMinutes(1)
        );
    }

    /// <summary>The next frame; null at the end.</summary>
    /// <exception cref="InputError">ffmpeg ended before the video did, or gives nothing any more. The frames before are whole.</exception>
    public RgbImage? Next()
    {
        if (ended)
        {
            return null;
        }

        var late = false;
        using var watch = new Timer(
            _ =>
            {
                late = true;
                process.Kill();
            },
            null,
            silence,
            Timeout.InfiniteTimeSpan
        );
        RgbImage? frame;
        InputError? damage = null;
        try
        {
            frame = Ppm.Read(process.Output, source.Name);
        }
        catch (InputError error)
        {
            (frame, damage) = (null, error);
        }

        if (frame is not null)
        {
            Frames++;
            return frame;
        }

        ended = true;
        var code = process.End(ending);
        var so = $"after {Counted.Of((int)Math.Min(Frames, int.MaxValue), "frame")}";
        if (late)
        {
            throw new InputError(
                $"{source.Name}: no frame came for {silence.TotalSeconds:0.#} s, {so}; the ones before are kept"
            );
        }

        if (code != 0)
        {
            throw new InputError(
                $"{source.Name}: ffmpeg ended {so}, before the video did{(code is { } number ? $" (exit code {number})" : "")}{Because()}; the ones before are kept"
            );
        }

        if (damage is not null)
        {
            throw damage;
        }

        return Frames > 0
            ? null
            : throw new InputError($"{source.Name}: there is no frame in it that can be read{Because()}");
    }

    /// <summary>Ends ffmpeg; a thread that waits for a frame waits no longer. From any thread.</summary>
    public void Stop() => process.Kill();

    /// <inheritdoc/>
    public void Dispose() => process.Dispose();

    private string Because() => Complaint is { Length: > 0 } complaint ? $": {complaint}" : "";

    private static VideoInfo Probe(Ffmpeg ffmpeg, VideoSource source, IReadOnlyList<string> input)
    {
        using var probe = FfmpegProcess.Start(
            ffmpeg.Probe,
            [
                "-hide_banner",
                "-loglevel",
                "error",
                "-select_streams",
                "v:0",
                "-show_entries",
                "stream=r_frame_rate,avg_frame_rate,nb_frames:format=duration",
                "-of",
                "json",
                .. input,
            ],
            source.Name
        );
        probe.CloseInput();
        using var watch = new Timer(_ => probe.Kill(), null, probing, Timeout.InfiniteTimeSpan);
        using var text = new StreamReader(probe.Output);
        var json = text.ReadToEnd();
        if (probe.End(ending) != 0)
        {
            var complaint = source.Told(probe.Complaint);
            var unplugged =
                source.Kind == VideoKind.Camera ? "; check that the camera is plugged in and not in use" : "";
            throw new InputError(
                $"{source.Name}: cannot be opened as a video{(complaint.Length > 0 ? $": {complaint}" : "")}{unplugged}"
            );
        }

        return VideoInfo.Parse(json, source.Name);
    }
}
