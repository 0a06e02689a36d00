using DeqDet.Data;
using DeqDet.Data.Export;
using DeqDet.Host.Terminal;
using DeqDet.Images;
using Spectre.Console;

namespace DeqDet.Host.Commands;

/// <summary>What <c>data convert</c>, <c>split</c> and <c>merge</c> read.</summary>
internal static class DataInput
{
    /// <summary>Refuses a folder to write that holds something, or lies in a data set that is read.</summary>
    /// <exception cref="InputError">Names both.</exception>
    public static void CheckPlace(string target, IReadOnlyList<string> folders)
    {
        NewFolder.Check(target);
        foreach (var folder in folders)
        {
            var (inside, outside) = (RealPath.Of(target), RealPath.Of(folder));
            if ((inside + Path.DirectorySeparatorChar).StartsWith(outside + Path.DirectorySeparatorChar))
            {
                throw new InputError(
                    $"{target}: lies in the data set {folder} that is read, and would become part of it; name a folder elsewhere"
                );
            }
        }
    }

    /// <summary>Reads the parts of a data set, and looks at their images where damaged ones are to be left out.</summary>
    /// <exception cref="InputError">Something in them is missing or malformed; or no image can be used.</exception>
    public static ExportSet Read(
        IReadOnlyList<DataPart> parts,
        bool leaveOutDamaged,
        IAnsiConsole console,
        CancellationToken cancellation
    )
    {
        var set = DataExport.Read(parts, imagesOptional: leaveOutDamaged);
        return leaveOutDamaged ? DataExport.WithoutDamaged(set, Looking(set, console), cancellation) : set;
    }

    /// <summary>Shows how many images of a set are looked at.</summary>
    public static Told Looking(ExportSet set, IAnsiConsole console)
    {
        var images = set.Parts.Sum(part => part.Images.Count);
        var line = new ProgressLine(new(console), TimeProvider.System, "looking at", "images");
        return new(done => line.Report(done, images));
    }
}
