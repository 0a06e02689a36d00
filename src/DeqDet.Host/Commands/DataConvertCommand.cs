using DeqDet.CommandLine;
using DeqDet.Data.Check;
using DeqDet.Data.Export;
using DeqDet.Host.Terminal;
using DeqDet.Images;
using Spectre.Console;

namespace DeqDet.Host.Commands;

/// <summary>The command <c>data convert</c>: a data set in another format, as a folder of its own.</summary>
public static class DataConvertCommand
{
    /// <summary>Writes the new data set and says what it is; nothing is left where anything is wrong.</summary>
    /// <exception cref="InputError">The data set cannot be read, or the new folder not be written.</exception>
    public static void Run(DataConvertRequest request, IAnsiConsole console, TextWriter output)
    {
        NewFolder.Check(request.Out);
        var set = DataExport.Read(DataFolder.Parts(request.Folder), request.LeaveOutDamaged);
        var (inside, outside) = (RealPath.Of(request.Out), RealPath.Of(request.Folder));
        if (inside == outside || inside.StartsWith(outside + Path.DirectorySeparatorChar, StringComparison.Ordinal))
        {
            throw new InputError(
                $"{request.Out}: lies in the data set that is read, and would become part of it; name a folder elsewhere"
            );
        }

        using var interruption = new Interruption();
        set = request.LeaveOutDamaged
            ? DataExport.WithoutDamaged(set, DataSplitCommand.Looking(set, console), interruption.Token)
            : set;
        var images = set.Parts.Sum(part => part.Images.Count);
        var line = new ProgressLine(new(console), TimeProvider.System, "converting", "images");
        var written = DataExport.Write(
            set,
            Format(request.Format),
            request.Out,
            request.Link,
            new Told(done => line.Report(done, images)),
            interruption.Token
        );
        foreach (var notice in written.Notices)
        {
            output.WriteLine($"note: {notice}");
        }

        foreach (var part in written.Parts)
        {
            var boxes = part.Images.Sum(image => image.Boxes.Count);
            output.WriteLine(
                $"{part.Name}: {Counted.Of(part.Images.Count, "image")}, {Counted.Of(boxes, "box", "boxes")}"
            );
        }

        var (copied, linked) = (Counted.Of(written.Copied, "image"), Counted.Of(written.Linked, "image"));
        var how =
            written.Linked == 0 ? $"{copied} copied"
            : written.Copied == 0 ? $"{linked} linked"
            : $"{linked} linked, {copied} copied where the disk has no links";
        output.WriteLine(
            $"{Counted.Of(set.Classes.Count, "class", "classes")}; {how}; {Path.TrimEndingDirectorySeparator(request.Out)}"
        );
    }

    private static ExportFormat Format(DataFormat format) =>
        format.IsCoco ? ExportFormat.Coco
        : format.IsYolo ? ExportFormat.Yolo
        : format.IsVoc ? ExportFormat.Voc
        : ExportFormat.LabelMe;
}
