using System.Buffers.Binary;
using System.Text.Json;
using DeqDet.Coco;
using DeqDet.Detection;

namespace DeqDet.Reports.Pages;

/// <summary>How the queries of a picture became detections, as a page: state by state, with boxes, scores, residuals and the points that were looked at.</summary>
/// <param name="File">The picture's name.</param>
/// <param name="Model">What it was found with.</param>
/// <param name="Kept">Which detections were kept, in words.</param>
/// <param name="Width">Width, px.</param>
/// <param name="Height">Height, px.</param>
/// <param name="Tolerance">Residual at which queries are settled; null where there is none.</param>
/// <param name="Classes">The detector's classes.</param>
/// <param name="Followed">The refinement.</param>
/// <param name="Picture">The picture as WebP, scaled down.</param>
/// <param name="Gallery">Name of the page of all images, beside this one.</param>
/// <param name="Animation">Name of the moving picture, beside this page; null where there is none.</param>
public sealed record RefinementPage(
    string File,
    string Model,
    string Kept,
    int Width,
    int Height,
    double? Tolerance,
    IReadOnlyList<ObjectClass> Classes,
    FollowedImage Followed,
    byte[] Picture,
    string Gallery,
    string? Animation
)
{
    /// <summary>Queries that are worth showing where fewer were kept.</summary>
    public const int Queries = 40;

    /// <summary>Queries that are shown at most.</summary>
    public const int MostQueries = 120;

    /// <summary>Longest side of the picture, px.</summary>
    public const int LongestSide = 1000;

    // What the points of all queries take at most, as text. Those of the surest come first.
    private const int MostPointBytes = 600_000;

    // Places of points are whole numbers of so many parts of the picture's side, from -4 sides to 4.
    private const int Parts = 8192;

    // In the order in which the browser reads them; the last one runs the others.
    private static readonly string[] scripts =
    [
        "dom.js",
        "residual.js",
        "refinement.js",
        "scene.js",
        "looks.js",
        "paths.js",
        "player.js",
    ];

    /// <summary>Writes the page, one HTML file that needs no other and no network. Equal input gives equal bytes.</summary>
    /// <exception cref="InputError">The file cannot be written.</exception>
    public void Save(string path) => AtomicFile.Write(path, Write);

    /// <summary>Writes the page.</summary>
    public void Write(Stream stream) =>
        PageTemplate.Write(
            stream,
            "Refinement",
            "refinement.html",
            ["evaluation.css", "browse.css", "refinement.css"],
            WriteData,
            scripts
        );

    private void WriteData(Utf8JsonWriter writer)
    {
        var shown = Followed.Queries.Take(MostQueries).ToList();
        var labels = shown
            .SelectMany(query => query.Moments.Select(moment => moment.Label))
            .Distinct()
            .Order()
            .ToList();
        writer.WriteStartObject();
        writer.WriteString("file", File);
        writer.WriteString("model", Model);
        writer.WriteString("kept", Kept);
        writer.WriteString("gallery", Gallery);
        if (Animation is { } animation)
        {
            writer.WriteString("animation", animation);
        }

        writer.WriteNumber("width", Width);
        writer.WriteNumber("height", Height);
        if (Tolerance is { } tolerance)
        {
            writer.WriteNumber("tolerance", tolerance);
        }

        writer.WriteBoolean("equilibrium", Followed.HasEquilibrium);
        writer.WriteNumber("states", Followed.States);
        writer.WriteNumber("parts", Parts);
        writer.WriteNumber("moving", ResidualColour.Moving);
        writer.WriteNumber("settled", ResidualColour.Settled);
        writer.WriteStartArray("strides");
        foreach (var stride in Followed.Strides)
        {
            writer.WriteNumberValue(Math.Round(stride, 2));
        }

        writer.WriteEndArray();
        writer.WriteStartArray("classes");
        foreach (var label in labels)
        {
            writer.WriteStartObject();
            writer.WriteString("name", Classes[label].Name);
            PageColour.Write(writer, label);
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
        writer.WriteStartArray("queries");
        var room = MostPointBytes;
        foreach (var query in shown)
        {
            room -=
                query.Points.Sum(points => points.Length) * 8 / 3 + query.LevelWeights.Sum(all => all.Length) * 4 / 3;
            WriteQuery(writer, query, labels, withPoints: room >= 0);
        }

        writer.WriteEndArray();
        writer.WriteBase64String("picture", Picture);
        writer.WriteEndObject();
    }

    private void WriteQuery(Utf8JsonWriter writer, FollowedQuery query, List<int> labels, bool withPoints)
    {
        writer.WriteStartObject();
        writer.WriteNumber("query", query.Query);
        writer.WriteBoolean("kept", query.IsKept);
        if (query.Report is { Value: var report })
        {
            writer.WriteNumber("steps", report.Evaluations);
            writer.WriteBoolean("settled", query.IsSettled);
        }

        // [x, y, x, y] of each state, one after the other
        writer.WriteStartArray("boxes");
        foreach (var moment in query.Moments)
        {
            foreach (var corner in (ReadOnlySpan<float>)[moment.Box.X1, moment.Box.Y1, moment.Box.X2, moment.Box.Y2])
            {
                WriteNumber(writer, Math.Round(corner, 1));
            }
        }

        writer.WriteEndArray();
        writer.WriteStartArray("labels");
        foreach (var moment in query.Moments)
        {
            writer.WriteNumberValue(labels.BinarySearch(moment.Label));
        }

        writer.WriteEndArray();
        writer.WriteStartArray("scores");
        foreach (var moment in query.Moments)
        {
            WriteNumber(writer, Math.Round(moment.Score, 3));
        }

        writer.WriteEndArray();
        writer.WriteStartArray("residuals");
        foreach (var moment in query.Moments)
        {
            WriteNumber(writer, Digits(moment.Residual));
        }

        writer.WriteEndArray();
        if (withPoints && query.Points.Length > 0)
        {
            writer.WriteBase64String("points", Places(query.Points));
            writer.WriteBase64String("levels", Shares(query.LevelWeights));
        }

        writer.WriteEndObject();
        writer.Flush();
    }

    // Three digits that count.
    private static double Digits(double number) =>
        number is 0 || !double.IsFinite(number)
            ? number
            : double.Parse(
                number.ToString("G3", System.Globalization.CultureInfo.InvariantCulture),
                System.Globalization.CultureInfo.InvariantCulture
            );

    private static void WriteNumber(Utf8JsonWriter writer, double number)
    {
        if (double.IsFinite(number))
        {
            writer.WriteNumberValue(number);
        }
        else
        {
            writer.WriteNullValue();
        }
    }

    // Two bytes for each x and y, the lower one first.
    private byte[] Places(float[][] states)
    {
        var bytes = new byte[states.Sum(points => points.Length) * 2];
        var at = 0;
        foreach (var points in states)
        {
            for (var i = 0; i < points.Length; i++, at += 2)
            {
                var place = Math.Round(points[i] / (double)(i % 2 == 0 ? Width : Height) * Parts);
                // what is not finite lies outside, too
                var kept = place >= short.MinValue && place <= short.MaxValue ? (short)place : short.MinValue;
                BinaryPrimitives.WriteInt16LittleEndian(bytes.AsSpan(at), kept);
            }
        }

        return bytes;
    }

    // 255 is all of it.
    private static byte[] Shares(float[][] states) =>
        [
            .. states
                .SelectMany(weights => weights)
                .Select(weight => (byte)Math.Clamp(Math.Round(weight * 255.0), 0, 255)),
        ];
}
