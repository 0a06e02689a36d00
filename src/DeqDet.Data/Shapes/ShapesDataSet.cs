using DeqDet.Images;
using DeqDet.Settings;

namespace DeqDet.Data.Shapes;

/// <summary>How far the generation is: pictures written, of how many.</summary>
public readonly record struct ShapesProgress(int Done, int Total);

/// <summary>What was done to have the data set.</summary>
/// <param name="Made">Whether it was generated now.</param>
/// <param name="Notices">What was found and left in its folder; to be told to the user once.</param>
public readonly record struct ShapesOutcome(bool Made, IReadOnlyList<string> Notices);

/// <summary>
/// The data set that DeqDet makes itself: textured shapes on busy backgrounds, in COCO's layout (<c>train/</c>, <c>val/</c>,
/// <c>annotations/instances_{train,val}.json</c>). A box is the tight box of a shape's visible pixels, its area their number.
/// Equal settings give equal pixels and annotations on every machine, whatever the number of threads.
/// </summary>
public static class ShapesDataSet
{
    /// <summary>The file that says which generator and settings made a folder; it is the sign that the folder is complete.</summary>
    public const string StampName = "shapes.json";

    /// <summary>Raised whenever the generator's pictures or annotations change, so that older folders are made anew.</summary>
    public const int GeneratorVersion = 2;

    private const int ValIdOffset = 1_000_000;

    private static readonly string[] parts = ["train", "val"];

    /// <summary>
    /// Makes sure that <paramref name="folder"/> holds the data set of these settings: reuses what is there, otherwise generates it
    /// on all cores in a neighbouring folder and moves it in at the end, so that nothing half made is ever used. Of a data set of other
    /// settings only the files that were made here are removed; the user's own in the folder stay.
    /// </summary>
    /// <exception cref="InputError">The folder holds something else, something is in the way, or it cannot be written.</exception>
    public static ShapesOutcome Ensure(
        string folder,
        ShapesSettings settings,
        IProgress<ShapesProgress>? progress,
        CancellationToken cancellation
    )
    {
        folder = ShapesFolder.Resolve(folder);
        try
        {
            if (IsMade(folder, settings))
            {
                return new(false, []);
            }

            var wanted = Wanted(settings);
            IReadOnlyList<string> notices;
            using (ShapesFolder.Lock(folder, cancellation)) // what another process moves in at the moment looks foreign
            {
                if (IsMade(folder, settings))
                {
                    return new(false, []);
                }

                ShapesFolder.RefuseForeign(folder, wanted);
                notices = ShapesFolder.RemoveAbandoned(folder);
            }

            var part = ShapesFolder.NewPart(folder);
            try
            {
                Generate(part, settings, progress, cancellation);
                using var sole = ShapesFolder.Lock(folder, cancellation);
                if (IsMade(folder, settings))
                {
                    return new(false, notices); // another process was faster
                }

                ShapesFolder.Replace(part, folder, wanted);
            }
            finally
            {
                MadeFiles.Discard(part);
            }

            return new(true, [.. notices, .. ShapesFolder.Kept(folder)]);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new InputError(
                $"cannot make the shapes data set in {folder}: {error.Message} Choose another folder with --data."
            );
        }
    }

    /// <summary>Refuses a folder in which <see cref="Ensure"/> would not make the data set; writes nothing.</summary>
    /// <exception cref="InputError">The folder holds something else, or something is in the way.</exception>
    public static void Check(string folder, ShapesSettings settings) =>
        ShapesFolder.RefuseForeign(ShapesFolder.Resolve(folder), Wanted(settings));

    /// <summary>Whether a folder holds the whole data set of these settings.</summary>
    public static bool IsMade(string folder, ShapesSettings settings)
    {
        var stamp = Path.Combine(folder, StampName);
        try
        {
            return File.Exists(stamp)
                && File.ReadAllBytes(stamp).AsSpan().SequenceEqual(ShapesJson.Stamp(settings))
                && Wanted(settings).All(path => File.Exists(Path.Combine(folder, path)));
        }
        catch (Exception error) when (error is FileNotFoundException or DirectoryNotFoundException)
        {
            return false; // another process may have removed it just now
        }
    }

    /// <summary>Every file of the data set, relative to its folder.</summary>
    private static List<string> Wanted(ShapesSettings settings) =>
        [
            .. parts.Select(AnnotationFile),
            .. Enumerable.Range(0, settings.TrainImages).Select(index => $"train/{FileName(index)}"),
            .. Enumerable.Range(0, settings.ValImages).Select(index => $"val/{FileName(index)}"),
            StampName,
        ];

    private static void Generate(
        string folder,
        ShapesSettings settings,
        IProgress<ShapesProgress>? progress,
        CancellationToken cancellation
    )
    {
        var total = settings.TrainImages + settings.ValImages;
        var done = 0;
        using var files = new FileJournal(folder);
        foreach (var (set, name, count) in new[] { (0, "train", settings.TrainImages), (1, "val", settings.ValImages) })
        {
            var pictures = new (int Width, int Height, IReadOnlyList<Region> Regions)[count];
            var options = new ParallelOptions
            {
                CancellationToken = cancellation,
                MaxDegreeOfParallelism = Environment.ProcessorCount,
            };
            Parallel.For(
                0,
                count,
                options,
                index =>
                {
                    var picture = Scene.Draw(settings.Seed, set, index);
                    files.Write(
                        $"{name}/{FileName(index)}",
                        PngWriter.Encode(picture.Rgb, picture.Width, picture.Height)
                    );
                    pictures[index] = (picture.Width, picture.Height, picture.Regions);
                    progress?.Report(new(Interlocked.Increment(ref done), total));
                }
            );
            files.Write(AnnotationFile(name), ShapesJson.Of(set * ValIdOffset, pictures, FileName));
        }

        files.Write(StampName, ShapesJson.Stamp(settings));
        files.Finish();
    }

    private static string AnnotationFile(string set) => $"annotations/instances_{set}.json";

    private static string FileName(int index) => $"{index + 1:D6}.png";
}
