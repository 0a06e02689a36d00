using DeqDet.CommandLine;
using DeqDet.Data;
using DeqDet.Data.Check;
using DeqDet.Data.Export;
using DeqDet.Data.Splitting;
using DeqDet.Host.Terminal;
using DeqDet.Images;
using Spectre.Console;

namespace DeqDet.Host.Commands;

/// <summary>The commands <c>data split</c> and <c>data merge</c>: data sets divided or put together, as new folders in COCO's layout.</summary>
public static class DataSplitCommand
{
    /// <summary>Divides a data set into parts for training, validation and, if asked for, testing.</summary>
    /// <exception cref="InputError">The data set cannot be read or divided, or the new folder not be written.</exception>
    public static void Split(DataSplitRequest request, IAnsiConsole console, TextWriter output)
    {
        DataInput.CheckPlace(request.Out, [request.Folder]);
        var parts = DataFolder.Parts(request.Folder);
        using var interruption = new Interruption();
        var set = DataInput.Read(parts, request.LeaveOutDamaged, console, interruption.Token);
        var plan = new SplitPlan(request.Val, request.Test, request.Seed, request.By?.Value);
        var divided = DataSplit.Divide(set, plan, DataInput.Looking(set, console), interruption.Token);
        Write(divided, request.Out, request.Link, console, output, interruption.Token);
    }

    /// <summary>Puts data sets together: classes by their names, parts by what they are for.</summary>
    /// <exception cref="InputError">A data set cannot be read, or the new folder not be written.</exception>
    public static void Merge(DataMergeRequest request, IAnsiConsole console, TextWriter output)
    {
        DataInput.CheckPlace(request.Out, request.Folders);
        var parts = request.Folders.Select(folder => DataFolder.Parts(folder)).ToList();
        var origin = parts.SelectMany((own, i) => own.Select(_ => i)).ToList();
        using var interruption = new Interruption();
        var set = DataInput.Read(
            [.. parts.SelectMany(own => own)],
            request.LeaveOutDamaged,
            console,
            interruption.Token
        );
        var merged = DataSplit.Merge(set, origin, DataInput.Looking(set, console), interruption.Token);
        Write(merged, request.Out, request.Link, console, output, interruption.Token);
    }

    private static void Write(
        ExportSet set,
        string target,
        bool link,
        IAnsiConsole console,
        TextWriter output,
        CancellationToken cancellation
    )
    {
        var images = set.Parts.Sum(part => part.Images.Count);
        var line = new ProgressLine(new(console), TimeProvider.System, "writing", "images");
        var written = DataExport.Write(
            set,
            ExportFormat.Coco,
            target,
            link,
            new Told(done => line.Report(done, images)),
            cancellation
        );
        foreach (var notice in written.Notices)
        {
            output.WriteLine($"note: {notice}");
        }

        foreach (var part in written.Parts)
        {
            var boxes = part.Images.SelectMany(image => image.Boxes).CountBy(box => box.Label).ToDictionary();
            var classes = set
                .Classes.Select((kind, label) => $"{kind.Name} {boxes.GetValueOrDefault(label)}")
                .Take(ClassesShown);
            output.WriteLine(
                $"{part.Name}: {Counted.Of(part.Images.Count, "image")}, {Counted.Of(boxes.Values.Sum(), "box", "boxes")} "
                    + $"({string.Join(", ", classes)}{(set.Classes.Count > ClassesShown ? ", ..." : "")})"
            );
        }

        output.WriteLine(
            $"{Path.TrimEndingDirectorySeparator(target)}: {Counted.Of(set.Classes.Count, "class", "classes")}, COCO's layout"
        );
    }

    private const int ClassesShown = 8;
}
