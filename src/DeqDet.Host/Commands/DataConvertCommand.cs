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
        DataInput.CheckPlace(request.Out, [request.Folder]);
        var parts = DataFolder.Parts(request.Folder);
        using var interruption = new Interruption();
        var set = DataInput.Read(parts, request.LeaveOutDamaged, console, interruption.Token);
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
