using DeqDet.Coco;
using DeqDet.Data.Check;
using DeqDet.Images;

namespace DeqDet.Data.Export;

/// <summary>What was written.</summary>
/// <param name="Parts">The parts, with the boxes that were written.</param>
/// <param name="Copied">Image files that were copied.</param>
/// <param name="Linked">Image files that are second names of the originals.</param>
/// <param name="Notices">What changed or was lost on the way, a line each.</param>
public sealed record ExportSummary(
    IReadOnlyList<ExportPart> Parts,
    int Copied,
    int Linked,
    IReadOnlyList<string> Notices
);

/// <summary>Writes a data set in another format.</summary>
public static class DataExport
{
    /// <summary>Reads the parts of a data set.</summary>
    /// <param name="parts">The parts.</param>
    /// <param name="imagesOptional">
    /// Whether images are left out whose size has to be looked up in a file that is missing or damaged; <see cref="WithoutDamaged"/> looks at the others.
    /// </param>
    /// <exception cref="InputError">Something in them is missing or malformed.</exception>
    public static ExportSet Read(IReadOnlyList<DataPart> parts, bool imagesOptional = false)
    {
        var remarks = new List<string>();
        var set = Of(
            parts,
            part =>
            {
                var file = part.Read(annotationsOptional: true, imagesOptional);
                remarks.AddRange(Remarks(part, file));
                return file;
            }
        );
        return set with { Notices = [.. remarks, .. set.Notices] };
    }

    /// <summary>Reads the parts of a data set as far as they can be read; records with a fault are left out.</summary>
    /// <exception cref="InputError">There is no image.</exception>
    public static ExportSet Survey(IReadOnlyList<DataPart> parts) => Of(parts, part => part.Survey(_ => { }));

    private static ExportSet Of(IReadOnlyList<DataPart> parts, Func<DataPart, AnnotationFile> read) =>
        ExportSet.Of([
            .. parts.Select(part =>
            {
                var file = read(part);
                var isGroup = file.Classes.Count > 0 && RootCategory.IsRoot(file.Classes[0].Id, part.Source);
                return (part.Name, part.ImageFolder, file, isGroup);
            }),
        ]);

    // What the reader of a format has to say: a line for each kind, with its number and the first.
    private static IEnumerable<string> Remarks(DataPart part, AnnotationFile file) =>
        part
            .Found.Concat(file.Remarks)
            .GroupBy(remark => remark.Kind)
            .Select(same =>
                $"{IssueKind.Of(same.Key).Text}{(same.First().IsOfImageFile ? " (left out)" : "")}: {same.Count()} in {part.Name}, the first: {same.First()}"
            );

    /// <summary>
    /// A data set without the images that are missing, damaged (all pixels are decoded) or of another size than stated, and without their boxes;
    /// a notice for each part says how many they are and names the first. A part of which nothing stays is left out.
    /// </summary>
    /// <param name="set">The data set.</param>
    /// <param name="progress">Told the number of images that are looked at.</param>
    /// <param name="cancellation">Ends it.</param>
    /// <exception cref="InputError">No image stays.</exception>
    public static ExportSet WithoutDamaged(ExportSet set, IProgress<int> progress, CancellationToken cancellation)
    {
        var done = 0;
        var found = set
            .Parts.Select(part =>
                ImageFaults.Of(part, decode: true, () => progress.Report(Interlocked.Increment(ref done)), cancellation)
            )
            .ToList();
        var parts = set
            .Parts.Select(
                (part, i) => part with { Images = [.. part.Images.Where((_, j) => found[i].Faults[j] is null)] }
            )
            .ToList();
        if (parts.All(part => part.Images.Count == 0))
        {
            throw new InputError(
                $"{set.Parts[0].ImageFolder}: none of {set.Parts.Sum(part => part.Images.Count)} images can be used, the first: {found[0].Found.First()}"
            );
        }

        return set with
        {
            Parts = [.. parts.Where(part => part.Images.Count > 0)],
            Notices =
            [
                .. set.Notices,
                .. set
                    .Parts.Zip(found, parts)
                    .Where(of => of.Second.Count > 0)
                    .Select(of => LeftOut(of.First, of.Second, of.Third)),
            ],
        };
    }

