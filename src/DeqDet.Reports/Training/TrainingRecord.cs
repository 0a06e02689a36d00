using System.Text.Json;
using System.Text.Json.Nodes;
using DeqDet.Detection;
using DeqDet.Images;
using DeqDet.Reports.Pages;
using DeqDet.Settings;

namespace DeqDet.Reports.Training;

/// <summary>A picture of validation images for a page.</summary>
/// <param name="Name">The image's name.</param>
/// <param name="Jpeg">Bytes of a JPEG file.</param>
public sealed record SamplePicture(string Name, byte[] Jpeg);

/// <summary>What a training has left in its work folder, as far as it is shown on a page.</summary>
/// <param name="Name">What the training is called: the end of its folder's path.</param>
/// <param name="Folder">The work folder.</param>
/// <param name="History">Its metrics.</param>
/// <param name="Starts">When it was started and went on.</param>
/// <param name="Settings">Its settings by key, as in <c>optimiser.lr</c>, as JSON; empty where the file is missing or no JSON.</param>
/// <param name="Pictures">Detections beside the truth.</param>
public sealed record TrainingRecord(
    string Name,
    string Folder,
    TrainingHistory History,
    IReadOnlyList<RunStart> Starts,
    IReadOnlyDictionary<string, string> Settings,
    IReadOnlyList<SamplePicture> Pictures
)
{
    private const int MostPictures = 8;

    // Together at most this many bytes, so that a page stays small; smaller pictures are tried before some are left out.
    private const int PictureBytes = 800_000;
    private static readonly int[] pictureSides = [800, 560, 400];

    /// <summary>Reads a work folder.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="shares">How many trainings share a page: each has its part of the room for pictures.</param>
    /// <exception cref="InputError">The folder has no metrics, or they hold nothing.</exception>
    public static TrainingRecord Load(string folder, int shares = 1)
    {
        var work = WorkFolderModule.at(folder);
        if (!File.Exists(work.Metrics))
        {
            throw new InputError(
                $"{folder}: no metrics.jsonl there; name the work folder of a training, such as work/shapes"
            );
        }

        var history = TrainingHistoryModule.read(work.Metrics);
        return history.Steps.Length == 0 && history.Validations.Length == 0
            ? throw new InputError($"{work.Metrics}: holds no line of metrics yet; wait for the first steps")
            : new(
                Path.GetFileName(work.Path),
                work.Path,
                history,
                RunStarts.read(work.Starts),
                Leaves(work.Settings),
                Samples(work.Pictures, MostPictures / shares, PictureBytes / shares)
            );
    }

    // A page is worth having without what cannot be read here.
    private static IReadOnlyDictionary<string, string> Leaves(string file)
    {
        var leaves = new SortedDictionary<string, string>(StringComparer.Ordinal);
        try
        {
            Add("", JsonNode.Parse(File.ReadAllText(file)));
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or JsonException)
        {
            leaves.Clear();
        }

        return leaves;

        void Add(string path, JsonNode? node)
        {
            if (node is not JsonObject section)
            {
                leaves[path] = node?.ToJsonString() ?? "null";
                return;
            }

            foreach (var (key, value) in section)
            {
                Add(path == "" ? key : $"{path}.{key}", value);
            }
        }
    }

    private static IReadOnlyList<SamplePicture> Samples(string folder, int most, int bytes)
    {
        if (!Directory.Exists(folder))
        {
            return [];
        }

        var images = new List<(string, RgbImage)>();
        var files = Directory
            .GetFiles(folder, "*.png")
            .Where(file => Path.GetFileName(file) != ValidationPictures.SheetName)
            .Order(StringComparer.Ordinal);
        foreach (var file in Thinned.Evenly([.. files], Math.Max(2, most)))
        {
            try
            {
                images.Add((Path.GetFileNameWithoutExtension(file), ImageFile.Load(file, null)));
            }
            catch (InputError)
            {
                // written by somebody else, or in half: a page is worth having without
            }
        }

        var samples = new List<SamplePicture>();
        foreach (var side in pictureSides)
        {
            samples = [.. images.Select(image => new SamplePicture(image.Item1, Thumbnail.Jpeg(image.Item2, side)))];
            if (samples.Sum(sample => sample.Jpeg.Length) <= bytes)
            {
                return samples;
            }
        }

        var room = bytes;
        return [.. samples.TakeWhile(sample => (room -= sample.Jpeg.Length) >= 0)];
    }
}
