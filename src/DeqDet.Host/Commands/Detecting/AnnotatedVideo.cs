using DeqDet.Images;

namespace DeqDet.Host.Commands;

/// <summary>
/// The annotated video beside the lines of JSON. When it cannot be written any more, that is a fault to be told at the end, and the lines go
/// on.
/// </summary>
public sealed class AnnotatedVideo(Ffmpeg ffmpeg, string path, string rate) : IDisposable
{
    // A stream that was silent for longer is not shown silent.
    private const long MostTimes = 250;

    private VideoWriter? writer;
    private long next;

    /// <summary>Why it is not whole; null: it is.</summary>
    public string? Fault { get; private set; }

    /// <summary>Adds the picture of a frame; it stands for those before it that were left out, so that time goes on as in the source.</summary>
    public void Add(long number, RgbImage picture) =>
        Try(() =>
        {
            writer ??= new(ffmpeg, path, rate, picture.Width, picture.Height);
            writer.Add(picture, (int)Math.Min(MostTimes, number - next + 1));
            next = number + 1;
        });

    /// <summary>Waits until all is written.</summary>
    public void Complete() => Try(() => writer?.Complete());

    /// <inheritdoc/>
    public void Dispose() => writer?.Dispose();

    private void Try(Action write)
    {
        if (Fault is null)
        {
            try
            {
                write();
            }
            catch (InputError error)
            {
                Fault = error.Message;
            }
        }
    }
}
