using System.Collections.Concurrent;

namespace DeqDet.Images;

/// <summary>
/// Writes frames into a video file (MP4 of fragments, which plays up to where it ends, whatever ended it), encoded by ffmpeg beside the program
/// and handed over by a thread of its own. All frames get the size of the first. For one thread.
/// </summary>
public sealed class VideoWriter : IDisposable
{
    // Frames that wait for ffmpeg.
    private const int MostWaiting = 4;

    private static readonly TimeSpan ending = TimeSpan.FromMinutes(2);

    private readonly string path;
    private readonly FfmpegProcess process;
    private readonly BlockingCollection<(RgbImage Frame, int Times)> waiting = new(MostWaiting);
    private readonly Thread thread;
    private volatile bool broken;
    private bool completed;

    /// <summary>Starts to write a file; one that is there is replaced.</summary>
    /// <param name="ffmpeg">The programs.</param>
    /// <param name="path">The file, ending with .mp4.</param>
    /// <param name="rate">Frames a second, as <see cref="VideoInfo.Rate"/>.</param>
    /// <param name="width">Width of the first frame, px.</param>
    /// <param name="height">Height of the first frame, px.</param>
    /// <exception cref="InputError">ffmpeg cannot be started.</exception>
    public VideoWriter(Ffmpeg ffmpeg, string path, string rate, int width, int height)
    {
        this.path = path;
        // colours of half the size need even sides
        var (w, h) = (width + width % 2, height + height % 2);
        string[] encoder = ffmpeg.Encodes("libx264")
            ? ["-c:v", "libx264", "-preset", "veryfast", "-crf", "20"]
            : ["-c:v", "mpeg4", "-q:v", "3"];
        process = FfmpegProcess.Start(
            ffmpeg.Program,
            [
                "-hide_banner",
                "-loglevel",
                "error",
                "-y",
                "-f",
                "image2pipe",
                "-c:v",
                "ppm",
                "-framerate",
                rate,
                "-i",
                "pipe:0",
                "-vf",
                $"scale={w}:{h}",
                .. encoder,
                "-pix_fmt",
                "yuv420p",
                "-movflags",
                "+frag_keyframe+empty_moov+default_base_moof",
                "-f",
                "mp4",
                $"file:{path}",
            ],
            path
        );
        thread = new(HandOver) { IsBackground = true, Name = "video writer" };
        thread.Start();
    }

    /// <summary>Adds a frame, shown for so many frames' time; waits while too many wait already.</summary>
    /// <exception cref="InputError">ffmpeg has ended.</exception>
    public void Add(RgbImage frame, int times = 1)
    {
        if (broken)
        {
            throw Broken();
        }

        waiting.Add((frame, times));
    }

    /// <summary>Waits until all is written.</summary>
    /// <exception cref="InputError">ffmpeg could not write it, or not all of it.</exception>
    public void Complete()
    {
        Stop();
        if (process.End(ending) != 0 || broken)
        {
            throw Broken();
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Stop();
        // it writes what it has, so that what was done stays
        process.End(ending);
        process.Dispose();
        waiting.Dispose();
    }

    private void Stop()
    {
        if (!completed)
        {
            completed = true;
            waiting.CompleteAdding();
            if (!thread.Join(ending))
            {
                process.Kill();
                thread.Join();
            }

            process.CloseInput();
        }
    }

    private InputError Broken()
    {
        // its complaints come after the pipe has gone
        process.End(TimeSpan.FromSeconds(5));
        var complaint = process.Complaint;
        return new(
            $"{path}: ffmpeg cannot write the video{(complaint.Length > 0 ? $": {complaint}" : "")}; what it holds so far is kept"
        );
    }

    private void HandOver()
    {
        foreach (var (frame, times) in waiting.GetConsumingEnumerable())
        {
            for (var i = 0; i < times && !broken; i++)
            {
                try
                {
                    process.Input.Write(Ppm.Header(frame.Width, frame.Height));
                    process.Input.Write(frame.Pixels);
                    process.Input.Flush();
                }
                catch (Exception error) when (error is IOException or ObjectDisposedException)
                {
                    // from here on frames are taken and dropped, so that nobody waits for ever
                    broken = true;
                }
            }
        }
    }
}
