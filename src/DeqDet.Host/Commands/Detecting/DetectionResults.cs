using System.Diagnostics;
using System.Text.Json;
using DeqDet.Coco.Evaluation;
using DeqDet.Detection;
using DeqDet.Solver;

namespace DeqDet.Host.Commands;

/// <summary>
/// An image that was looked at: the path as the user gave it, its picture, its size, what was found; and where it was followed, the names of the page and of
/// the moving picture about that, which there is not where nothing was found.
/// </summary>
public sealed record DetectedImage(
    string File,
    string Picture,
    int Width,
    int Height,
    IReadOnlyList<Finding> Found,
    Report[] Refinement,
    string? Page = null,
    string? Animation = null
);

/// <summary>
/// results.json of <c>detect</c>: written again and again while images come in, so that little is lost whatever happens, and always whole.
/// COCO's layout, so that tools which read annotations can read it: boxes are [x, y, width, height] in px of the image. As long as images are
/// missing it names them under <c>missing</c>.
/// </summary>
/// <param name="path">The file.</param>
/// <param name="classes">The detector's classes.</param>
/// <param name="files">All images that are to be looked at.</param>
/// <param name="also">Writes other files of the same images, each time this one is written.</param>
public sealed class DetectionResults(
    string path,
    IReadOnlyList<ObjectClass> classes,
    IReadOnlyList<string> files,
    Action<IReadOnlyList<DetectedImage>> also
)
{
    private const string PageKey = "refinement_page";
    private const string AnimationKey = "refinement_animation";

    private static readonly TimeSpan WriteEvery = TimeSpan.FromSeconds(10);

    private readonly List<DetectedImage> images = [];
    private readonly HashSet<string> done = new(StringComparer.Ordinal);
    private readonly Stopwatch sinceWritten = Stopwatch.StartNew();

    /// <summary>The images so far.</summary>
    public IReadOnlyList<DetectedImage> Images => images;

    /// <summary>The images that were not looked at, or could not be read.</summary>
    public IReadOnlyList<string> Missing => [.. files.Where(file => !done.Contains(file))];

    /// <summary>Adds an image, and writes the file if the last time is long ago.</summary>
    public void Add(DetectedImage image)
    {
        images.Add(image);
        done.Add(image.File);
        if (sinceWritten.Elapsed >= WriteEvery)
        {
            Write();
        }
    }

    /// <summary>Writes the file.</summary>
    /// <exception cref="InputError">The system refuses.</exception>
    public void Write()
    {
        AtomicFile.Write(path, Write);
        also(images);
        sinceWritten.Restart();
    }

    /// <summary>The pictures and pages that a results file of an earlier run says it has beside it; null: the file is no such file.</summary>
    public static IReadOnlySet<string>? PicturesOf(string path)
    {
        try
        {
            using var json = JsonDocument.Parse(File.ReadAllBytes(path));
            return json
                .RootElement.GetProperty("images")
                .EnumerateArray()
                .SelectMany(image =>
                    new[] { image.GetProperty("picture") }.Concat(
                        new[] { PageKey, AnimationKey }
                            .Where(key => image.TryGetProperty(key, out _))
                            .Select(key => image.GetProperty(key))
                    )
                )
                .Select(name => name.GetString()!)
                .ToHashSet(StringComparer.OrdinalIgnoreCase);
        }
        catch (Exception error) when (error is JsonException or KeyNotFoundException or InvalidOperationException)
        {
            return null;
        }
    }

    private void Write(Stream stream)
    {
        using var writer = new Utf8JsonWriter(stream, new() { Indented = true });
        writer.WriteStartObject();
        writer.WriteStartArray("images");
        for (var i = 0; i < images.Count; i++)
        {
            writer.WriteStartObject();
            writer.WriteNumber("id", i + 1);
            writer.WriteString("file_name", images[i].File);
            writer.WriteNumber("width", images[i].Width);
            writer.WriteNumber("height", images[i].Height);
            writer.WriteString("picture", images[i].Picture);
            if (images[i].Page is { } page)
            {
                writer.WriteString(PageKey, page);
            }

            if (images[i].Animation is { } animation)
            {
                writer.WriteString(AnimationKey, animation);
            }

            WriteRefinement(writer, images[i].Refinement);
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
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
        WriteDetections(writer);
        if (Missing is { Count: > 0 } missing)
        {
            writer.WriteStartArray("missing");
            foreach (var file in missing)
            {
                writer.WriteStringValue(file);
            }

            writer.WriteEndArray();
        }

        writer.WriteEndObject();
    }

    private void WriteDetections(Utf8JsonWriter writer)
    {
        writer.WriteStartArray("annotations");
        var id = 0;
        for (var i = 0; i < images.Count; i++)
        {
            foreach (var finding in images[i].Found)
            {
                writer.WriteStartObject();
                writer.WriteNumber("id", ++id);
                writer.WriteNumber("image_id", i + 1);
                writer.WritePropertyName("category_id");
                finding.Class.Id.Write(writer);
                writer.WriteStartArray("bbox");
                writer.WriteNumberValue(finding.Box.X1);
                writer.WriteNumberValue(finding.Box.Y1);
                writer.WriteNumberValue(finding.Box.X2 - finding.Box.X1);
                writer.WriteNumberValue(finding.Box.Y2 - finding.Box.Y1);
                writer.WriteEndArray();
                writer.WriteNumber("score", finding.Score);
                writer.WriteNumber("query", finding.Query);
                if (finding is { Steps: { } steps, Residual: { } residual })
                {
                    DetectionsWriter.WriteRefinement(writer, new(steps, residual));
                }

                writer.WriteEndObject();
            }
        }

        writer.WriteEndArray();
    }

    // How many applications each query took, and how far it then still was from being a fixed point.
    private static void WriteRefinement(Utf8JsonWriter writer, Report[] queries)
    {
        if (queries.Length == 0)
        {
            return;
        }

        writer.WriteStartObject("refinement");
        writer.WriteNumber("steps", Refinements.Steps(queries));
        writer.WriteNumber("settled", Refinements.Settled(queries));
        writer.WriteStartArray("query_steps");
        foreach (var query in queries)
        {
            writer.WriteNumberValue(query.Evaluations);
        }

        writer.WriteEndArray();
        writer.WriteStartArray("query_residuals");
        foreach (var query in queries)
        {
            if (double.IsFinite(query.RelativeResidual))
            {
                writer.WriteNumberValue((float)query.RelativeResidual);
            }
            else
            {
                writer.WriteNullValue();
            }
        }

        writer.WriteEndArray();
        writer.WriteEndObject();
    }
}
