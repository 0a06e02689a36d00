using System.Text.Encodings.Web;
using System.Text.Json;
using DeqDet.Coco;
using DeqDet.Images;
using DeqDet.Settings;

namespace DeqDet.Data.Shapes;

/// <summary>How far the generation is: pictures written, of how many.</summary>
public readonly record struct ShapesProgress(int Done, int Total);

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

    private static readonly TimeSpan Abandoned = TimeSpan.FromHours(1);

    /// <summary>
    /// Makes sure that <paramref name="folder"/> holds the data set of these settings: reuses what is there, otherwise generates it
    /// on all cores in a neighbouring folder that takes the name at the end, so that nothing half made is ever used.
    /// </summary>
    /// <returns>Whether it was generated now.</returns>
    /// <exception cref="InputError">The folder holds something else, or cannot be written.</exception>
    public static bool Ensure(
        string folder,
        ShapesSettings settings,
        IProgress<ShapesProgress>? progress,
        CancellationToken cancellation
    )
    {
        folder = Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder));
        try
        {
            if (IsMade(folder, settings))
            {
                return false;
            }

            RefuseForeign(folder);
            RemoveAbandoned(folder);
            var part = $"{folder}.part-{Guid.NewGuid():N}";
            try
            {
                Generate(part, settings, progress, cancellation);
                return MoveIntoPlace(part, folder, settings);
            }
            finally
            {
                if (Directory.Exists(part))
                {
                    Directory.Delete(part, recursive: true);
                }
            }
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new InputError(
                $"cannot make the shapes data set in {folder}: {error.Message} Choose another folder with --data."
            );
        }
    }

    private static bool IsMade(string folder, ShapesSettings settings)
    {
        var stamp = Path.Combine(folder, StampName);
        return File.Exists(stamp)
            && File.ReadAllBytes(stamp).AsSpan().SequenceEqual(Stamp(settings))
            && CountPictures(folder, "train") == settings.TrainImages
            && CountPictures(folder, "val") == settings.ValImages
            && File.Exists(AnnotationFile(folder, "train"))
            && File.Exists(AnnotationFile(folder, "val"));
    }

    private static int CountPictures(string folder, string set)
    {
        var pictures = Path.Combine(folder, set);
        return Directory.Exists(pictures) ? Directory.EnumerateFiles(pictures, "*.png").Count() : 0;
    }

    private static void RefuseForeign(string folder)
    {
        var occupied =
            File.Exists(folder) || (Directory.Exists(folder) && Directory.EnumerateFileSystemEntries(folder).Any());
        if (occupied && !File.Exists(Path.Combine(folder, StampName)))
        {
            throw new InputError(
                $"{folder} is in use but holds no shapes data set ({StampName} is missing), so nothing is written there. "
                    + "Choose another folder with --data, or move this one away."
            );
        }
    }

    private static void RemoveAbandoned(string folder)
    {
        var parent = Path.GetDirectoryName(folder)!;
        if (!Directory.Exists(parent))
        {
            return;
        }

        foreach (var part in Directory.EnumerateDirectories(parent, $"{Path.GetFileName(folder)}.part-*"))
        {
            if (DateTime.UtcNow - Directory.GetLastWriteTimeUtc(part) > Abandoned)
            {
                Directory.Delete(part, recursive: true);
            }
        }
    }

    private static void Generate(
        string folder,
        ShapesSettings settings,
        IProgress<ShapesProgress>? progress,
        CancellationToken cancellation
    )
    {
        var total = settings.TrainImages + settings.ValImages;
        var done = 0;
        Directory.CreateDirectory(Path.Combine(folder, "annotations"));
        foreach (var (set, name, count) in new[] { (0, "train", settings.TrainImages), (1, "val", settings.ValImages) })
        {
            Directory.CreateDirectory(Path.Combine(folder, name));
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
                    var png = PngWriter.Encode(picture.Rgb, picture.Width, picture.Height);
                    File.WriteAllBytes(Path.Combine(folder, name, FileName(index)), png);
                    pictures[index] = (picture.Width, picture.Height, picture.Regions);
                    progress?.Report(new(Interlocked.Increment(ref done), total));
                }
            );
            WriteAnnotations(AnnotationFile(folder, name), set * ValIdOffset, pictures);
        }

        File.WriteAllBytes(Path.Combine(folder, StampName), Stamp(settings));
    }

    private static bool MoveIntoPlace(string part, string folder, ShapesSettings settings)
    {
        string? replaced = null;
        if (Directory.Exists(folder))
        {
            if (IsMade(folder, settings))
            {
                return false; // another process was faster
            }

            replaced = $"{folder}.part-{Guid.NewGuid():N}";
            Directory.Move(folder, replaced);
        }

        Directory.Move(part, folder);
        if (replaced is not null)
        {
            Directory.Delete(replaced, recursive: true);
        }

        return true;
    }

    private static string AnnotationFile(string folder, string set) =>
        Path.Combine(folder, "annotations", $"instances_{set}.json");

    private static string FileName(int index) => $"{index + 1:D6}.png";

    private static byte[] Stamp(ShapesSettings settings) =>
        WriteJson(json =>
        {
            json.WriteStartObject();
            json.WriteNumber("generator", GeneratorVersion);
            json.WriteNumber("seed", settings.Seed);
            json.WriteNumber("train_images", settings.TrainImages);
            json.WriteNumber("val_images", settings.ValImages);
            json.WriteEndObject();
        });

    private static void WriteAnnotations(
        string path,
        int idOffset,
        (int Width, int Height, IReadOnlyList<Region> Regions)[] pictures
    ) =>
        File.WriteAllBytes(
            path,
            WriteJson(json =>
            {
                json.WriteStartObject();
                json.WriteStartObject("info");
                json.WriteString("description", "DeqDet shapes");
                json.WriteString("version", $"{GeneratorVersion}");
                json.WriteEndObject();
                json.WriteStartArray("categories");
                for (var label = 0; label < Outline.Names.Count; label++)
                {
                    json.WriteStartObject();
                    json.WriteNumber("id", label + 1);
                    json.WriteString("name", Outline.Names[label]);
                    json.WriteEndObject();
                }

                json.WriteEndArray();
                json.WriteStartArray("images");
                for (var i = 0; i < pictures.Length; i++)
                {
                    json.WriteStartObject();
                    json.WriteNumber("id", idOffset + i + 1);
                    json.WriteString("file_name", FileName(i));
                    json.WriteNumber("width", pictures[i].Width);
                    json.WriteNumber("height", pictures[i].Height);
                    json.WriteEndObject();
                }

                json.WriteEndArray();
                json.WriteStartArray("annotations");
                var id = idOffset;
                for (var i = 0; i < pictures.Length; i++)
                {
                    foreach (var region in pictures[i].Regions)
                    {
                        WriteRegion(json, region, ++id, idOffset + i + 1, pictures[i].Width, pictures[i].Height);
                    }
                }

                json.WriteEndArray();
                json.WriteEndObject();
            })
        );

    private static void WriteRegion(Utf8JsonWriter json, Region region, int id, int imageId, int width, int height)
    {
        json.WriteStartObject();
        json.WriteNumber("id", id);
        json.WriteNumber("image_id", imageId);
        json.WriteNumber("category_id", region.Label + 1);
        json.WriteStartArray("bbox");
        json.WriteNumberValue(region.Box.X);
        json.WriteNumberValue(region.Box.Y);
        json.WriteNumberValue(region.Box.W);
        json.WriteNumberValue(region.Box.H);
        json.WriteEndArray();
        json.WriteNumber("area", region.Area);
        json.WriteNumber("iscrowd", region.CrowdCounts is null ? 0 : 1);
        if (region.CrowdCounts is null)
        {
            json.WriteStartArray("segmentation");
            json.WriteEndArray();
        }
        else
        {
            json.WriteStartObject("segmentation");
            json.WriteStartArray("counts");
            foreach (var count in region.CrowdCounts)
            {
                json.WriteNumberValue(count);
            }

            json.WriteEndArray();
            json.WriteStartArray("size");
            json.WriteNumberValue(height);
            json.WriteNumberValue(width);
            json.WriteEndArray();
            json.WriteEndObject();
        }

        json.WriteEndObject();
    }

    private static byte[] WriteJson(Action<Utf8JsonWriter> write)
    {
        using var stream = new MemoryStream();
        using (var json = new Utf8JsonWriter(stream, new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            write(json);
        }

        stream.WriteByte((byte)'\n');
        return stream.ToArray();
    }
}
