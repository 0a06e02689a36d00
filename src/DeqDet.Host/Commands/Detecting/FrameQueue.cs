using System.Collections.Concurrent;
using System.Diagnostics;
using DeqDet.Images;

namespace DeqDet.Host.Commands;

/// <summary>A frame and its number in the video, from 0.</summary>
public readonly record struct NumberedFrame(long Number, RgbImage Image);

/// <summary>
/// The frames of a video on their way from ffmpeg to the network, read by a thread of its own. Of a file none is lost: reading waits while
/// enough of them wait. What a camera or a stream sends meanwhile nobody can keep: there the oldest one goes.
/// </summary>
public sealed class FrameQueue : IDisposable
{
    private readonly VideoReader reader;
    private readonly BlockingCollection<NumberedFrame> frames;
    private readonly CancellationTokenSource stop;
    private readonly Task reading;
    private long dropped;

    /// <summary>Begins to read.</summary>
    /// <param name="reader">Where frames come from; the queue disposes of it.</param>
    /// <param name="isLive">Whether frames are lost when nobody takes them.</param>
    /// <param name="most">Frames that wait at most.</param>
    /// <param name="decoded">Told how long each frame took.</param>
    /// <param name="cancellation">Ends it.</param>
    public FrameQueue(
        VideoReader reader,
        bool isLive,
        int most,
        Action<TimeSpan> decoded,
        CancellationToken cancellation
    )
    {
        this.reader = reader;
        frames = new(most);
        stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        reading = Task.Factory.StartNew(() => Read(isLive, decoded), TaskCreationOptions.LongRunning);
    }

    /// <summary>Why the video ended before its end; null: it did not.</summary>
    public InputError? Fault { get; private set; }

    /// <summary>Frames that were left out because the network was busy.</summary>
    public long Dropped => Interlocked.Read(ref dropped);

    /// <summary>The next frames, as many as are wanted, fewer at the end, none after it.</summary>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public IReadOnlyList<NumberedFrame> Take(int wanted)
    {
        var taken = new List<NumberedFrame>();
        try
        {
            while (taken.Count < wanted && frames.TryTake(out var frame, Timeout.Infinite, stop.Token))
            {
                taken.Add(frame);
            }
        }
        catch (OperationCanceledException) when (taken.Count > 0)
        {
            // these are whole; the next call ends it
        }

        return taken;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        stop.Cancel();
        reader.Stop();
        reading.Wait();
        reader.Dispose();
        frames.Dispose();
        stop.Dispose();
    }

    private void Read(bool isLive, Action<TimeSpan> decoded)
    {
        try
        {
            for (var number = 0L; ; number++)
            {
                var start = Stopwatch.GetTimestamp();
                if (reader.Next() is not { } image)
                {
                    return;
                }

                decoded(Stopwatch.GetElapsedTime(start));
                var frame = new NumberedFrame(number, image);
                if (!isLive)
                {
                    frames.Add(frame, stop.Token);
                    continue;
                }

                while (!frames.TryAdd(frame, 0, stop.Token))
                {
                    if (frames.TryTake(out _))
                    {
                        Interlocked.Increment(ref dropped);
                    }
                }
            }
        }
        catch (OperationCanceledException) { }
        catch (InputError error)
        {
            Fault = error;
        }
        finally
        {
            frames.CompleteAdding();
        }
    }
}
