using System.Text;
using DeqDet.Detection;
using DeqDet.Reports.Charts;
using DeqDet.Settings;

namespace DeqDet.Reports.Tracing;

/// <summary>Where a trace is written: trace.html, trace.csv, trace.json and a PNG of each figure.</summary>
public sealed class TraceFolder
{
    /// <summary>Name of the file that says what was traced.</summary>
    public const string Summary = "trace.json";

    private readonly string path;

    /// <summary>Makes the folder where it is missing.</summary>
    /// <exception cref="InputError">It cannot be made.</exception>
    public TraceFolder(string path)
    {
        this.path = path;
        try
        {
            Directory.CreateDirectory(path);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new InputError($"--out {path}: cannot be made ({error.Message}); choose another folder");
        }
    }

    /// <summary>The page.</summary>
    public string Page => Path.Combine(path, "trace.html");

    /// <summary>Names of files already there that a trace would write over.</summary>
    public IReadOnlyList<string> Existing =>
        [
            .. new[] { "trace.html", "trace.csv", Summary }
                .Concat(TraceFigures.Names.Select(name => $"{name}.png"))
                .Where(name => File.Exists(Path.Combine(path, name))),
        ];

    /// <summary>Writes everything, each file atomically.</summary>
    /// <returns>The names of the files.</returns>
    /// <exception cref="CheckpointError">A file cannot be written.</exception>
    public IReadOnlyList<string> Write(TraceResults results)
    {
        var figures = TraceFigures.Of(results);
        Text("trace.html", writer => writer.Write(TracePage.Write(results, figures)));
        Text("trace.csv", writer => TraceTable.Write(TraceTable.Rows(results), writer));
        AtomicFile.Write(Path.Combine(path, Summary), stream => TraceSummary.WriteJson(results, stream));
        foreach (var figure in figures)
        {
            ChartPicture.Draw(TracePage.Layout(figure)).Save(Path.Combine(path, $"{figure.Name}.png"));
        }

        return ["trace.html", "trace.csv", Summary, .. figures.Select(figure => $"{figure.Name}.png")];
    }

    private void Text(string name, Action<TextWriter> write) =>
        AtomicFile.Write(
            Path.Combine(path, name),
            stream =>
            {
                using var writer = new StreamWriter(stream, new UTF8Encoding(false), leaveOpen: true);
                write(writer);
            }
        );
}
