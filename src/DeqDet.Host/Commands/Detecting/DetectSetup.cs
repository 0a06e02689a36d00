using DeqDet.CommandLine;
using DeqDet.Data;
using DeqDet.Detection;
using DeqDet.Host.Terminal;
using DeqDet.Images;
using DeqDet.Reports;

namespace DeqDet.Host.Commands;

/// <summary>What images and videos have in common while they are looked at.</summary>
/// <param name="Session">The detector.</param>
/// <param name="Request">What was asked for.</param>
/// <param name="Filter">Which findings are kept.</param>
/// <param name="Display">Where it is told.</param>
/// <param name="Refinements">What refinement cost.</param>
/// <param name="Cancellation">Ends it.</param>
public sealed record DetectSetup(
    DetectorSession Session,
    DetectRequest Request,
    ScoreFilter Filter,
    DetectDisplay Display,
    Refinements Refinements,
    CancellationToken Cancellation
)
{
    // Pictures that wait to be drawn and written: with what drawing takes of each, some 200 MB.
    private const long MostPixels = 16L << 20;

    /// <summary>The checkpoint's name, for headings.</summary>
    public string ModelName => Path.GetFileName(Path.TrimEndingDirectorySeparator(Request.Checkpoint.Value));

    /// <summary>A way to find things in the pictures of one source.</summary>
    public Predictor Predictor() => new(Session, Request, Filter.Keeps, Cancellation);

    /// <summary>Work on pictures beside the network, whose results come back in order; a piece weighs its pixels.</summary>
    public static OrderedWork<T> Beside<T>(Action<T> finished) => new(MostPixels, finished);

    /// <summary>The pixels of a picture and of the one that is drawn of it.</summary>
    public static long Weight(RgbImage image) => (long)image.Width * image.Height;

    /// <summary>Does a piece of work and adds its time to drawing's.</summary>
    public T Timed<T>(Func<T> draw)
    {
        var start = System.Diagnostics.Stopwatch.GetTimestamp();
        try
        {
            return draw();
        }
        finally
        {
            Session.Times.Add(DetectionPart.Draw, System.Diagnostics.Stopwatch.GetElapsedTime(start));
        }
    }

    /// <summary>A picture with what was found in it, the surest on top.</summary>
    public static Picture Draw(RgbImage image, IEnumerable<Finding> found) =>
        Picture.Annotate(
            image,
            [
                .. found
                    .OrderBy(finding => finding.Score)
                    .Select(finding => new DrawnBox(finding.Box, finding.Label, finding.Name, finding.Score)),
            ]
        );
}
