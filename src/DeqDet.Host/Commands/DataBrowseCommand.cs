using DeqDet.CommandLine;
using DeqDet.Data.Check;
using DeqDet.Data.Export;
using DeqDet.Host.Terminal;
using DeqDet.Reports.Pages;
using Spectre.Console;

namespace DeqDet.Host.Commands;

/// <summary>The command <c>data browse</c>: a page of a data set's images with their boxes, to be looked at in a browser.</summary>
public static class DataBrowseCommand
{
    /// <summary>Writes the page and says where it is.</summary>
    /// <exception cref="InputError">The data set cannot be read, or the page not be written.</exception>
    public static void Run(DataBrowseRequest request, IAnsiConsole console, TextWriter output)
    {
        var parts = DataFolder.Parts(request.Folder);
        var name = Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(request.Folder)));
        name = name.Length == 0 ? "data" : name;
        var page = request.Out?.Value ?? $"{name}.html";
        Outputs.Check("--out", page, parts.Select(part => part.AnnotationFile), Outputs.IsPage);
        var set = DataExport.Survey(parts);
        var report = DataCheck.Run(parts, decode: false);
        var most = request.Images?.Value ?? BrowsedDataSet.DefaultImages;
        var line = new ProgressLine(new(console), TimeProvider.System, "drawing", "images");
        using var interruption = new Interruption();
        var all = Math.Min(most, set.Parts.Sum(part => part.Images.Count));
        BrowsedDataSet
            .Of(name, set, report, most, new Told(done => line.Report(done, all)), interruption.Token)
            .Save(page);
        var size = new FileInfo(page).Length / 1e6;
        output.WriteLine(FormattableString.Invariant($"{Counted.Of(all, "image")} on a page of {size:0.#} MB: {page}"));
    }
}