    private static string LeftOut(ExportPart part, ImageFaults faults, ExportPart kept)
    {
        var boxes = part.Images.Sum(image => image.Boxes.Count) - kept.Images.Sum(image => image.Boxes.Count);
        var rest =
            faults.Count > FaultsShown
                ? $"; and {faults.Count - FaultsShown} more, which `data check --decode` names"
                : "";
        return $"{faults.Count} of {Counted.Of(part.Images.Count, "image")} in {part.Name} {(faults.Count == 1 ? "is" : "are")} left out, with "
            + $"{Counted.Of(boxes, "box", "boxes")}: {string.Join("; ", faults.Found.Take(FaultsShown))}{rest}";
    }

    private const int FaultsShown = 3;

    /// <summary>
    /// Writes a data set into a new or empty folder: all of it, or nothing. Every image has to be there and of the size that its annotations state,
    /// since formats that know shares of an image would else move its boxes.
    /// </summary>
    /// <param name="set">The data set.</param>
    /// <param name="format">The format.</param>
    /// <param name="folder">The folder.</param>
    /// <param name="link">Whether image files become second names of the originals (hard links) where the system can; else they are copied.</param>
    /// <param name="progress">Told the number of images that are done.</param>
    /// <param name="cancellation">Ends it; nothing is left then.</param>
    /// <exception cref="InputError">An image is missing, unreadable or of another size, the folder is not empty, or the system refuses.</exception>
    public static ExportSummary Write(
        ExportSet set,
        ExportFormat format,
        string folder,
        bool link,
        IProgress<int> progress,
        CancellationToken cancellation
    )
    {
        NewFolder.Check(folder);
        var turned = CheckImages(set.Parts, cancellation);
        var plan = ExportLayout.Plan(set, format);
        var (copied, linked) = (0, 0);
        NewFolder.Fill(
            folder,
            making =>
            {
                foreach (var image in plan.Images)
                {
                    cancellation.ThrowIfCancellationRequested();
                    var target = Place(making, image.Target);
                    // a link to a link would be gone with it
                    if (link && HardLink.tryMake(RealPath.Of(image.Source), target))
                    {
                        linked++;
                    }
                    else
                    {
                        File.Copy(image.Source, target);
                        copied++;
                    }

                    progress.Report(copied + linked);
                }

                foreach (var file in plan.Files)
                {
                    cancellation.ThrowIfCancellationRequested();
                    using var stream = new FileStream(Place(making, file.Path), FileMode.CreateNew, FileAccess.Write);
                    file.Write(stream);
                }
            }
        );
        string[] stored =
            turned > 0 && format == ExportFormat.Yolo
                ?
                [
                    $"{Counted.Of(turned, "image is", "images are")} annotated as stored, not as their EXIF orientation says; YOLO states no sizes, and "
                        + "programs that turn such images will find their boxes misplaced",
                ]
                : [];
        return new(plan.Parts, copied, linked, [.. plan.Notices, .. stored]);
    }

    // Nothing that leads out of the folder gets here; this is the last door.
    private static string Place(string folder, string name)
    {
        var path = Path.GetFullPath(Path.Combine(folder, name));
        if (!path.StartsWith(Path.GetFullPath(folder) + Path.DirectorySeparatorChar, StringComparison.Ordinal))
        {
            throw new InputError($"{name}: leads out of the new folder; rename the image");
        }

        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        return path;
    }

    // The number of images that are annotated as stored though EXIF turns them.
    private static int CheckImages(IReadOnlyList<ExportPart> parts, CancellationToken cancellation)
    {
        var turned = 0;
        foreach (var part in parts)
        {
            var faults = ImageFaults.Of(part, decode: false, () => { }, cancellation);
            turned += faults.Turned;
            if (faults.Found.FirstOrDefault() is { } first)
            {
                throw new InputError(
                    $"{part.ImageFolder}: {Counted.Of(faults.Count, "image")} of {part.Images.Count} in {part.Name} cannot be converted, the first: {first}; "
                        + "`data check` names them all, --leave-out-damaged goes on without them"
                );
            }
        }

        return turned;
    }
}
