using System.Text.Json;
using DeqDet.Coco.Evaluation;
using DeqDet.Detection;
using DeqDet.Images;
using DeqDet.Solver;

namespace DeqDet.Host.Commands;

/// <summary>
/// What was found in a video, as lines of JSON: first what it is about, then a line a frame, each on the disk as soon as it is known, so that it
/// stays whatever happens. Boxes are [x, y, width, height] in px of the frame.
/// </summary>
public sealed class FrameLog : IDisposable
{
    private const string FirstKey = "video";

    private readonly string path;
    private readonly FileStream file;
    private readonly double rate;

    /// <summary>Begins a file; one that is there is replaced.</summary>
    /// <exception cref="InputError">The system refuses.</exception>
    public FrameLog(string path, VideoSource source, VideoInfo info, IReadOnlyList<ObjectClass> classes)
    {
        (this.path, rate) = (path, info.FramesPerSecond);
        try
        {
            file = new(path, FileMode.Create, FileAccess.Write, FileShare.Read);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw AtomicFile.Refused(path, error);
        }

        Line(writer =>
        {
            writer.WriteString(FirstKey, source.Name);
            writer.WriteNumber("frames_per_second", Math.Round(rate, 6));
            writer.WriteStartArray("categories");
            foreach (var category in classes)
            {
                writer.WriteStartObject();
                writer.WritePropertyName("id");
                category.Id.Write(writer);
                writer.WriteString("name", category.Name);
                writer.WriteEndObject();
            }

            writer.WriteEndArray();
        });
    }

    /// <summary>Whether a file begins as one of these.</summary>
    public static bool IsOurs(string path)
    {
        try
        {
            using var reader = new StreamReader(path);
            var head = new char[16];
            return new string(head, 0, reader.ReadBlock(head)).StartsWith(
                $"{{\"{FirstKey}\":\"",
                StringComparison.Ordinal
            );
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    /// <summary>Adds a frame.</summary>
    /// <param name="number">From 0; of live sources also frames count that were left out.</param>
    /// <param name="width">Width, px.</param>
    /// <param name="height">Height, px.</param>
    /// <param name="found">What is kept of what was found.</param>
    /// <param name="refinement">The reports of its queries.</param>
    /// <exception cref="InputError">The system refuses.</exception>
    public void Add(long number, int width, int height, IReadOnlyList<Finding> found, Report[] refinement) =>
        Line(writer =>
        {
            writer.WriteNumber("frame", number);
            writer.WriteNumber("time", Math.Round(number / rate, 4));
            writer.WriteNumber("width", width);
            writer.WriteNumber("height", height);
            if (refinement.Length > 0)
            {
                writer.WriteNumber("steps", Refinements.Steps(refinement));
                writer.WriteNumber("settled", Refinements.Settled(refinement));
            }

            writer.WriteStartArray("detections");
            foreach (var finding in found)
            {
                writer.WriteStartObject();
                writer.WritePropertyName("category_id");
                finding.Class.Id.Write(writer);
                writer.WriteStartArray("bbox");
                writer.WriteNumberValue(finding.Box.X1);
                writer.WriteNumberValue(finding.Box.Y1);
                writer.WriteNumberValue(finding.Box.Width);
                writer.WriteNumberValue(finding.Box.Height);
                writer.WriteEndArray();
                writer.WriteNumber("score", finding.Score);
                writer.WriteNumber("query", finding.Query);
                if (finding is { Steps: { } steps, Residual: { } residual })
                {
                    DetectionsWriter.WriteRefinement(writer, new(steps, residual));
                }

                writer.WriteEndObject();
            }

            writer.WriteEndArray();
        });

    /// <inheritdoc/>
    public void Dispose() => file.Dispose();

    private void Line(Action<Utf8JsonWriter> write)
    {
        using var line = new MemoryStream();
        using (var writer = new Utf8JsonWriter(line))
        {
            writer.WriteStartObject();
            write(writer);
            writer.WriteEndObject();
        }

        line.WriteByte((byte)'\n');
        try
        {
            file.Write(line.GetBuffer(), 0, (int)line.Length);
            file.Flush();
        }
        catch (IOException error)
        {
            throw AtomicFile.Refused(path, error);
        }
    }
}
