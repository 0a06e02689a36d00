using DeqDet.Detection;
using DeqDet.Images;

namespace DeqDet.Host.Commands;

/// <summary>What came of a video.</summary>
/// <param name="Frames">Frames that were looked at.</param>
/// <param name="Detections">What was found in them, together.</param>
/// <param name="Warm">Frames that began where the one before ended.</param>
/// <param name="Failed">Frames for which that failed.</param>
/// <param name="Faults">What went wrong, one line each; what was done before is kept.</param>
public sealed record VideoOutcome(int Frames, int Detections, int Warm, int Failed, IReadOnlyList<string> Faults);

/// <summary>
/// One video on its way: frames are decoded, the network computes, pictures are drawn, and the annotated video is encoded, all at the same time.
/// Beside the video a line of JSON is written for each frame.
/// </summary>
public static class VideoRun
{
    /// <summary>Ending of the annotated video.</summary>
    public const string VideoEnding = ".mp4";

    /// <summary>Ending of the lines of JSON.</summary>
    public const string LogEnding = ".jsonl";

    // Refinement is told of so many frames at most, spread over the video: their queries would not fit into memory.
    private const int MostMeasured = 1000;
    private const int LiveStride = 25;

    // How long an ended ffmpeg and Ctrl-C, which ends it too, may be apart.
    private static readonly TimeSpan moment = TimeSpan.FromMilliseconds(300);

    /// <summary>Looks at all frames of a source, or at those until it is cancelled.</summary>
    /// <param name="setup">The detector, and what was asked for.</param>
    /// <param name="ffmpeg">The programs.</param>
    /// <param name="source">The video.</param>
    /// <param name="stem">Path of what is written, without endings.</param>
    /// <exception cref="InputError">The source cannot be opened, or the lines of JSON not be written.</exception>
    public static VideoOutcome Run(DetectSetup setup, Ffmpeg ffmpeg, VideoSource source, string stem)
    {
        var reader = VideoReader.Open(ffmpeg, source);
        using var predictor = setup.Predictor();
        // the same frames share a batch each time, but live ones wait for no others
        var batch = source.IsLive ? 1 : predictor.BatchSize;
        using var queue = new FrameQueue(
            reader,
            source.IsLive,
            Math.Max(2 * batch, 4),
            time => setup.Session.Times.Add(DetectionPart.Decode, time),
            setup.Cancellation
        );
        using var log = new FrameLog(stem + LogEnding, source, reader.Info, setup.Session.Model.Classes);
        using var video = new AnnotatedVideo(ffmpeg, stem + VideoEnding, reader.Info.Rate);
        var stride = reader.Info.Frames is { } all and > 0 ? Math.Max(1, all / MostMeasured) : LiveStride;
        var (frames, detections) = (0, 0);
        var beside = DetectSetup.Beside<DrawnFrame>(drawn =>
        {
            log.Add(drawn.Number, drawn.Width, drawn.Height, drawn.Found, drawn.Prediction.Refinement);
            video.Add(drawn.Number, drawn.Picture);
            if (frames++ % stride == 0)
            {
                setup.Refinements.Add(drawn.Prediction.Refinement);
            }

            detections += drawn.Found.Count;
            setup.Display.ReportQuiet(frames);
        });
        setup.Display.Begin(source.Name, "frames", reader.Info.Frames);
        try
        {
            while (queue.Take(batch) is { Count: > 0 } taken)
            {
                foreach (var (frame, prediction) in taken.Zip(predictor.Each(taken.Select(frame => frame.Image))))
                {
                    beside.Add(
                        DetectSetup.Weight(frame.Image),
                        () => setup.Timed(() => Draw(setup.Filter, frame, prediction))
                    );
                }
            }
        }
        catch (OperationCanceledException) when (setup.Cancellation.IsCancellationRequested)
        {
            // what was found until now is kept
        }
        finally
        {
            setup.Display.End();
        }

        beside.Finish();
        video.Complete();
        if (queue.Dropped > 0)
        {
            setup.Display.Line(
                $"note: {source.Name}: {Counted.Of((int)queue.Dropped, "frame")} left out, which came while the network was busy"
            );
        }

        // Ctrl-C in a terminal ends ffmpeg, too
        var faults = new[] { queue.Fault?.Message, video.Fault };
        var interrupted = faults.Any(fault => fault is not null) && setup.Cancellation.WaitHandle.WaitOne(moment);
        return new(
            frames,
            detections,
            predictor.Warm,
            predictor.Failed,
            interrupted ? [] : [.. faults.OfType<string>()]
        );
    }

    /// <summary>A frame with what was found in it, drawn.</summary>
    private sealed record DrawnFrame(
        long Number,
        int Width,
        int Height,
        IReadOnlyList<Finding> Found,
        Prediction Prediction,
        RgbImage Picture
    );

    private static DrawnFrame Draw(ScoreFilter filter, NumberedFrame frame, Prediction prediction)
    {
        var found = prediction.Findings.Where(filter.Keeps).ToList();
        return new(
            frame.Number,
            frame.Image.Width,
            frame.Image.Height,
            found,
            prediction,
            DetectSetup.Draw(frame.Image, found).Image
        );
    }
}
